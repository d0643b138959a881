"""The whole product as a newcomer starts it: a checkout of its own, an empty home, free ports, and nothing of a developer's."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis

from ops.launch.supervisor import Supervisor
from stormalert.config.settings import parse, read_file
from stormalert.store import Store, open_store
from tests.conftest import free_port

ROOT = Path(__file__).resolve().parents[2]
PORTS = (
    *("STORM_PORT", "STORM_RELAY_PORT", "STORM_QUEUE_BOARD_PORT", "STORM_REDIS_PORT"),
    *("STORM_SANDBOX_HTTP_PORT", "STORM_SANDBOX_WS_PORT", "STORM_SANDBOX_SMTP_PORT"),
)
UP_WITHIN_S = 300
STOPPED_WITHIN_S = 120


class Product:
    """`python -m stormalert ...` in a directory of its own; it can be started again there after it has stopped."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()
        self.checkout = checkout(self.directory)
        self.var = self.directory / "var"
        self.ports = {name: free_port() for name in PORTS}
        # What its user set beside that.
        self.settings: dict[str, str] = {}
        self._home = self.directory / "home"
        self._home.mkdir()
        self._log = self.directory / "output.txt"
        self._launcher: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        numbers = {name: str(number) for name, number in self.ports.items()}
        return {"PATH": os.environ["PATH"], "HOME": str(self._home), "STORM_VAR": str(self.var), **numbers, **self.settings}

    @property
    def dashboard_url(self) -> str:
        return f"http://127.0.0.1:{self.ports['STORM_PORT']}"

    @property
    def pid(self) -> int:
        assert self._launcher is not None
        return self._launcher.pid

    @property
    def output(self) -> str:
        """What the newest start has printed so far."""
        return self._log.read_text() if self._log.exists() else ""

    def start(self, *command: str) -> None:
        with self._log.open("wb") as log:
            self._launcher = subprocess.Popen(
                [sys.executable, "-m", "stormalert", *command],
                cwd=self.checkout,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # As from a terminal: Ctrl-C is for the launcher's process group.
                start_new_session=True,
            )

    def wait_for(self, text: str, within_s: float = UP_WITHIN_S) -> None:
        self.wait_until(lambda: text in self.output, within_s, f"{text!r} was not printed")

    def wait_until(self, condition: Callable[[], object], within_s: float, problem: str) -> None:
        """Fails at once when the launcher ends meanwhile."""
        deadline_s = time.monotonic() + within_s
        while not condition():
            is_running = self._launcher is not None and self._launcher.poll() is None
            assert is_running, f"{problem}; the launcher ended:\n{self.output}"
            assert time.monotonic() < deadline_s, f"{problem} within {within_s} s:\n{self.output}"
            time.sleep(0.1)

    def interrupt(self) -> int:
        """Ctrl-C; the exit code."""
        assert self._launcher is not None
        os.killpg(self._launcher.pid, signal.SIGINT)
        return self._launcher.wait(STOPPED_WITHIN_S)

    def kill_launcher(self) -> None:
        assert self._launcher is not None
        self._launcher.kill()
        self._launcher.wait()

    def wait_until_gone(self, within_s: float) -> None:
        """What a killed launcher left behind."""
        deadline_s = time.monotonic() + within_s
        while left := self.processes():
            assert time.monotonic() < deadline_s, f"still there after {within_s} s: {left}"
            time.sleep(0.1)

    def clean_up(self) -> None:
        """Whatever happened before: nothing lives on."""
        try:
            if self._launcher is not None and self._launcher.poll() is None:
                self.interrupt()
        finally:
            if self._launcher is not None and self._launcher.poll() is None:
                self.kill_launcher()
            for pid in self.processes():
                os.kill(pid, signal.SIGKILL)

    def processes(self) -> dict[int, str]:
        """Every process that works in our directory, by pid, with its command. Finds none where there is no /proc."""
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                # The server's own title hides its environment, but nothing hides where it works.
                if (entry / "cwd").readlink().is_relative_to(self.directory):
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                # Not ours to see, or it has just ended.
                continue
        return found

    def pids(self) -> dict[str, int]:
        """Of the processes that supervisord keeps, by name; and its own."""
        conf = self._in_force("supervisord.conf")
        sockets = [row.removeprefix("file=") for row in conf.read_text().splitlines() if row.startswith("file=")]
        statuses = Supervisor(conf, Path(sockets[0]), {}, -1).statuses()
        own = conf.with_name("supervisord.pid").read_text()
        return {status.name: status.pid for status in statuses} | {"supervisord": int(own)}

    def redis(self) -> redis.Redis:
        kept = self._parsed()
        return redis.Redis.from_url(kept.redis_url, decode_responses=True, socket_timeout=20)

    def store(self) -> Store:
        return open_store("", self.store_file)

    @property
    def store_file(self) -> Path:
        path: Path = self._parsed().sqlite_path
        return path

    def outbox(self) -> list[dict[str, Any]]:
        """All messages, oldest first."""
        found: list[dict[str, Any]] = []
        while True:
            newest = found[-1]["id"] if found else 0
            url = f"http://127.0.0.1:{self.ports['STORM_SANDBOX_HTTP_PORT']}/outbox.json?since={newest}"
            with urllib.request.urlopen(url, timeout=60) as answer:
                page = json.load(answer)["messages"]
            if not page:
                return found
            found += page

    @property
    def kept(self) -> dict[str, str]:
        """What the run chose itself."""
        return read_file(self._in_force("run.env"))

    def taken_ports(self) -> dict[str, int]:
        return {name: number for name, number in self.ports.items() if not _is_free(number)}

    def _parsed(self) -> Any:
        return parse(self.kept)

    def _in_force(self, name: str) -> Path:
        """A replay keeps its files in a directory of its own."""
        replay = self.var / "replay" / name
        return replay if replay.exists() else self.var / name


@contextmanager
def product(directory: Path) -> Iterator[Product]:
    made = Product(directory)
    try:
        yield made
    finally:
        made.clean_up()


def checkout(directory: Path) -> Path:
    """The project without what a developer keeps beside it: no .env, no data."""
    made = directory / "checkout"
    made.mkdir()
    for entry in ROOT.iterdir():
        if entry.name == ".streamlit" or not entry.name.startswith((".", "var", "build")):
            (made / entry.name).symlink_to(entry)
    return made


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
