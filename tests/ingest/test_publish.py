import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest

from ingest import publish
from ingest.decode import Packet
from ingest.gaps import Gap
from ingest.publish import Publisher, conflate
from stormalert import process
from stormalert.model import Tick
from stormalert.redis.keys import QUOTES_TOPIC, Shard, shard_of
from stormalert.redis.scripts import script
from stormalert.units import parse_price_e4

S0 = Shard("s0")
PACKET = Packet(408065, 138_455, 1_234, 138_000, 139_000, 137_000, 140_000, sent_s=1_700_000_000)


def unexpected(gap: Gap) -> None:
    raise AssertionError(gap)


def ticks(*prices_e4: int) -> list[Tick]:
    return [Tick(1, price_e4, 1_000 + place) for place, price_e4 in enumerate(prices_e4)]


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(60):
        while not await condition():
            await asyncio.sleep(0.01)


async def test_ticks_reach_the_stream_in_order_with_the_contracts_fields(redis_url: str) -> None:
    async with process.connect(redis_url) as redis:
        publisher = Publisher(redis, shards=1, on_gap=unexpected)
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
        publisher = Publisher(redis, shards=4, on_gap=unexpected)
        stopping = asyncio.Event()
        running = asyncio.create_task(publisher.run_until(stopping))
        publisher.add_ticks([Tick(token, 10_000, 1_000) for token in range(1, 9) for _ in range(2)])
        stopping.set()
        await running
        for token in range(1, 9):
            entries = [entry for _, entry in await redis.xrange(shard_of(token, 4).ticks) if entry["token"] == str(token)]
            assert len(entries) == 2


async def test_quotes_are_shown_and_announced(redis_url: str) -> None:
    async with process.connect(redis_url) as redis:
        publisher = Publisher(redis, shards=1, on_gap=unexpected)
        stopping = asyncio.Event()
        async with redis.pubsub() as topic:
            await topic.subscribe(QUOTES_TOPIC)
            await topic.get_message(timeout=30)
            running = asyncio.create_task(publisher.run_until(stopping))
            publisher.show(PACKET._replace(last=100))
            publisher.show(PACKET)
            message = await topic.get_message(ignore_subscribe_messages=True, timeout=30)
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


async def test_a_batch_that_is_sent_again_is_appended_once(redis_url: str) -> None:
    async with process.connect(redis_url) as redis:
        for batch in (1, 1, 2):
            fields = ["1", "2.00", "3", ""]
            append = script("append").call(
                int, ticks=S0.ticks, appended=S0.appended("p"), batch=batch, after="", keep=60, most=10, fields=fields
            )
            await append.run(redis)
        assert await redis.xlen(S0.ticks) == 2
        assert 0 < await redis.ttl(S0.appended("p")) <= 60


async def published(publisher: Publisher, count: int) -> None:
    async def is_done() -> bool:
        return publisher.published == count

    await until(is_done)


async def test_what_a_power_cut_took_from_redis_is_sent_again_in_order(redis_url: str) -> None:
    stopping = asyncio.Event()
    async with process.connect(redis_url) as redis:
        publisher = Publisher(redis, shards=1, on_gap=unexpected)
        running = asyncio.create_task(publisher.run_until(stopping))
        for number in range(1, 5):
            publisher.add_ticks(ticks(number * 100))
            await published(publisher, number)
        (appended,) = await redis.keys(S0.appended("*"))
        # As of a moment when it had taken two.
        entries = await redis.xrange(S0.ticks)
        await redis.xdel(S0.ticks, *(entry_id for entry_id, _ in entries[2:]))
        await redis.set(appended, 2)
        publisher.add_ticks(ticks(500))
        await published(publisher, 5)
        stopping.set()
        await running
        assert [entry["price"] for _, entry in await redis.xrange(S0.ticks)] == ["0.01", "0.02", "0.03", "0.04", "0.05"]


async def test_what_redis_lost_and_nobody_has_any_more_is_a_gap(redis_url: str) -> None:
    gaps: list[Gap] = []
    stopping = asyncio.Event()
    async with process.connect(redis_url) as redis:
        publisher = Publisher(redis, shards=1, on_gap=gaps.append)
        running = asyncio.create_task(publisher.run_until(stopping))
        publisher.add_ticks(ticks(100))
        await published(publisher, 1)
        await redis.flushall()
        publisher.add_ticks(ticks(200))
        await published(publisher, 2)
        stopping.set()
        await running
        assert [entry["price"] for _, entry in await redis.xrange(S0.ticks)] == ["0.02"]
    assert [(gap.reason, gap.lost) for gap in gaps] == [("redis lost what it was told", 1)]


async def test_while_redis_is_slow_extremes_are_kept_and_the_rest_is_counted_and_marked_as_a_gap(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "WAITING_MAX", 100)
    gaps: list[Gap] = []
    stopping = asyncio.Event()
    async with process.connect(redis_url) as redis, process.connect(redis_url) as other:
        publisher = Publisher(redis, shards=1, on_gap=gaps.append)
        running = asyncio.create_task(publisher.run_until(stopping))
        await other.execute_command("CLIENT", "PAUSE", 60_000, "WRITE")
        publisher.add_ticks(ticks(500))
        # The first is on its way soon and stays what it is; of the others 9, 2 and 6 are worth keeping.
        for _ in range(10):
            await asyncio.sleep(0)
        publisher.add_ticks(ticks(9, *[5, 7] * 60, 2, 6))
        assert publisher.published == 0
        await other.execute_command("CLIENT", "UNPAUSE")
        await until(lambda: at_once(gaps))
        stopping.set()
        await running
        prices = [parse_price_e4(entry["price"]) for _, entry in await redis.xrange(S0.ticks)]
    assert (prices[0], max(prices[1:]), min(prices[1:]), prices[-1]) == (500, 9, 2, 6)
    (gap,) = gaps
    assert gap.lost == publisher.conflated == 124 - len(prices) > 0
    assert len(prices) < 100


async def at_once(value: object) -> object:
    return value


async def test_beyond_its_bound_the_backlog_is_conflated_and_counted(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "WAITING_MAX", 100)
    async with process.connect(redis_url) as redis:
        publisher = Publisher(redis, shards=1, on_gap=unexpected)
        publisher.add_ticks([Tick(token, 100 + place, place) for place in range(10) for token in range(11)])
    assert publisher.conflated == 101 - 2 * 11
