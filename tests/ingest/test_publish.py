import asyncio
import json
from collections.abc import Awaitable, Callable

from ingest import publish
from ingest.decode import Packet
from ingest.publish import Publisher, conflate
from stormalert import process
from stormalert.keys import QUOTES_TOPIC, Shard, shard_of
from stormalert.model import Tick

S0 = Shard("s0")
PACKET = Packet(408065, 13_845_500, 13_800_000, 13_900_000, 13_700_000, 14_000_000, 1_234, 1_700_000_000_000, 0)


def ticks(*prices_e4: int) -> list[Tick]:
    return [Tick(1, price_e4, 1_000 + place) for place, price_e4 in enumerate(prices_e4)]


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(10):
        while not await condition():
            await asyncio.sleep(0.01)


async def test_ticks_reach_the_stream_in_order_with_the_contracts_fields(redis_url: str) -> None:
    async with process.connect(redis_url) as redis:
        publisher = Publisher(redis, shards=1)
        stopping = asyncio.Event()
        running = asyncio.create_task(publisher.run_until(stopping))
        publisher.add_ticks(
            [Tick(408065, 13_845_500, 1_700_000_000_123), Tick(408065, 13_850_000, 1_700_000_000_123, "day_high")]
        )
        publisher.add_ticks([Tick(884737, 525, 1_700_000_000_124)])
        stopping.set()
        await running
        entries = [list(entry.items()) for _, entry in await redis.xrange(S0.ticks)]
    assert entries == [
        [("token", "408065"), ("price", "1384.55"), ("time", "1700000000123")],
        [("token", "408065"), ("price", "1385.00"), ("time", "1700000000123"), ("via", "day_high")],
        [("token", "884737"), ("price", "0.0525"), ("time", "1700000000124")],
    ]


async def test_an_instrument_keeps_to_its_shard(redis_url: str) -> None:
    async with process.connect(redis_url) as redis:
        publisher = Publisher(redis, shards=4)
        stopping = asyncio.Event()
        running = asyncio.create_task(publisher.run_until(stopping))
        publisher.add_ticks(Tick(token, 10_000, 1_000) for token in range(1, 9) for _ in range(2))
        stopping.set()
        await running
        for token in range(1, 9):
            entries = [entry for _, entry in await redis.xrange(shard_of(token, 4).ticks) if entry["token"] == str(token)]
            assert len(entries) == 2


async def test_quotes_are_shown_and_announced(redis_url: str) -> None:
    async with process.connect(redis_url) as redis:
        publisher = Publisher(redis, shards=1)
        stopping = asyncio.Event()
        async with redis.pubsub() as topic:
            await topic.subscribe(QUOTES_TOPIC)
            await topic.get_message(timeout=5)
            running = asyncio.create_task(publisher.run_until(stopping))
            publisher.show(PACKET._replace(last_e4=10_000))
            publisher.show(PACKET)
            message = await topic.get_message(ignore_subscribe_messages=True, timeout=5)
        assert message is not None
        assert json.loads(message["data"]) == {"408065": ["1384.55", "-1.10", 1_700_000_000_000]}
        assert await redis.hgetall(S0.quote(408065)) == {
            "last": "1384.55",
            "open": "1380.00",
            "high": "1390.00",
            "low": "1370.00",
            "close": "1400.00",
            "volume": "1234",
            "change": "-1.10",
            "time": "1700000000000",
        }
        stopping.set()
        await running


def test_conflating_keeps_extremes_and_the_newest_in_order() -> None:
    assert [tick.price_e4 for tick in conflate(ticks(5, 9, 7, 2, 4, 6))] == [9, 2, 6]
    assert [tick.price_e4 for tick in conflate([*ticks(5), Tick(2, 8, 1), Tick(1, 5, 9)])] == [5, 8, 5]


def test_beyond_its_bound_the_backlog_is_conflated_and_counted(redis_url: str) -> None:
    async def fill() -> Publisher:
        async with process.connect(redis_url) as redis:
            publisher = Publisher(redis, shards=1)
            publisher.add_ticks(
                Tick(token, 100 + place, place) for place in range(publish.WAITING_MAX // 10) for token in range(11)
            )
            return publisher

    publisher = asyncio.run(fill())
    assert publisher.conflated == publish.WAITING_MAX // 10 * 11 - 22
