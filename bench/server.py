"""A server of the benchmark's own: arms rules, appends ticks, evaluates them, and counts what the server did."""

import itertools
import socket
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from redis.asyncio import Redis

from evaluator.pump import BURST
from stormalert import process
from stormalert.model import Rule, Tick
from stormalert.redis.embedded import throwaway_server
from stormalert.redis.keys import Shard
from stormalert.redis.scripts import run_all
from stormalert.rules import engine
from stormalert.units import format_price

Item = TypeVar("Item")

SHARD = Shard("s0")
AT_ONCE = 1_000
TICKS_A_CALL = 500
# Nobody else waits for the server.
HOLD_MS = 1_000
# What the benchmark itself asks of the server.
NOT_THE_ENGINES = frozenset(("evalsha", "eval", "info", "config|resetstat"))


@dataclass(frozen=True, slots=True)
class Stretch:
    """What evaluating some ticks took."""

    ticks: int
    alerts: int
    elapsed_s: float
    cpu_s: float
    commands: int
    longest_s: float


@dataclass(frozen=True, slots=True)
class MeasuredServer:
    url: str
    redis: Redis

    async def arm(self, book: Iterable[Rule]) -> float:
        """Returns bytes of the server a rule."""
        before, armed = await self.used_bytes(), 0
        for chunk in chunks(book, AT_ONCE):
            armed += (await run_all(self.redis, [engine.arm(SHARD, rule) for rule in chunk])).count(True)
        return (await self.used_bytes() - before) / armed

    def append(self, ticks: Sequence[Tick], key: str = SHARD.ticks) -> None:
        """By a plain socket: redis-py would take longer to write the ticks than the engine to evaluate them."""
        with socket.socket(socket.AF_UNIX) as wire:
            wire.connect(self.url.removeprefix("unix://"))
            for chunk in chunks(ticks, AT_ONCE):
                wire.sendall(b"".join(xadd(tick, key) for tick in chunk))
                lines = 0
                while lines < 2 * len(chunk):
                    reply = wire.recv(65_536)
                    if reply.startswith(b"-") or not reply:
                        raise RuntimeError(f"the server refused a tick: {reply[:80]!r}")
                    lines += reply.count(b"\r\n")

    async def evaluate(self) -> Stretch:
        """Takes all ticks that are in the stream."""
        await self.redis.config_resetstat()
        cpu_s = await self.cpu_s()
        ticks, alerts, longest_s = 0, 0, 0.0
        started_s = before_s = time.perf_counter()
        while True:
            taken, fired, _, begun, _ = await engine.evaluate(SHARD, TICKS_A_CALL, HOLD_MS, BURST).run(self.redis)
            after_s = time.perf_counter()
            if not taken + begun:
                break
            ticks, alerts, longest_s, before_s = ticks + taken, alerts + fired, max(longest_s, after_s - before_s), after_s
        elapsed_s = before_s - started_s
        return Stretch(ticks, alerts, elapsed_s, await self.cpu_s() - cpu_s, await self._commands(), longest_s)

    async def forget_ticks(self) -> None:
        await self.redis.xtrim(SHARD.ticks, maxlen=0, approximate=False)

    async def used_bytes(self) -> int:
        return int((await self.redis.info("memory"))["used_memory"])

    async def cpu_s(self) -> float:
        cpu = await self.redis.info("cpu")
        return float(cpu["used_cpu_user"]) + float(cpu["used_cpu_sys"])

    async def _commands(self) -> int:
        stats = await self.redis.info("commandstats")
        return sum(stat["calls"] for name, stat in stats.items() if name.removeprefix("cmdstat_") not in NOT_THE_ENGINES)


@asynccontextmanager
async def running() -> AsyncIterator[MeasuredServer]:
    with throwaway_server() as url:
        async with process.connect(url) as redis:
            yield MeasuredServer(url, redis)


def xadd(tick: Tick, key: str = SHARD.ticks) -> bytes:
    """The command that appends a tick, as it goes over the wire."""
    words = ("XADD", key, "*", "token", str(tick.token), "price", format_price(tick.price_e4), "time", str(tick.time_ms))
    return (f"*{len(words)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in words)).encode()


def chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    iterator = iter(items)
    return iter(lambda: list(itertools.islice(iterator, size)), [])
