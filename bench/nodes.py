"""What one node does, as far as the other benchmarks do not say it: listeners of a relay, and a backup. For docs/scaling.md.

Processor time is the process's own, so that other work on the machine does not count.
"""

import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis
import uvloop
from websockets.asyncio.client import connect
from websockets.typing import Origin

from bench.fixtures import free_ports
from bench.market import BenchMarket, rules
from bench.sizes import Sizes
from ops.backup import archive, make
from ops.backup.restore import restore
from stormalert import process
from stormalert.access.sessions import ACCESS_COOKIE, Sessions
from stormalert.config.settings import Settings, parse
from stormalert.model import User
from stormalert.redis import keys
from stormalert.redis.embedded import throwaway_server
from stormalert.redis.keys import QUOTES_TOPIC, Shard
from stormalert.redis.scripts import run_all
from stormalert.rules import engine
from stormalert.store import Store, open_store
from stormalert.units import format_price, now_ms

Row = dict[str, Any]

SHARD = Shard("s0")
ROOT = Path(__file__).resolve().parents[1]
SECRET = "j" * 32
USERS = 10
WATCHED = 50
# As ingest publishes: ten times a second what changed.
PUBLISH_EVERY_S = 0.1
CONNECTING_AT_ONCE = 50
CONNECTED_WITHIN_S = 60
# The dashboard's, as a browser says it.
PAGE = "http://127.0.0.1:8501"
AT_ONCE = 1_000


def run(sizes: Sizes) -> dict[str, list[Row]]:
    return {
        "relay: its listeners": [uvloop.run(_listen(count, sizes.relay_s)) for count in sizes.relay_listeners],
        "backup: while nothing else runs": [_back_up(count) for count in sizes.backup_rules],
    }


async def _listen(listeners: int, seconds: float) -> Row:
    with throwaway_server() as url, tempfile.TemporaryDirectory() as name:
        store = open_store("", Path(name) / "store.sqlite3")
        tokens = list(range(1, WATCHED + 1))
        settings = {"STORM_REDIS_URL": url, "JWT_SECRET": SECRET, "STORM_SQLITE_PATH": f"{name}/store.sqlite3"}
        begun = _sessions(store, url, tokens, parse(settings))
        with _relay(settings | {"STORM_VAR": name}) as (port, pid):
            empty_mb = _memory_mb(pid)
            heard = 0
            gate = asyncio.Semaphore(CONNECTING_AT_ONCE)

            async def listen(place: int, ready: asyncio.Barrier) -> None:
                nonlocal heard
                headers = {"Cookie": f"{ACCESS_COOKIE}={begun[place % USERS]}"}
                async with gate:
                    socket = await connect(
                        f"ws://127.0.0.1:{port}/ws?topics=quotes", origin=Origin(PAGE), additional_headers=headers, proxy=None
                    )
                async with socket:
                    await ready.wait()
                    async for _ in socket:
                        heard += 1

            ready = asyncio.Barrier(listeners + 1)
            readers = [asyncio.create_task(listen(place, ready)) for place in range(listeners)]
            async with asyncio.timeout(CONNECTED_WITHIN_S):
                await ready.wait()
            began_s, used_s, before = time.monotonic(), _cpu_s(pid), heard
            with redis.Redis.from_url(url) as client:
                while time.monotonic() < began_s + seconds:
                    changes = {token: ["1384.55", "-1.10", now_ms()] for token in tokens}
                    await asyncio.to_thread(client.publish, QUOTES_TOPIC, json.dumps(changes))
                    await asyncio.sleep(PUBLISH_EVERY_S)
            used_s, taken_s, frames = _cpu_s(pid) - used_s, time.monotonic() - began_s, heard - before
            full_mb = _memory_mb(pid)
            for reader in readers:
                reader.cancel()
            await asyncio.gather(*readers, return_exceptions=True)
        store.close()
    return {
        "listeners": listeners,
        "frames a second": round(frames / taken_s),
        "cores": round(used_s / taken_s, 2),
        "µs a frame": round(used_s / max(frames, 1) * 1e6, 1),
        "MB empty": round(empty_mb),
        "MB": round(full_mb),
        "kB a listener": round((full_mb - empty_mb) * 1_000 / listeners, 1),
    }


def _sessions(store: Store, url: str, tokens: list[int], config: Settings) -> list[str]:
    """The access token of each user."""
    found = []
    with redis.Redis.from_url(url) as client:
        sessions = Sessions(store, client, config)
        for number in range(USERS):
            user = store.save_user(User(id=f"u{number}", name=f"user{number}", password_hash="x", created_ms=1))
            store.save_watchlist(user.id, tokens)
            found.append(sessions.begin(user, "bench", "127.0.0.1").access)
    return found


@contextmanager
def _relay(settings: dict[str, str]) -> Iterator[tuple[int, int]]:
    (port,) = free_ports(1)
    theirs = {name: value for name, value in os.environ.items() if not name.startswith("STORM_")}
    started = subprocess.Popen(
        [sys.executable, "-m", "dashboard.relay"],
        env=theirs | settings | {"STORM_RELAY_PORT": str(port), "STORM_LOG_LEVEL": "ERROR"},
        cwd=ROOT,
    )
    try:
        with redis.Redis.from_url(settings["STORM_REDIS_URL"]) as client:
            while not list(client.scan_iter(keys.alive.glob("relay"))):
                if started.poll() is not None:
                    raise RuntimeError("the relay did not start")
                time.sleep(0.1)
        yield port, started.pid
    finally:
        started.terminate()
        started.wait(20)


def _back_up(count: int) -> Row:
    with throwaway_server() as url, throwaway_server() as other_url, tempfile.TemporaryDirectory() as name:
        store = open_store("", Path(name) / "store.sqlite3")
        other = open_store("", Path(name) / "other.sqlite3")
        uvloop.run(_arm(url, store, count))
        path = Path(name) / "backup"
        config = parse({})
        with redis.Redis.from_url(url) as client, redis.Redis.from_url(other_url) as target:
            client.config_resetstat()
            began_s, used_s = time.monotonic(), time.process_time()
            size = archive.write(path, make.rows(config, store, client))
            made_s, made_cpu_s = time.monotonic() - began_s, time.process_time() - used_s
            stats = client.info("commandstats")
            script_stats = next(value for key, value in stats.items() if "evalsha_ro" in key)
            began_s = time.monotonic()
            list(restore(config, other, target, path))
            restored_s = time.monotonic() - began_s
        store.close()
        other.close()
    return {
        "rules": count,
        "seconds": round(made_s, 1),
        "of processor": round(made_cpu_s, 1),
        "MB": round(size / 1e6, 1),
        "script calls": script_stats["calls"],
        "ms a call": round(script_stats["usec_per_call"] / 1_000, 2),
        "seconds to restore": round(restored_s, 1),
    }


async def _arm(url: str, store: Store, count: int) -> None:
    async with process.connect(url) as client:
        chunk = []
        for rule in rules(count, id_letters=10):
            chunk.append(rule)
            if len(chunk) == AT_ONCE:
                await _send(client, store, chunk)
                chunk = []
        for tick in BenchMarket().ticks(AT_ONCE):
            await client.xadd(SHARD.ticks, {"token": tick.token, "price": format_price(tick.price_e4), "time": tick.time_ms})
        await engine.evaluate(SHARD, count=AT_ONCE, hold_ms=1_000, burst=50).run(client)


async def _send(client: Any, store: Store, chunk: list[Any]) -> None:
    store.save_rules([rule.model_copy(update={"revision": 0}) for rule in chunk])
    await run_all(client, [engine.arm(SHARD, rule) for rule in chunk])


def _memory_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
