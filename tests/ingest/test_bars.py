"""Minute bars, written to a real server and read as charts read them."""

import asyncio

from redis.asyncio import Redis

from ingest.bars import Bars
from stormalert import process
from stormalert.market.bars import Bar, read_bars
from stormalert.model import Tick
from stormalert.redis.keys import Shard
from stormalert.units import MINUTE_MS

NINE_MS = 1_700_000_040_000
KEY = Shard("s0").bars(1)


def ticks(*prices: float, minute: int = 0, token: int = 1) -> list[Tick]:
    at_ms = NINE_MS + minute * MINUTE_MS
    return [Tick(token, round(price * 10_000), at_ms + place * 1_000) for place, price in enumerate(prices)]


async def written(redis: Redis, *parts: list[Tick]) -> list[Bar]:
    """What is read after a run of ingest with these ticks."""
    bars, stopping = Bars(redis, 1), asyncio.Event()
    running = asyncio.create_task(bars.run_until(stopping))
    for part in parts:
        bars.add(part)
    stopping.set()
    await running
    return read_bars(await redis.xrange(KEY))


async def test_a_minute_has_its_first_highest_lowest_and_last_price(redis_url: str) -> None:
    async with process.connect(redis_url) as redis:
        found = await written(redis, ticks(100, 103.5, 99, 101), ticks(102, minute=1), ticks(98, 97, minute=3))
        assert found == [
            Bar(NINE_MS, 1_000_000, 1_035_000, 990_000, 1_010_000),
            Bar(NINE_MS + MINUTE_MS, 1_020_000, 1_020_000, 1_020_000, 1_020_000),
            Bar(NINE_MS + 3 * MINUTE_MS, 980_000, 980_000, 970_000, 970_000),
        ]
        assert await redis.xrange(KEY, count=1) == [
            (f"{NINE_MS}-0", {"open": "100.00", "high": "103.50", "low": "99.00", "close": "101.00"})
        ]
        assert 0 < await redis.pttl(KEY) <= 4 * 24 * 3_600_000


async def test_a_minute_in_which_ingest_was_started_again_is_put_together(redis_url: str) -> None:
    async with process.connect(redis_url) as redis:
        await written(redis, ticks(100, 105))
        assert await written(redis, ticks(99, 101)) == [Bar(NINE_MS, 1_000_000, 1_050_000, 990_000, 1_010_000)]


async def test_a_tick_that_comes_late_counts_for_the_minute_that_is_on(redis_url: str) -> None:
    async with process.connect(redis_url) as redis:
        found = await written(redis, ticks(100, minute=1), ticks(90, minute=0))
        assert found == [Bar(NINE_MS + MINUTE_MS, 1_000_000, 1_000_000, 900_000, 900_000)]


async def test_the_rest_is_written_where_one_instruments_minute_is_refused(redis_url: str) -> None:
    async with process.connect(redis_url) as redis:
        await written(redis, ticks(100, minute=5))
        assert len(await written(redis, ticks(90, minute=1) + ticks(91, minute=6))) == 2


async def test_a_server_that_is_full_gets_the_minute_when_it_has_room_again(redis_url: str) -> None:
    async with process.connect(redis_url) as redis:
        bars, stopping = Bars(redis, 1), asyncio.Event()
        bars.add([*ticks(100, 103), *ticks(99, minute=1)])
        await redis.config_set("maxmemory", 1)
        try:
            await bars._write()
        finally:
            await redis.config_set("maxmemory", 0)
        assert await redis.exists(KEY) == 0
        stopping.set()
        await bars.run_until(stopping)
        assert [bar[:3] for bar in read_bars(await redis.xrange(KEY))] == [
            (NINE_MS, 1_000_000, 1_030_000),
            (NINE_MS + MINUTE_MS, 990_000, 990_000),
        ]
