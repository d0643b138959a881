import asyncio

from redis.asyncio import Redis

from ingest.gaps import GAPS_MAX, Gap, GapLog
from stormalert.process import connect
from stormalert.redis.keys import GAPS
from tests.conftest import free_port


async def written(redis: Redis, gaps: list[Gap]) -> None:
    stopping = asyncio.Event()
    log = GapLog(redis)
    for gap in gaps:
        log.note(gap)
    stopping.set()
    await log.run_until(stopping)


async def test_gaps_are_written_in_order_with_times_reason_and_what_was_lost(redis_url: str) -> None:
    async with connect(redis_url) as redis:
        await written(redis, [Gap(1, 2, "mute", 0), Gap(3, 4, "redis away", 7)])
        assert [fields for _, fields in await redis.xrange(GAPS)] == [
            {"from": "1", "to": "2", "reason": "mute", "lost": "0"},
            {"from": "3", "to": "4", "reason": "redis away", "lost": "7"},
        ]


async def test_no_more_are_kept_than_the_bound(redis_url: str) -> None:
    async with connect(redis_url) as redis:
        await written(redis, [Gap(number, number, "x", 0) for number in range(5)])
        await written(redis, [Gap(number, number, "x", 0) for number in range(GAPS_MAX + 3)])
        kept = await redis.xrange(GAPS)
        assert (len(kept), kept[0][1]["from"], kept[-1][1]["from"]) == (GAPS_MAX, "3", str(GAPS_MAX + 2))


async def test_while_redis_is_away_they_wait(redis_url: str) -> None:
    async with connect(f"redis://127.0.0.1:{free_port()}/0") as away, connect(redis_url) as back:
        log = GapLog(away)
        log.note(Gap(1, 2, "mute", 0))
        stopping = asyncio.Event()
        running = asyncio.create_task(log.run_until(stopping))
        await asyncio.sleep(0)
        log._redis = back
        async with asyncio.timeout(60):
            while not await back.xlen(GAPS):
                await asyncio.sleep(0.01)
        stopping.set()
        await running
        assert (await back.xlen(GAPS), log.count) == (1, 1)
