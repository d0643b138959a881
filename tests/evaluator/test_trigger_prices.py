"""At which prices given rules fire: exactly where they do."""

import redis as sync_redis
from redis.asyncio import Redis

from stormalert import process
from stormalert.model import Direction, Kind, Rule, Tick
from stormalert.redis.keys import Shard
from stormalert.rules.engine import TriggerPrices, trigger_prices
from stormalert.units import parse_price_e4
from tests.evaluator.test_pump import append, arm, evaluate, rolling, ticks

BOTH = {"direction": Direction.BOTH}


def prices(redis_url: str, *rules: str, token: int = 1) -> TriggerPrices:
    with sync_redis.Redis.from_url(redis_url, decode_responses=True) as redis:
        return trigger_prices(Shard("s0"), token, rules).ask(redis)


async def market(redis: Redis) -> list[Rule]:
    """Rules of every kind behind the ticks 100, 104, 101, and a crowd that is nearer."""
    await redis.hset(Shard("s0").quote(1), "close", "98.00")
    rules = [
        rolling("move", percent_e2=900, **BOTH),
        rolling("turn", kind=Kind.TRAILING, percent_e2=900, **BOTH),
        rolling("day", kind=Kind.DAY, percent_e2=900, **BOTH),
        rolling("above", kind=Kind.LEVEL, price_e4=1_200_000, **BOTH),
        rolling("under", kind=Kind.LEVEL, price_e4=900_000, direction=Direction.UP),
    ]
    await arm(redis, *rules, *(rolling(f"near{n}", percent_e2=700 + n) for n in range(60)))
    await append(redis, ticks(100, 104, 101))
    await evaluate(redis)
    return rules


async def test_each_side_has_its_reference_and_its_first_price(redis_url: str) -> None:
    async with process.connect(redis_url) as redis:
        await market(redis)
        found = prices(redis_url, "move", "turn", "day", "above", "under")
    assert found.price == "101.00"
    assert {rule: [tuple(side) for side in each] for rule, each in found.of.items()} == {
        "move": [("up", "100.00", "109.00"), ("down", "104.00", "94.64")],
        "turn": [("up", "100.00", "109.00"), ("down", "104.00", "94.64")],
        "day": [("up", "98.00", "106.82"), ("down", "98.00", "89.18")],
        "above": [("up", "120.00", "120.00")],
    }


async def test_a_rule_fires_at_its_trigger_and_not_a_paisa_before(redis_url: str) -> None:
    async with process.connect(redis_url) as redis:
        await market(redis)
        found = prices(redis_url, "move", "turn", "day", "above")
        for rule, each in found.of.items():
            for side in each:
                trigger_e4 = parse_price_e4(side.trigger)
                step = 100 if side.side == "down" else -100
                for price_e4, is_there in ((trigger_e4 + step, False), (trigger_e4, True)):
                    await redis.flushdb()
                    await market(redis)
                    await append(redis, [Tick(1, price_e4, 4_000)])
                    fired = [name.rpartition("-")[0] for name in await evaluate(redis)]
                    assert (rule in fired) is is_there, (rule, side, price_e4)


async def test_rules_that_wait_are_spent_or_are_elsewhere_have_none(redis_url: str) -> None:
    async with process.connect(redis_url) as redis:
        await arm(
            redis,
            rolling("later", armed_at_ms=99_000),
            rolling("cooling", percent_e2=100, cooldown_ms=60_000),
            rolling("spent", percent_e2=100, repeat="once"),
            rolling("fresh", kind=Kind.TRAILING, percent_e2=900),
            rolling("elsewhere", token=2),
        )
        assert prices(redis_url, "fresh") == TriggerPrices("", {})
        await append(redis, ticks(100, 103))
        await evaluate(redis)
        await arm(redis, rolling("new", kind=Kind.TRAILING))
        found = prices(redis_url, "later", "cooling", "spent", "new", "elsewhere", "nobody", "fresh")
    assert (found.price, list(found.of)) == ("103.00", ["fresh"])


async def test_looking_changes_nothing(redis_url: str) -> None:
    async with process.connect(redis_url) as redis:
        await market(redis)
        names = sorted(await redis.keys())
        before = [await redis.dump(name) for name in names]
        prices(redis_url, "move", "turn", "day", "above", "under")
        assert sorted(await redis.keys()) == names
        assert [await redis.dump(name) for name in names] == before
