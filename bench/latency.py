"""From tick to alert: ticks written at a steady rate, the pump in a process of its own, a reader that blocks on the alerts.

By two clocks. The client's starts when a tick is due to be written to the socket and stops when its alert was read, so the way
there and back counts too, and so does waiting for a sender that is late. The server's is that of the entries' ids, in whole ms;
a script's entries all have the time at which it began, so that it may be short by as much as a batch takes.
"""

import asyncio
import gc
import multiprocessing
import time
from collections.abc import AsyncIterator
from typing import Any

import uvloop

from bench.market import INSTRUMENTS, BenchMarket, rules
from bench.server import SHARD, MeasuredServer, running, xadd
from bench.sizes import Sizes
from evaluator.pump import Pump
from stormalert import process
from stormalert.model import Kind, Rule, Tick

TICKS_A_SECOND = 20_000
TICK_EVERY_S = 1 / TICKS_A_SECOND
WARM_UP_S = 1
START_S = 120
SETTLE_S = 3
READ_AT_ONCE = 1_000
BLOCK_MS = 200

Row = dict[str, Any]


async def measure(sizes: Sizes) -> dict[str, list[Row]]:
    async with running() as server:
        await server.arm(rules(sizes.latency_rules))
        await server.arm(_near_rules())
        return {"latency: tick appended to alert appended": [await _offer(server, sizes)]}


def _near_rules() -> list[Rule]:
    """One an instrument that fires every few seconds; the others hardly ever would."""
    return [
        Rule(
            id=f"near{token}",
            user="u",
            token=token,
            symbol="NSE:X",
            kind=Kind.ROLLING,
            direction="both",  # type: ignore[arg-type]
            percent_e2=15,
            window_ms=10_000,
            cooldown_ms=1_000,
            revision=1,
        )
        for token in range(1, INSTRUMENTS + 1)
    ]


async def _offer(server: MeasuredServer, sizes: Sizes) -> Row:
    ticks = BenchMarket(ticks_a_second=TICKS_A_SECOND).ticks((WARM_UP_S + sizes.latency_s) * TICKS_A_SECOND)
    pump = multiprocessing.get_context("spawn").Process(target=pump_for_ever, args=(server.url,), daemon=True)
    pump.start()
    try:
        async with process.connect(server.url) as reading:
            seen: dict[tuple[int, int], float] = {}
            # The sender's own rubbish is collected afterwards: looking for it stops sender and reader for a tenth of a second.
            gc.collect()
            gc.disable()
            is_over = asyncio.Event()
            following = asyncio.create_task(_follow(reading, seen, is_over))
            # What is measured is not how long an interpreter takes to start.
            await _send(server.url, ticks[:1])
            await _until_evaluated(server, START_S)
            due, elapsed_s, latest_s = await _send(server.url, ticks[1:])
            await _until_evaluated(server, SETTLE_S)
            is_over.set()
            await following
            appended_ms = await _by_ids(reading, {tick.time_ms for tick in ticks[WARM_UP_S * TICKS_A_SECOND :]})
    finally:
        gc.enable()
        pump.kill()
        pump.join()
    measured = ticks[WARM_UP_S * TICKS_A_SECOND :]
    first_ms = measured[0].time_ms
    waits_ms = sorted(1_000 * (at_s - due[key]) for key, at_s in seen.items() if key[1] >= first_ms)
    if not waits_ms:
        raise RuntimeError("no rule fired")
    return {
        "rules": sizes.latency_rules + INSTRUMENTS,
        "ticks a second offered": TICKS_A_SECOND,
        "reached": round(len(ticks) / elapsed_s),
        "alerts": len(waits_ms),
        "p50 ms": round(waits_ms[len(waits_ms) // 2], 2),
        "p99 ms": round(waits_ms[len(waits_ms) * 99 // 100], 2),
        "longest ms": round(waits_ms[-1], 2),
        "by the server p50": appended_ms[len(appended_ms) // 2],
        "by the server p99": appended_ms[len(appended_ms) * 99 // 100],
        "sender late, longest ms": round(latest_s * 1_000, 2),
    }


def pump_for_ever(url: str) -> None:
    """The evaluator's own pump, as `python -m evaluator` runs it."""

    async def run() -> None:
        async with process.connect(url) as redis:
            await Pump(redis, SHARD, lambda *told: None).run_until(asyncio.Event())

    uvloop.run(run())


async def _send(url: str, ticks: list[Tick]) -> tuple[dict[tuple[int, int], float], float, float]:
    """When each (token, time) was due, how long it took until the server had answered, and how late the sender was at most."""
    reader, writer = await asyncio.open_unix_connection(url.removeprefix("unix://"))
    wire = [xadd(tick) for tick in ticks]
    answered = asyncio.create_task(_answers(reader, len(ticks)))
    due: dict[tuple[int, int], float] = {}
    started_s = time.perf_counter()
    sent, latest_s = 0, 0.0
    while sent < len(wire):
        until = min(int((time.perf_counter() - started_s) * TICKS_A_SECOND), len(wire))
        for place in range(sent, until):
            # Of two ticks in the same millisecond the first one counts: never too short.
            due.setdefault((ticks[place].token, ticks[place].time_ms), started_s + place * TICK_EVERY_S)
        latest_s = max(latest_s, time.perf_counter() - started_s - sent * TICK_EVERY_S)
        writer.write(b"".join(wire[sent:until]))
        sent = until
        await asyncio.sleep(0.0005)
    await answered
    writer.close()
    return due, time.perf_counter() - started_s, latest_s


async def _answers(reader: asyncio.StreamReader, count: int) -> None:
    lines = 0
    while lines < 2 * count:
        lines += (await reader.read(65_536)).count(b"\r\n")


async def _follow(redis: Any, seen: dict[tuple[int, int], float], is_over: asyncio.Event) -> None:
    """Notes when the first alert of each (token, time) was read."""
    cursor = "0-0"
    while (found := await redis.xread({SHARD.alerts: cursor}, count=READ_AT_ONCE, block=BLOCK_MS)) or not is_over.is_set():
        for _, entries in found:
            now_s = time.perf_counter()
            for cursor, entry in entries:  # noqa: B007
                seen.setdefault((int(entry["token"]), int(entry["time"])), now_s)


async def _by_ids(redis: Any, times_ms: set[int]) -> list[int]:
    """Ms from the tick's entry to its alert's, sorted; of several ticks in the same ms the first one counts."""
    ticks: dict[tuple[str, str], int] = {}
    async for entry_id, entry in _entries(redis, SHARD.ticks):
        ticks.setdefault((entry["token"], entry["time"]), int(entry_id.partition("-")[0]))
    return sorted(
        [
            int(entry_id.partition("-")[0]) - ticks[entry["token"], entry["time"]]
            async for entry_id, entry in _entries(redis, SHARD.alerts)
            if int(entry["time"]) in times_ms
        ]
    )


async def _entries(redis: Any, stream: str) -> AsyncIterator[tuple[str, dict[str, str]]]:
    after = "-"
    while found := await redis.xrange(stream, after, count=10 * READ_AT_ONCE):
        for entry in found:
            yield entry
        after = f"({found[-1][0]}"


async def _until_evaluated(server: MeasuredServer, within_s: float) -> None:
    deadline_s = time.monotonic() + within_s
    while time.monotonic() < deadline_s:
        groups = await server.redis.xinfo_groups(SHARD.ticks)
        if groups and groups[0]["lag"] == 0:
            return
        await asyncio.sleep(0.05)
