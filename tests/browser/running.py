"""Dashboard, relay and evaluator as processes of their own, with a store and a market that the test holds in its hands."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import httpx
import redis

from stormalert.access.security import hash_password
from stormalert.model import Instrument, Role, User
from stormalert.redis import keys
from stormalert.rules.engine import read_armed
from stormalert.store import Store, open_store
from stormalert.units import HOUR_MS, now_ms
from tests.conftest import free_port

NAME, PASSWORD = "asha", "correct horse battery"
USER = "u-asha"
WATCHED = 500
INFY = Instrument(token=408065, symbol="NSE:INFY", name="INFOSYS")
_INGEST = keys.alive("ingest", "host", 1)
# Five interpreters and more at once, and the machine may be busy.
START_WITHIN_S = 240
PATIENCE_S = 60


@dataclass
class Running:
    url: str
    store: Store
    redis: redis.Redis
    tokens: tuple[int, ...]
    alerts: int = 0

    def report_feed(self, state: str = "streaming", reason: str = "ticks arrive", ticks_per_s: int = 900) -> None:
        """As ingest would."""
        fields = {"state": state, "reason": reason, "since_ms": now_ms(), "frame_ms": now_ms(), "instruments": len(self.tokens)}
        self.redis.hset(keys.FEED, mapping=fields | {"ticks": 54_321, "ticks_per_s": ticks_per_s})
        self.redis.hset(_INGEST, "beat_ms", now_ms())
        self.redis.zadd(keys.BEATS, {_INGEST: now_ms() + HOUR_MS})

    def end_ingest(self) -> None:
        """Until it reports again."""
        self.redis.zrem(keys.BEATS, _INGEST)

    def quote(self, prices: dict[int, tuple[str, str]]) -> None:
        """New prices and changes by token: into the hashes, and to whoever listens."""
        at_ms = now_ms()
        with self.redis.pipeline(transaction=False) as pipe:
            for token, (last, change) in prices.items():
                quoted = {"last": last, "change": change, "close": "1500", "time": at_ms}
                pipe.hset(keys.Shard("s0").quote(token), mapping=quoted)
            changes = {token: [last, change, at_ms] for token, (last, change) in prices.items()}
            pipe.publish(keys.QUOTES_TOPIC, json.dumps(changes))
            pipe.execute()

    def tick(self, price: str) -> None:
        """A print of NSE:INFY for the engine."""
        self.redis.xadd(keys.Shard("s0").ticks, {"token": INFY.token, "price": price, "time": now_ms()})

    def engine_state(self, rule_id: str) -> str:
        armed = read_armed(cast(dict[str, str], self.redis.hgetall(keys.Shard("s0").rule(rule_id))))
        return armed.state if armed else ""

    def fire(self, symbol: str = "NSE:INFY", price: str = "1384.55", user: str = USER) -> str:
        """An alert as the engine writes it; returns its id."""
        self.alerts += 1
        alert = f"rule-{self.alerts}"
        fields = {"alert": alert, "rule": "rule", "user": user, "token": INFY.token, "symbol": symbol, "kind": "rolling"}
        fields |= {"direction": "down", "price": price, "reference": "1412.81", "percent": "2.00", "window": "300s"}
        self.redis.xadd(keys.Shard("s0").alerts, fields | {"time": now_ms()})
        return alert


@contextmanager
def running(redis_url: str, directory: Path, *more: str, is_empty: bool = False, **settings: str) -> Iterator[Running]:
    """An admin who watches 500 instruments, among them NSE:INFY; `more` processes, such as `workers bot`.

    `is_empty`: nothing but the admin, and no feed that reports.
    """
    store = open_store("", directory / "store.sqlite3")
    store.save_user(User(id=USER, name=NAME, password_hash=hash_password(PASSWORD), role=Role.ADMIN, created_ms=now_ms()))
    others = [Instrument(token=1000 + n, symbol=f"NSE:STOCK{n:03d}", name=f"STOCK NUMBER {n}") for n in range(1, WATCHED)]
    instruments = [] if is_empty else [INFY, *others]
    store.save_instruments(instruments)
    tokens = tuple(instrument.token for instrument in instruments)
    store.save_watchlist(USER, tokens)
    port, relay_port = settings.get("STORM_PORT") or free_port(), free_port()
    log = directory / "processes.log"
    ours = {
        "STORM_VAR": str(directory),
        "STORM_SQLITE_PATH": str(directory / "store.sqlite3"),
        "STORM_REDIS_URL": redis_url,
        "STORM_PORT": str(port),
        "STORM_RELAY_PORT": str(relay_port),
        "JWT_SECRET": "j" * 32,
        "STORM_MASTER_SECRET": "m" * 32,
        "KITE_API_KEY": "apikey",
        "KITE_API_SECRET": "apisecret",
        "STORM_KITE_LOGIN_ROOT": "http://127.0.0.1:9",
    }
    theirs = {name: value for name, value in os.environ.items() if not name.startswith(("STORM_", "KITE_", "MONGODB_"))}
    with redis.Redis.from_url(redis_url, decode_responses=True) as client, log.open("wb") as output:
        client.flushdb()
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", *module.split()], env=theirs | ours | settings, stdout=output, stderr=output
            )
            for module in ("dashboard", "dashboard.relay", "evaluator", *more)
        ]
        url = f"http://127.0.0.1:{port}"
        product = Running(url, store, client, tokens)
        try:
            wait_until(
                lambda: _answers(url) and any(":relay:" in beat for beat in client.zrange(keys.BEATS, 0, -1)),
                START_WITHIN_S,
                log,
            )
            if not is_empty:
                product.report_feed()
                product.quote(
                    {token: (f"{1000 + number}.50", f"{(number % 80 - 40) / 10:.2f}") for number, token in enumerate(tokens)}
                )
            yield product
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(60)
            store.close()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=20, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def wait_until(condition: Callable[[], object], within_s: float = PATIENCE_S, log: Path | None = None) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, log.read_text() if log else f"did not happen within {within_s} s"
        time.sleep(0.05)
