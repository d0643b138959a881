"""What the sandbox's outbox is the end of: real processes, users, a store and a server of their own."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from redis import Redis

from stormalert.model import Channel, ChannelKind, User
from stormalert.redis import keys
from stormalert.redis.embedded import throwaway_server
from stormalert.redis.keys import Shard
from stormalert.store import Store, open_store
from stormalert.units import now_ms

ROOT = Path(__file__).resolve().parents[1]
ALERTS = Shard("s0").alerts
CHANNELS = (ChannelKind.TELEGRAM, ChannelKind.WHATSAPP, ChannelKind.EMAIL)
# Alerts are appended by us, so the exchange has next to nothing to do.
NO_MARKET = ("--instruments=5", "--tick-rate=1")
UP_WITHIN_S = 120
STOPPED_WITHIN_S = 20
PAGE = 1_000
# The providers' own limits would make a measurement take hours.
NO_LIMITS = {
    name: "100000"
    for name in (
        "STORM_TELEGRAM_BOT_RATE",
        "STORM_TELEGRAM_CHAT_RATE",
        "STORM_TELEGRAM_GROUP_RATE",
        "STORM_WHATSAPP_SENDER_RATE",
        "STORM_WHATSAPP_RECIPIENT_RATE",
        "STORM_SMTP_RATE",
        "STORM_ALERTS_PER_HOUR",
        "STORM_BURST_ALERTS",
    )
}
TELEGRAM_TOKEN = "1000001:sandbox-telegram-token"
TWILIO_TOKEN = "sandbox-twilio-token"

Process = subprocess.Popen[bytes]


class Setup:
    """Users with a channel of each kind; processes are started by name and killed by their handle.

    `environment` is what processes are started with from now on.
    """

    def __init__(
        self,
        redis_url: str,
        directory: Path,
        users: int,
        environment: Mapping[str, str],
        kinds: Sequence[ChannelKind] = CHANNELS,
    ) -> None:
        self.redis = Redis.from_url(redis_url, decode_responses=True)
        self.directory = directory
        self.log = directory / "log"
        self.store: Store = open_store("", directory / "store.sqlite3")
        self.users = [f"user{number}" for number in range(users)]
        self._ports = free_ports(3)
        self.environment = {**os.environ, **self._settings(redis_url), **environment}
        self._processes: list[Process] = []
        self._seen = 0
        for number, user in enumerate(self.users):
            self._seed(number, user, kinds)

    @property
    def sandbox_url(self) -> str:
        return f"http://127.0.0.1:{self._ports[0]}"

    @property
    def sandbox_ws_url(self) -> str:
        return f"ws://127.0.0.1:{self._ports[1]}"

    def start_sandbox(self, market: Sequence[str]) -> None:
        http, ws, smtp = (str(port) for port in self._ports)
        ports = ["--http-port", http, "--ws-port", ws, "--smtp-port", smtp]
        self.run("sandbox", *ports, "--state-dir", str(self.directory / "sandbox"), *market)
        wait_until(self._answers, UP_WITHIN_S, "the sandbox's first answer")

    def start(self, command: str) -> Process:
        return self.run("workers", command)

    def run(self, module: str, *arguments: str) -> Process:
        with self.log.open("ab") as log:
            # Not in the project's folder: a developer's .env is not ours to read.
            command = [sys.executable, "-m", module, *arguments]
            process = subprocess.Popen(command, cwd=self.directory, env=self.environment, stdout=log, stderr=log)
        self._processes.append(process)
        return process

    def wait_for_heartbeat(self, command: str, process: Process) -> None:
        name = {"work": "worker"}.get(command, command)
        wait_until(
            lambda: self.redis.keys(keys.alive.glob(name, "*", process.pid)), UP_WITHIN_S, f"{command}'s first heartbeat"
        )

    def fire(self, number: int) -> None:
        """Append an alert as the engine does; its symbol is its own, so that its messages can be told apart."""
        fields = {"alert": f"rule{number}-1", "rule": f"rule{number}", "user": self.users[number % len(self.users)]}
        fields |= {"token": "408065", "symbol": symbol(number), "kind": "rolling", "direction": "up", "price": "1384.55"}
        fields |= {"reference": "1355.70", "percent": "2.00", "window": "300s", "time": str(now_ms())}
        self.redis.xadd(ALERTS, fields)

    def fired_ms(self) -> dict[str, int]:
        """When each alert was appended, by its symbol."""
        return {fields["symbol"]: int(entry_id.partition("-")[0]) for entry_id, fields in self.redis.xrange(ALERTS)}

    def new_messages(self) -> list[dict[str, Any]]:
        """What came into the outbox since the last call."""
        found: list[dict[str, Any]] = []
        while page := self.ask("GET", f"/outbox.json?since={self._seen}")["messages"]:
            found += page
            self._seen = page[-1]["id"]
        return found

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.sandbox_url + path, data, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def stop(self) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                process.wait(STOPPED_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.store.close()
        self.redis.close()

    def _settings(self, redis_url: str) -> dict[str, str]:
        return {
            "PYTHONPATH": str(ROOT),
            "STORM_REDIS_URL": redis_url,
            "STORM_SQLITE_PATH": str(self.directory / "store.sqlite3"),
            "TELEGRAM_BOT_TOKEN": TELEGRAM_TOKEN,
            "STORM_TELEGRAM_API_ROOT": self.sandbox_url,
            "TWILIO_SID": "ACsandbox00000000000000000000000000",
            "TWILIO_AUTH_TOKEN": TWILIO_TOKEN,
            "TWILIO_FROM_NUMBER": "+14155238886",
            "STORM_TWILIO_API_ROOT": self.sandbox_url,
            "SMTP_URL": f"smtp://127.0.0.1:{self._ports[2]}",
        }

    def _seed(self, number: int, user: str, kinds: Sequence[ChannelKind]) -> None:
        addresses = {
            ChannelKind.TELEGRAM: str(424_242 + number),
            ChannelKind.WHATSAPP: f"+9198{number:08}",
            ChannelKind.EMAIL: f"{user}@storm.example",
        }
        self.store.save_user(User(id=user, name=user, password_hash="x", created_ms=now_ms()))
        for kind in kinds:
            self.store.save_channel(Channel(id=f"{kind}{number}", user=user, kind=kind, address=addresses[kind]))

    def _answers(self) -> bool:
        try:
            return bool(self.ask("GET", "/control"))
        except OSError:
            return False


@contextmanager
def set_up(
    users: int, environment: Mapping[str, str], kinds: Sequence[ChannelKind] = CHANNELS, market: Sequence[str] = NO_MARKET
) -> Iterator[Setup]:
    """With the sandbox running, given the flags `market`, and everything gone at the end."""
    with throwaway_server() as url, tempfile.TemporaryDirectory(prefix="storm-") as directory:
        setup = Setup(url, Path(directory), users, environment, kinds)
        try:
            setup.start_sandbox(market)
            yield setup
        finally:
            setup.stop()


def symbol(number: int) -> str:
    return f"NSE:B{number:06}"


def symbol_of(message: Mapping[str, Any]) -> str:
    """Of the alert that a message in the outbox tells."""
    text = f"{message.get('subject', '')} {message['text']}"
    return next((word for word in text.split() if word.startswith("NSE:B")), "")


def free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def wait_until(condition: Any, within_s: float, what: str) -> None:
    deadline_s = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline_s:
            raise RuntimeError(f"{what} did not come within {within_s} s")
        time.sleep(0.05)
