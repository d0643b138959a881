"""More and more rules: the same ticks on servers that differ in the number of rules only, each stretch on all in turn."""

import statistics
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

from bench.market import LIVELY_STEP, BenchMarket, rules
from bench.server import MeasuredServer, Stretch, running
from bench.sizes import Sizes

Row = dict[str, Any]


async def measure(sizes: Sizes) -> dict[str, list[Row]]:
    market = BenchMarket()
    async with AsyncExitStack() as stack:
        servers: list[MeasuredServer] = []
        bytes_a_rule: list[float] = []
        for count in sizes.scale_rules:
            server = await stack.enter_async_context(running())
            bytes_a_rule.append(await server.arm(rules(count)))
            servers.append(server)
        # The first stretch makes the windows and loads the scripts.
        await _in_turn(servers, market, sizes.stretch_ticks)
        typical = [await _in_turn(servers, market, sizes.stretch_ticks) for _ in range(sizes.stretches)]
        lively = await _in_turn(servers, market, sizes.lively_ticks, LIVELY_STEP)
    rows = [
        _typical_row(count, stretches, size)
        for count, stretches, size in zip(sizes.scale_rules, zip(*typical, strict=True), bytes_a_rule, strict=True)
    ]
    return {
        "scale: a typical market, hardly a rule fires": [*rows, _flatness(rows)],
        "lively: a market in which many rules fire": [
            _lively_row(count, stretch) for count, stretch in zip(sizes.scale_rules, lively, strict=True)
        ],
    }


async def _in_turn(servers: Sequence[MeasuredServer], market: BenchMarket, count: int, *step: float) -> list[Stretch]:
    ticks, done = market.ticks(count, *step), []
    for server in servers:
        server.append(ticks)
        done.append(await server.evaluate())
        await server.forget_ticks()
    return done


def _typical_row(rules: int, stretches: Sequence[Stretch], bytes_a_rule: float) -> Row:
    ticks = sum(stretch.ticks for stretch in stretches)
    return {
        "rules": rules,
        "ticks a second": round(statistics.median(stretch.ticks / stretch.elapsed_s for stretch in stretches)),
        "ticks a second of server cpu": round(statistics.median(stretch.ticks / stretch.cpu_s for stretch in stretches)),
        "commands a tick": round(sum(stretch.commands for stretch in stretches) / ticks, 3),
        "longest batch ms": round(max(stretch.longest_s for stretch in stretches) * 1_000, 1),
        "alerts": sum(stretch.alerts for stretch in stretches),
        "bytes a rule": round(bytes_a_rule),
    }


def _flatness(rows: Sequence[Row]) -> Row:
    """First to last row; above 1 the last is better."""
    first, last = rows[0], rows[-1]
    columns = ("ticks a second", "ticks a second of server cpu", "commands a tick")
    return {"rules": "last : first"} | {
        name: round(last[name] / first[name], 3) if name in columns else "" for name in first if name != "rules"
    }


def _lively_row(rules: int, stretch: Stretch) -> Row:
    return {
        "rules": rules,
        "ticks": stretch.ticks,
        "alerts": stretch.alerts,
        "ticks a second": round(stretch.ticks / stretch.elapsed_s),
        "alerts a second": round(stretch.alerts / stretch.elapsed_s),
        "commands a tick": round(stretch.commands / stretch.ticks, 2),
        "longest batch ms": round(stretch.longest_s * 1_000, 1),
    }
