"""Our decoder beside KiteTicker's own, on the same frames; and all of ingest beside the stand-in exchange."""

import asyncio
import os
import random
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kiteconnect import KiteTicker

from bench.sandbox import KEY, SECRET, MeasuredExchange, cpu_s_of, log_in, running_exchange, tokens_of
from bench.server import MeasuredServer, running
from bench.sizes import Sizes
from ingest.decode import decode
from stormalert.redis import keys
from stormalert.redis.keys import Shard
from stormalert.store import open_store

PACKETS_A_FRAME = (100, 10)
ROUNDS = 5
START_S = 60.0
SETTLE_S = 3.0
# The evaluators would trim the stream.
TICKS_KEPT = 10_000
LENGTHS = {"ltp": 8, "index quote": 28, "index full": 32, "quote": 44, "full": 184}
TOKEN = 408065


def run(sizes: Sizes) -> dict[str, list[dict[str, Any]]]:
    return {
        f"decoder: frames of {packets} packets, ours beside KiteTicker's own": [
            _compare(kind, length, packets, sizes.decoder_packets) for kind, length in LENGTHS.items()
        ]
        for packets in PACKETS_A_FRAME
    }


def _compare(kind: str, length: int, packets: int, count: int) -> dict[str, Any]:
    frames = [_frame(length, packets) for _ in range(count // packets)]
    # Taken in turns, so that a noisy neighbour disturbs both alike; the best round is the least disturbed one.
    theirs, ours = (min(times) for times in zip(*(_both(frames, count) for _ in range(ROUNDS)), strict=True))
    return {
        "packet": kind,
        "ours us": round(ours * 1e6, 2),
        "KiteTicker us": round(theirs * 1e6, 2),
        "times faster": round(theirs / ours, 1),
    }


def _both(frames: list[bytes], count: int) -> tuple[float, float]:
    return _seconds(KiteTicker("key", "token")._parse_binary, frames) / count, _seconds(_read, frames) / count


def _read(frame: bytes) -> None:
    # The rows are read when they are gone through.
    deque(decode(frame).rows, maxlen=0)


def _seconds(read: Callable[[bytes], Any], frames: list[bytes]) -> float:
    started_s = time.perf_counter()
    for frame in frames:
        read(frame)
    return time.perf_counter() - started_s


def _frame(length: int, packets: int) -> bytes:
    dice = random.Random(length)
    words = length // 4 - 1
    bodies = (
        struct.pack(f">HI{words}I", length, TOKEN, *(dice.randrange(2**31) for _ in range(words))) for _ in range(packets)
    )
    return struct.pack(">H", packets) + b"".join(bodies)


async def measure(sizes: Sizes) -> dict[str, list[dict[str, Any]]]:
    """The real ingest process between the stand-in exchange and a server of its own; nobody evaluates."""
    title = f"ingest: {sizes.sandbox_instruments:,} instruments over three sockets, full mode"
    return {title: [await _offered(rate, sizes) for rate in sizes.ingest_rates]}


async def _offered(rate: int, sizes: Sizes) -> dict[str, Any]:
    async with running() as server:
        with running_exchange(sizes.sandbox_instruments, rate) as exchange, _ingest(exchange, server, sizes) as pid:
            await _until_streaming(server, sizes.sandbox_instruments)
            await asyncio.sleep(SETTLE_S)
            return {"offered a second": rate} | await _watch(server, pid, sizes.ingest_s)


@contextmanager
def _ingest(exchange: MeasuredExchange, server: MeasuredServer, sizes: Sizes) -> Iterator[int]:
    access = log_in(exchange.http)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "store.sqlite3"
        store = open_store("", path)
        store.save_watchlist("bench", tokens_of(exchange.http, access)[: sizes.sandbox_instruments])
        store.close()
        environment = {
            "STORM_REDIS_URL": server.url,
            "STORM_SQLITE_PATH": str(path),
            "STORM_MASTER_SECRET": "m" * 32,
            "STORM_MARKET_HOURS": "always",
            "STORM_KITE_API_ROOT": exchange.http,
            "STORM_KITE_WS_ROOT": exchange.ws,
            "STORM_LOG_LEVEL": "ERROR",
            "KITE_API_KEY": KEY,
            "KITE_API_SECRET": SECRET,
            "KITE_ACCESS_TOKEN": access,
        }
        with subprocess.Popen([sys.executable, "-m", "ingest"], env=os.environ | environment) as process:
            try:
                yield process.pid
            finally:
                process.terminate()


async def _until_streaming(server: MeasuredServer, instruments: int) -> None:
    async with asyncio.timeout(START_S):
        while int(await server.redis.hget(keys.FEED, "instruments") or 0) < instruments:
            await asyncio.sleep(0.1)


async def _watch(server: MeasuredServer, pid: int, seconds: int) -> dict[str, Any]:
    stream, p99s_ms = Shard("s0").ticks, []
    ticks, cpu_s, server_s, memory_mb = await _ticks(server), cpu_s_of(pid), await server.cpu_s(), _memory_mb(pid)
    started_s = time.perf_counter()
    for _ in range(seconds):
        await asyncio.sleep(1)
        p99s_ms.append(int(await server.redis.hget(keys.FEED, "delay_p99_ms") or 0))
        await server.redis.xtrim(stream, maxlen=TICKS_KEPT)
    elapsed_s = time.perf_counter() - started_s
    return {
        "ticks a second": round((await _ticks(server) - ticks) / elapsed_s),
        "delay p99 ms, median second": statistics.median(p99s_ms),
        "worst second": max(p99s_ms),
        "cores of ingest": round((cpu_s_of(pid) - cpu_s) / elapsed_s, 2),
        "of the server": round((await server.cpu_s() - server_s) / elapsed_s, 2),
        "MB at first": memory_mb,
        "after": _memory_mb(pid),
        "conflated": int(await server.redis.hget(keys.FEED, "conflated") or 0),
    }


async def _ticks(server: MeasuredServer) -> int:
    return int(await server.redis.hget(keys.FEED, "ticks") or 0)


def _memory_mb(pid: int) -> int:
    """Resident memory of a process (Linux)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 2**20
