import asyncio
import random
from collections.abc import Iterable

import pytest
from redis.asyncio import Redis

from evaluator.pump import BURST, Pump, oldest_kept
from stormalert import process
from stormalert.model import Direction, Kind, Rule, RuleState, Tick
from stormalert.redis.keys import FAMILIES, Shard
from stormalert.redis.streams import read_alert
from stormalert.rules import engine
from stormalert.units import format_price
from tests.evaluator.oracle import expected_alerts
from tests.evaluator.test_engine import make_rule

SHARD = Shard("s0")


async def arm(redis: Redis, *rules: Rule, least_epoch: int = 0) -> None:
    for rule in rules:
        await engine.arm(SHARD, rule, least_epoch).run(redis)


async def disarm(redis: Redis, rule: Rule) -> None:
    await engine.disarm(SHARD, rule).run(redis)


async def append(redis: Redis, ticks: Iterable[Tick]) -> None:
    async with redis.pipeline(transaction=False) as pipe:
        for tick in ticks:
            pipe.xadd(SHARD.ticks, {"token": tick.token, "price": format_price(tick.price_e4), "time": tick.time_ms})
        await pipe.execute()


async def evaluate(redis: Redis) -> list[str]:
    """Ids of all alerts so far, after everything was taken."""
    pump = Pump(redis, SHARD, lambda *told: None)
    while (await pump.step())[0]:
        pass
    return [entry["alert"] for _, entry in await redis.xrange(SHARD.alerts)]


def ticks(*prices: int, start_ms: int = 1_000, every_ms: int = 1_000) -> list[Tick]:
    return [Tick(1, price * 10_000, start_ms + place * every_ms) for place, price in enumerate(prices)]


def rolling(rule_id: str = "r", **fields: object) -> Rule:
    defaults = {"kind": Kind.ROLLING, "window_ms": 60_000, "token": 1, "direction": Direction.UP, "percent_e2": 200}
    return make_rule(rule_id, **defaults | {"cooldown_ms": 0, "price_e4": 1_010_000} | fields)  # type: ignore[arg-type]


async def test_several_pumps_at_once_lose_and_repeat_nothing(redis_url: str) -> None:
    dice = random.Random(3)
    market, price = [], 1_000_000
    for second in range(2_000):
        price = max(price + dice.randint(-10, 10) * 1_000, 1_000)
        market.append(Tick(1, price, second * 1_000))
    book = [rolling(f"{place:03d}", percent_e2=dice.randint(50, 500), direction=Direction.BOTH) for place in range(50)]
    async with process.connect(redis_url) as redis:
        await arm(redis, *book)
        stopping = asyncio.Event()
        taken: list[int] = []
        pumps = [Pump(redis, SHARD, lambda ticks, *told: taken.append(ticks)).run_until(stopping) for _ in range(3)]
        running = asyncio.gather(*pumps)
        for first in range(0, len(market), 100):
            await append(redis, market[first : first + 100])
        while sum(taken) < len(market):
            await asyncio.sleep(0.01)
        stopping.set()
        await running
        found = [read_alert(entry) for _, entry in await redis.xrange(SHARD.alerts)]
    expected = list(expected_alerts(market, book))
    assert [(alert.rule, alert.time_ms, alert.reference_e4) for alert in found] == [
        (alert.rule, alert.time_ms, alert.reference_e4) for alert in expected
    ]
    assert len({alert.id for alert in found}) == len(found) > 100


async def test_what_one_tick_fires_and_arms_beyond_a_burst_is_left_to_the_next_steps(redis_url: str) -> None:
    dice = random.Random(5)
    kinds = [Kind.ROLLING, Kind.TRAILING, Kind.LEVEL]
    book = [
        rolling(f"{place:03d}", kind=dice.choice(kinds), direction=Direction.BOTH, cooldown_ms=dice.choice([0, 2_000]))
        for place in range(4 * BURST)
    ]
    market = ticks(100, 99, 102, 105, 105, 95, 103, 100)
    stepped: list[tuple[int, int]] = []
    async with process.connect(redis_url) as redis:
        await arm(redis, *book)
        await append(redis, market)
        pump = Pump(redis, SHARD, lambda taken, alerts, delay_ms: stepped.append((taken, alerts)))
        while (await pump.step())[0]:
            pass
        found = [read_alert(entry) for _, entry in await redis.xrange(SHARD.alerts)]
    assert sum(taken for taken, _ in stepped) == len(market)
    assert (0, BURST) in stepped
    expected = [(alert.time_ms, alert.rule, alert.direction, alert.reference_e4) for alert in expected_alerts(market, book)]
    assert sorted((it.time_ms, it.rule, it.direction, it.reference_e4) for it in found) == sorted(expected)
    assert [it.time_ms for it in found] == [time_ms for time_ms, *_ in expected]
    assert len({alert.id for alert in found}) == len(found) > 12 * BURST


async def test_a_malformed_entry_is_counted_with_its_reason_and_harms_no_other(redis_url: str) -> None:
    async with process.connect(redis_url) as redis:
        await arm(redis, rolling())
        await append(redis, ticks(100))
        for entry in (
            {"token": "1", "price": "free", "time": "1500"},
            {"token": "infy", "price": "100", "time": "1500"},
            {"token": "1", "price": "0", "time": "1500"},
            {"token": "1", "price": "nan", "time": "1500"},
            {"token": "1", "price": "100.00001", "time": "1500"},
            {"token": "1", "price": "100", "time": "-1"},
            {"price": "100"},
        ):
            await redis.xadd(SHARD.ticks, entry)  # type: ignore[arg-type]
        await append(redis, ticks(102, start_ms=2_000))
        assert len(await evaluate(redis)) == 1
        counters = await redis.hgetall(SHARD.counters)
    assert counters["malformed"] == "7"
    assert counters["malformed_last"].endswith("a tick has the fields token, price and time")


async def test_the_group_shows_how_far_the_engine_has_read(redis_url: str) -> None:
    async with process.connect(redis_url) as redis:
        await append(redis, ticks(100, 101, 102))
        await Pump(redis, SHARD, lambda *told: None).step()
        await append(redis, ticks(103, 104, start_ms=9_000))
        (group,) = await redis.xinfo_groups(SHARD.ticks)
    assert (group["name"], group["entries-read"], group["lag"]) == ("evaluator", 3, 2)


async def test_an_instrument_reads_in_plain_words(redis_url: str) -> None:
    async with process.connect(redis_url) as redis:
        await arm(redis, rolling(percent_e2=300))
        await append(redis, ticks(100, 101, 99))
        await evaluate(redis)
        shown = await redis.hgetall(SHARD.instrument(1))
    assert shown["symbol"] == "NSE:X"
    assert (shown["price"], shown["time"], shown["above"]) == ("99.00", "3000", "101.97")
    assert shown["window 60s"] == "low 100.00 high 100.00 at 1000"


async def test_arming_the_same_revision_again_changes_nothing(redis_url: str) -> None:
    async with process.connect(redis_url) as redis:
        await arm(redis, rolling(cooldown_ms=3_600_000))
        await append(redis, ticks(100, 102))
        assert len(await evaluate(redis)) == 1
        await arm(redis, rolling(cooldown_ms=3_600_000))
        await append(redis, ticks(110, start_ms=9_000))
        assert len(await evaluate(redis)) == 1


async def test_a_paused_rule_is_silent_until_resumed_and_its_next_alert_has_a_new_id(redis_url: str) -> None:
    async with process.connect(redis_url) as redis:
        await arm(redis, rolling())
        await append(redis, ticks(100, 102))
        await evaluate(redis)
        await disarm(redis, rolling().model_copy(update={"state": RuleState.PAUSED, "revision": 2}))
        await append(redis, ticks(105, start_ms=3_000))
        assert len(await evaluate(redis)) == 1
        await arm(redis, rolling().model_copy(update={"revision": 3}))
        await append(redis, ticks(106, start_ms=4_000))
        found = await evaluate(redis)
    assert len(set(found)) == 2


@pytest.mark.parametrize("kind", [Kind.ROLLING, Kind.TRAILING])
async def test_deleting_one_rule_leaves_the_others_as_they_were(redis_url: str, kind: Kind) -> None:
    kept, gone = (rolling(name, kind=kind, direction=Direction.BOTH) for name in ("kept", "gone"))
    async with process.connect(redis_url) as redis:
        await arm(redis, kept, gone)
        await append(redis, ticks(100, 101))
        await evaluate(redis)
        await disarm(redis, gone.model_copy(update={"state": RuleState.DELETED}))
        assert not await redis.exists(SHARD.rule("gone"))
        await append(redis, ticks(102, start_ms=3_000))
        assert [name.partition("-")[0] for name in await evaluate(redis)] == ["kept"]


async def test_a_rule_that_is_sent_with_another_instrument_is_refused(redis_url: str) -> None:
    async with process.connect(redis_url) as redis:
        await arm(redis, rolling())
        with pytest.raises(Exception, match="rule r keeps its instrument 1, was sent 2"):
            await arm(redis, rolling(token=2).model_copy(update={"revision": 2}))


async def test_an_alert_id_does_not_repeat_after_redis_was_emptied(redis_url: str) -> None:
    async with process.connect(redis_url) as redis:
        found = []
        for clock_ms in (1_700_000_000_000, 1_700_000_100_000):
            await redis.flushall()
            await arm(redis, rolling(), least_epoch=clock_ms)
            await append(redis, ticks(100, 102))
            found += await evaluate(redis)
    assert len(set(found)) == 2


async def test_a_batch_that_was_cut_off_can_be_repeated(redis_url: str) -> None:
    """The worst case: everything was written but the group did not move."""
    async with process.connect(redis_url) as redis:
        await arm(redis, rolling())
        await append(redis, ticks(100, 102, 104))
        before = await evaluate(redis)
        state = await redis.hgetall(SHARD.instrument(1))
        await redis.xgroup_setid(SHARD.ticks, "evaluator", "0-0")
        assert await evaluate(redis) == before
        assert await redis.hgetall(SHARD.instrument(1)) == state


async def test_trims_what_is_long_behind_the_cursor_and_nothing_unread(redis_url: str) -> None:
    async with process.connect(redis_url) as redis:
        for time_ms in (*range(1_000, 1_200), *range(90_000, 90_300)):
            await redis.xadd(SHARD.ticks, {"token": 1, "price": "100", "time": time_ms}, id=f"{time_ms}-0")
        pump = Pump(redis, SHARD, lambda *told: None)
        await pump.step()
        assert await redis.xlen(SHARD.ticks) == 500
        await evaluate(redis)
        await Pump(redis, SHARD, lambda *told: None).step()
        left = await redis.xrange(SHARD.ticks)
    # Redis drops whole nodes of a stream, so some of the old ones may stay.
    assert 300 <= len(left) < 500
    assert {f"{time_ms}-0" for time_ms in range(90_000, 90_300)} <= {entry_id for entry_id, _ in left}


@pytest.mark.parametrize(
    ("cursor", "oldest"),
    [
        ("0-0", ""),
        ("60000-5", ""),
        ("60001-5", "1"),
        ("90000000-50000", "89940000"),
        # A clock that was ahead and was set back: until it has caught up, all entries are of one millisecond.
        ("90000000-50001", "90000000-1"),
    ],
)
def test_what_is_kept_behind_the_cursor_has_an_end_whatever_the_servers_clock_does(cursor: str, oldest: str) -> None:
    assert oldest_kept(cursor) == oldest


async def test_every_key_that_the_engine_writes_is_of_a_declared_family(redis_url: str) -> None:
    async with process.connect(redis_url) as redis:
        for kind in Kind:
            await arm(redis, *(rolling(f"{kind}{place}", kind=kind, direction=Direction.BOTH) for place in range(3)))
            await arm(redis, rolling(f"{kind}later", kind=kind, armed_at_ms=10**12))
        await append(redis, ticks(100, 101, 99, 104))
        await redis.xadd(SHARD.ticks, {"token": "1"})
        await evaluate(redis)
        written = {key: await redis.type(key) async for key in redis.scan_iter()}
    for key, stored in written.items():
        names = {"zset": "sorted set"}
        assert [family.type for family in FAMILIES if family.pattern.fullmatch(key)] == [names.get(stored, stored)], key
    assert len(written) > 10
