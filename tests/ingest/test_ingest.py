"""`python -m ingest` against the sandbox's exchange, over real sockets."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import redis

from stormalert.security import Sealer
from stormalert.store import Store, open_store
from tests.conftest import free_port

MASTER_SECRET = "m" * 40
INFY, NIFTY = 408065, 256265
TICKS, FEED = "storm:{s0}:ticks", "storm:feed"


def until(condition: Callable[[], object], within_s: float, what: str) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {within_s} s"
        time.sleep(0.05)


@dataclass
class Desk:
    """A sandbox, a store, a Redis, and the ingest process between them."""

    exchange: httpx.Client
    store: Store
    redis: "redis.Redis[str]"
    environment: dict[str, str]
    ingest: subprocess.Popen[bytes]

    def start_ingest(self) -> None:
        self.ingest = subprocess.Popen([sys.executable, "-m", "ingest"], env=self.environment)

    def log_in(self) -> None:
        page = self.exchange.post("/connect/login?v=3&api_key=sandbox-key", data={"api_key": "sandbox-key"})
        (request_token,) = parse_qs(urlsplit(page.headers["location"]).query)["request_token"]
        request = {"request_token": request_token, "time_ms": time.time_ns() // 1_000_000}
        self.store.save_setting("kite.request_token", Sealer(MASTER_SECRET).seal(json.dumps(request)))

    def pull(self, lever: str, **body: object) -> None:
        self.exchange.post(f"/control/{lever}", json=body).raise_for_status()

    def state(self) -> str | None:
        return self.redis.hget(FEED, "state")

    def until_state(self, state: str, within_s: float) -> None:
        until(lambda: self.state() == state, within_s, f"the feed's state {state}")

    def until_ticks_flow(self, within_s: float) -> None:
        before = self.redis.xinfo_stream(TICKS)["last-generated-id"] if self.redis.exists(TICKS) else "0-0"
        until(lambda: self.redis.xrange(TICKS, f"({before}", count=1), within_s, "a tick")


@pytest.fixture
def desk(redis_url: str, tmp_path: Path) -> Iterator[Desk]:
    http, ws, smtp = free_port(), free_port(), free_port()
    ports = ["--http-port", str(http), "--ws-port", str(ws), "--smtp-port", str(smtp)]
    market = ["--state-dir", str(tmp_path / "sandbox"), "--instruments", "20", "--tick-rate", "100"]
    sandbox = subprocess.Popen([sys.executable, "-m", "sandbox", *ports, *market])
    environment = {
        **os.environ,
        "STORM_REDIS_URL": redis_url,
        "STORM_SQLITE_PATH": str(tmp_path / "store.sqlite3"),
        "STORM_MASTER_SECRET": MASTER_SECRET,
        "STORM_MARKET_HOURS": "always",
        "STORM_KITE_API_ROOT": f"http://127.0.0.1:{http}",
        "STORM_KITE_WS_ROOT": f"ws://127.0.0.1:{ws}",
        "KITE_API_KEY": "sandbox-key",
        "KITE_API_SECRET": "sandbox-secret",
    }
    store = open_store("", tmp_path / "store.sqlite3")
    store.save_watchlist("u", [INFY, NIFTY])
    with (
        httpx.Client(base_url=f"http://127.0.0.1:{http}", timeout=10) as exchange,
        redis.Redis.from_url(redis_url, decode_responses=True) as client,
    ):
        desk = Desk(
            exchange, store, client, environment, ingest=subprocess.Popen([sys.executable, "-m", "ingest"], env=environment)
        )
        try:
            until(lambda: _answers(exchange), 30, "the sandbox's first answer")
            yield desk
        finally:
            desk.ingest.kill()
            desk.ingest.wait(10)
            sandbox.terminate()
            sandbox.wait(10)
            store.close()


def _answers(exchange: httpx.Client) -> bool:
    try:
        return exchange.get("/control").is_success
    except httpx.TransportError:
        return False


def test_a_day_of_the_feed(desk: Desk) -> None:
    desk.until_state("login_needed", 20)
    assert desk.redis.hget(FEED, "reason") == "nobody has logged in to Kite yet"
    desk.log_in()
    desk.until_ticks_flow(15)
    desk.until_state("streaming", 5)
    pid = desk.ingest.pid

    _, first = desk.redis.xrange(TICKS, count=1)[0]
    assert list(first)[:3] == ["token", "price", "time"]
    assert int(first["token"]) in (INFY, NIFTY)
    assert abs(int(first["time"]) - time.time() * 1_000) < 60_000
    quote = desk.redis.hgetall(f"storm:{{s0}}:quote:{INFY}")
    assert float(quote["low"]) <= float(quote["last"]) <= float(quote["high"])
    until(lambda: desk.store.instrument_by_symbol("NSE:INFY"), 10, "the instruments in the store")

    # A watchlist that changes is followed on the same connection.
    added = next(row for row in desk.store.search_instruments("NSE:", 30) if row.token not in (INFY, NIFTY))
    desk.store.save_watchlist("u", [INFY, NIFTY, added.token])
    until(lambda: desk.redis.exists(f"storm:{{s0}}:quote:{added.token}"), 10, "the added instrument's quote")

    # A mute socket is found, although it still looks open.
    desk.pull("faults", stream={"mute": True})
    until(lambda: desk.state() in ("stale", "connecting"), 8, "the mute socket being noticed")
    desk.pull("faults", stream={"mute": False})
    desk.until_ticks_flow(10)
    for lever in ("drop", "close"):
        desk.pull(lever)
        desk.until_ticks_flow(10)

    # The token dies, as at 06:00 every day; the next login is adopted by the running process.
    desk.pull("kill-tokens")
    desk.pull("drop")
    desk.until_state("login_needed", 15)
    desk.log_in()
    desk.until_ticks_flow(10)
    assert (desk.ingest.pid, desk.ingest.poll()) == (pid, None)

    # Killed and started again, it goes on with the token it kept.
    desk.ingest.kill()
    desk.ingest.wait(10)
    desk.start_ingest()
    desk.until_ticks_flow(20)

    desk.ingest.send_signal(signal.SIGTERM)
    assert desk.ingest.wait(10) == 0
