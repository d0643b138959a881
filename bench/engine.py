"""The engine on one core: ticks a second, server commands a tick, memory a rule, with more and more rules."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import Any

from redis.asyncio import Redis

from bench.market import rules, ticks
from evaluator.arming import arm_command
from stormalert import process
from stormalert.embedded import throwaway_server
from stormalert.keys import Shard
from stormalert.model import Rule, Tick
from stormalert.scripts import script
from stormalert.units import format_price

SHARD = Shard("s0")
RULES = (1_000, 100_000)
TICKS = 100_000
TICKS_A_CALL = 500
HOLD_MS = 1_000
AT_ONCE = 5_000
# What the benchmark itself asks of the server.
NOT_THE_ENGINES = frozenset(("evalsha", "eval", "info", "config|resetstat"))


def run() -> list[dict[str, Any]]:
    return [asyncio.run(_measure(count)) for count in RULES]


async def _measure(rule_count: int) -> dict[str, Any]:
    market = list(ticks(2 * TICKS))
    with throwaway_server() as url:
        async with process.connect(url) as redis:
            bytes_a_rule = await _arm(redis, rules(rule_count), rule_count)
            # The first half makes the windows and loads the scripts.
            await _append(redis, market[:TICKS])
            await _evaluate(redis)
            await _append(redis, market[TICKS:])
            await redis.config_resetstat()
            cpu_s = await _cpu_s(redis)
            started_s = time.perf_counter()
            longest_s = await _evaluate(redis)
            elapsed_s = time.perf_counter() - started_s
            cpu_s = await _cpu_s(redis) - cpu_s
            commands = await redis.info("commandstats")
    calls = sum(stat["calls"] for name, stat in commands.items() if name.removeprefix("cmdstat_") not in NOT_THE_ENGINES)
    return {
        "rules": rule_count,
        "ticks a second": round(TICKS / elapsed_s),
        "ticks a second of server cpu": round(TICKS / cpu_s),
        "commands a tick": round(calls / TICKS, 2),
        "longest batch ms": round(longest_s * 1_000, 1),
        "bytes a rule": round(bytes_a_rule),
    }


async def _arm(redis: Redis, book: Iterable[Rule], count: int) -> float:
    before = (await redis.info("memory"))["used_memory"]
    arm = script("arm")
    await redis.script_load(arm.text)
    async with redis.pipeline(transaction=False) as pipe:
        for place, rule in enumerate(book, 1):
            pipe.evalsha(arm.sha1, *arm_command(SHARD, rule))  # type: ignore[arg-type]
            if place % AT_ONCE == 0 or place == count:
                await pipe.execute()
    return float((await redis.info("memory"))["used_memory"] - before) / count


async def _append(redis: Redis, market: Sequence[Tick]) -> None:
    for first in range(0, len(market), AT_ONCE):
        async with redis.pipeline(transaction=False) as pipe:
            for tick in market[first : first + AT_ONCE]:
                pipe.xadd(SHARD.ticks, {"token": tick.token, "price": format_price(tick.price_e4), "time": tick.time_ms})
            await pipe.execute()


async def _evaluate(redis: Redis) -> float:
    """Takes all ticks; returns the longest call in seconds."""
    longest_s = 0.0
    taken = 1
    while taken:
        started_s = time.perf_counter()
        taken, _, _ = await script("evaluate").call(
            redis, ticks=SHARD.ticks, alerts=SHARD.alerts, counters=SHARD.counters, count=TICKS_A_CALL, hold=HOLD_MS
        )
        longest_s = max(longest_s, time.perf_counter() - started_s)
    return longest_s


async def _cpu_s(redis: Redis) -> float:
    cpu = await redis.info("cpu")
    return float(cpu["used_cpu_user"]) + float(cpu["used_cpu_sys"])
