"""Memory of the server: a rule among a million, and an instrument's history after a session of ticks."""

from typing import Any

from bench.market import INSTRUMENTS as RULE_INSTRUMENTS
from bench.market import START_MS, TICK_SIZE_E4, BenchMarket, rules
from bench.server import SHARD, MeasuredServer, running
from bench.sizes import Sizes
from stormalert.model import Tick

# As stormalert.access.security makes them.
ID_LETTERS = 10
INSTRUMENTS = 10
SESSION_S = 22_500
TICKS_AN_INSTRUMENT = 10

Row = dict[str, Any]


async def measure(sizes: Sizes) -> dict[str, list[Row]]:
    return {
        "memory: a rule": [await _rules_row(sizes, letters) for letters in (0, ID_LETTERS)],
        "memory: an instrument's history after a session": [await _wandering(sizes), await _rising(sizes)],
    }


async def _rules_row(sizes: Sizes, letters: int) -> Row:
    async with running() as server:
        before = await server.used_bytes()
        as_armed = await server.arm(rules(sizes.memory_rules, letters))
        # The first ticks give the trailing rules their extremes.
        server.append(BenchMarket().ticks(TICKS_AN_INSTRUMENT * RULE_INSTRUMENTS))
        await server.evaluate()
        await server.forget_ticks()
        return {
            "rules": sizes.memory_rules,
            "ids": f"{letters} letters" if letters else "r0, r1, ...",
            "bytes a rule, armed": round(as_armed, 1),
            "bytes a rule, after ticks": round((await server.used_bytes() - before) / sizes.memory_rules, 1),
        }


async def _wandering(sizes: Sizes) -> Row:
    market = BenchMarket(INSTRUMENTS, sizes.session_ticks * INSTRUMENTS // SESSION_S or 1)
    return await _history_row("wanders as a stock does", sizes, market.ticks(sizes.session_ticks * INSTRUMENTS))


async def _rising(sizes: Sizes) -> Row:
    """The worst case: every price is above the one before, so that every tick may become a window's low."""
    ticks = [
        Tick(1, 1_000_000 + place * TICK_SIZE_E4, START_MS + place * SESSION_S * 1_000 // sizes.session_ticks)
        for place in range(sizes.session_ticks)
    ]
    return await _history_row("rises with every tick", sizes, ticks)


async def _history_row(market: str, sizes: Sizes, ticks: list[Tick]) -> Row:
    async with running() as server:
        tokens = sorted({tick.token for tick in ticks})
        await server.arm(rules(10 * len(tokens), instruments=len(tokens)))
        server.append(ticks)
        await server.evaluate()
        records = [await _records(server, token) for token in tokens]
        return {
            "price": market,
            "ticks": sizes.session_ticks,
            "records of 16 bytes": max(count for count, _ in records),
            "bytes, largest": max(size for _, size in records),
            "bytes a tick": round(max(size for _, size in records) / sizes.session_ticks, 2),
        }


async def _records(server: MeasuredServer, token: int) -> tuple[int, int]:
    """Records that the deques have room for, and bytes that they take."""
    keys = [f"{SHARD.prefix}{noun}:{token}" for noun in ("lows", "highs")]
    lengths = [int(await server.redis.strlen(key)) for key in keys]
    return sum(lengths) // 16, sum([await server.redis.memory_usage(key, samples=0) or 0 for key in keys])
