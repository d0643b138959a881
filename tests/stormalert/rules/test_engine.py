"""The seam to the engine: replies have the names of the scripts' headers, and a rule is read as the engine writes it."""

import pytest

from stormalert import process
from stormalert.model import Direction, Kind, Repeat, Rule
from stormalert.redis.keys import Shard
from stormalert.redis.scripts import script
from stormalert.rules import engine
from stormalert.rules.engine import Evaluated, Exported, Inspection, Nearest, TriggerPrice, TriggerPrices, read_armed

SHARD = Shard("s0")


def returned(name: str) -> list[str]:
    return [each.name for each in script(name).returns]


def test_replies_have_the_names_of_the_headers() -> None:
    assert returned("evaluate") == list(Evaluated._fields)
    assert returned("inspect") == list(Inspection._fields)
    assert len(returned("trigger_prices")) == len(TriggerPrices._fields)
    (keys,) = script("export").returns
    assert keys.columns == Exported._fields
    assert script("trigger_prices").returns[1].columns == ("rule", *TriggerPrice._fields)
    assert set(script("inspect").returns[1].columns) - {"text"} == set(Nearest._fields) - {"user", "condition"}


def rule(kind: Kind, **fields: object) -> Rule:
    amount = {"price_e4": 1_000_000} if kind is Kind.LEVEL else {"percent_e2": 235}
    window = {"window_ms": 300_000} if kind is Kind.ROLLING else {}
    known = {"id": "r1", "user": "asha", "token": 1, "symbol": "NSE:X", "kind": kind, "direction": Direction.UP, "revision": 7}
    return Rule(**known | amount | window | fields)  # type: ignore[arg-type]


async def told(redis_url: str, armed: Rule) -> engine.ArmedRule:
    async with process.connect(redis_url) as redis:
        assert await engine.arm(SHARD, armed).run(redis)
        assert not await engine.arm(SHARD, armed).run(redis)
        found = read_armed(await redis.hgetall(SHARD.rule(armed.id)))
        assert await engine.disarm(SHARD, armed).run(redis)
        assert found is not None
        return found


@pytest.mark.parametrize("kind", Kind)
async def test_a_rule_of_every_kind_is_read_as_it_was_armed(redis_url: str, kind: Kind) -> None:
    found = await told(redis_url, rule(kind))
    assert found.state == "armed"
    assert (found.text.token, found.text.user, found.text.revision) == (1, "asha", 7)
    # Direction, amount and how: the pause is told only where it is not the kind's usual one, which both sides must know.
    assert len(found.text.condition.split()) == 3
    assert found.text.condition.startswith("up 100.00 " if kind is Kind.LEVEL else "up 2.35% ")


@pytest.mark.parametrize("kind", Kind)
async def test_a_pause_that_is_not_the_usual_one_and_once_are_told(redis_url: str, kind: Kind) -> None:
    assert (await told(redis_url, rule(kind, cooldown_ms=90_000))).text.condition.endswith(" 90s")
    assert (await told(redis_url, rule(kind, repeat=Repeat.ONCE, revision=8))).text.condition.endswith(" once")


async def test_a_rule_that_the_engine_does_not_know_reads_as_none(redis_url: str) -> None:
    async with process.connect(redis_url) as redis:
        assert read_armed(await redis.hgetall(SHARD.rule("nobody"))) is None
        assert not await engine.disarm(SHARD, rule(Kind.DAY)).run(redis)
