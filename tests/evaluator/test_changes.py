"""Rules that come, change, rest and go while the market moves: the engine against the definition."""

import asyncio
import itertools
import secrets
from collections.abc import Iterator
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from stormalert import process
from stormalert.model import Direction, Kind, Repeat, Rule, RuleState, Tick
from stormalert.redis.keys import Shard
from stormalert.redis.streams import read_alert
from stormalert.rules import engine
from stormalert.units import format_price
from tests.evaluator.oracle import Expected, OracleMarket
from tests.evaluator.test_engine import SLOW, make_rule

TOKENS = (1, 2)
CLOSES_E4 = {1: 1_000_000, 2: 990_000}


class Move(NamedTuple):
    token: int
    step: int
    seconds: int


class ChangeOfRules(NamedTuple):
    place: int
    # None takes the rule out of force.
    rule: Rule | None
    is_deleted: bool = False


def moves() -> st.SearchStrategy[Move]:
    return st.builds(Move, st.sampled_from(TOKENS), st.integers(-4, 4), st.sampled_from([0, 0, 1, 1, 2, 5, 40, -3, 50_000]))


def conditions() -> st.SearchStrategy[Rule]:
    return st.builds(
        make_rule,
        st.just("r"),
        token=st.sampled_from(TOKENS),
        kind=st.sampled_from(Kind),
        direction=st.sampled_from(Direction),
        percent_e2=st.sampled_from([1, 49, 50, 100, 101, 200]),
        price_e4=st.sampled_from([985_000, 990_000, 1_000_000, 1_005_000]),
        window_ms=st.sampled_from([1_000, 5_000, 30_000]),
        repeat=st.sampled_from(Repeat),
        cooldown_ms=st.sampled_from([0, 1_000, 4_000, None]),
        armed_at_ms=st.sampled_from([0, 0, 0, 1_010_000, 1_010_500]),
    )


def changes() -> st.SearchStrategy[ChangeOfRules]:
    return st.builds(ChangeOfRules, st.integers(0, 7), st.one_of(conditions(), conditions(), st.none()), st.booleans())


class Engine:
    """The engine on a shard of its own, driven with batches of every size."""

    def __init__(self, redis: Redis, sizes: list[int]) -> None:
        self._redis = redis
        self._shard = Shard(f"test-{secrets.token_hex(6)}")
        self._sizes = itertools.cycle(sizes)

    async def prepare(self) -> None:
        for token, close_e4 in CLOSES_E4.items():
            await self._redis.hset(self._shard.quote(token), "close", format_price(close_e4))

    async def append(self, tick: Tick) -> None:
        fields = {"token": tick.token, "price": format_price(tick.price_e4), "time": tick.time_ms}
        await self._redis.xadd(self._shard.ticks, fields)  # type: ignore[arg-type]

    async def evaluate(self) -> None:
        is_busy = True
        while is_busy:
            step = engine.evaluate(self._shard, next(self._sizes), hold_ms=1_000, burst=next(self._sizes))
            done = await step.run(self._redis)
            is_busy = done.taken + done.begun > 0

    async def arm(self, rule: Rule) -> None:
        await engine.arm(self._shard, rule).run(self._redis)

    async def disarm(self, rule: Rule) -> None:
        await engine.disarm(self._shard, rule).run(self._redis)

    async def alerts(self) -> list[tuple[str, Expected]]:
        entries = [read_alert(fields) for _, fields in await self._redis.xrange(self._shard.alerts)]  # type: ignore[arg-type]
        return [(it.id, Expected(it.time_ms, it.rule, it.direction, it.price_e4, it.reference_e4)) for it in entries]

    async def forget(self) -> None:
        async for key in self._redis.scan_iter(match=f"{self._shard.prefix}*", count=1_000):
            await self._redis.unlink(key)


async def play(
    redis_url: str, events: list[Move | ChangeOfRules], sizes: list[int]
) -> tuple[list[tuple[str, Expected]], list[Expected]]:
    """Alerts of the engine with their ids, and what the definition calls for."""
    market, book, expected = OracleMarket(CLOSES_E4), dict[int, Rule](), list[Expected]()
    prices_e4, time_ms = dict.fromkeys(TOKENS, 1_000_000), 1_000_000
    async with process.connect(redis_url) as redis:
        engine = Engine(redis, sizes)
        await engine.prepare()
        for revision, event in enumerate(events, 1):
            if isinstance(event, Move):
                time_ms += event.seconds * 1_000
                prices_e4[event.token] = max(prices_e4[event.token] + event.step * 5_000, 5_000)
                tick = Tick(event.token, prices_e4[event.token], time_ms)
                await engine.append(tick)
                expected += market.tick(tick)
                continue
            # A change counts from the ticks on that are not evaluated yet.
            await engine.evaluate()
            before = book.get(event.place)
            if event.rule is not None:
                identity = {
                    "id": f"r{event.place}",
                    "token": before.token if before else event.rule.token,
                    "revision": revision,
                }
                rule = event.rule.model_copy(update=identity)
                book[event.place] = rule
                await engine.arm(rule)
                market.arm(rule)
            elif before is not None:
                state = RuleState.DELETED if event.is_deleted else RuleState.PAUSED
                await engine.disarm(before.model_copy(update={"state": state, "revision": revision}))
                market.disarm(before.id)
        await engine.evaluate()
        found = await engine.alerts()
        await engine.forget()
    return found, expected


@SLOW
@given(
    events=st.lists(st.one_of(moves(), moves(), moves(), changes()), min_size=1, max_size=150),
    sizes=st.lists(st.sampled_from([1, 2, 3, 7, 500]), min_size=1, max_size=4),
)
def test_rules_that_come_change_rest_and_go_fire_exactly_as_defined(
    redis_server: str, events: list[Move | ChangeOfRules], sizes: list[int]
) -> None:
    found, expected = asyncio.run(play(redis_server, events, sizes))
    assert_same(found, expected)


def assert_same(found: list[tuple[str, Expected]], expected: list[Expected]) -> None:
    """Within one tick a small burst fires in another order than that of the rule ids."""
    alerts = [alert for _, alert in found]
    assert sorted(alerts) == sorted(expected)
    assert [(alert.time_ms, alert.price_e4) for alert in alerts] == [(alert.time_ms, alert.price_e4) for alert in expected]
    assert len({alert_id for alert_id, _ in found}) == len(found)


def some_events() -> Iterator[Move | ChangeOfRules]:
    """A falling and rising market in which a rule is armed at each tick: as many cohorts as a market can have."""
    for place in range(300):
        percent_e2 = 100 + place % 50
        yield ChangeOfRules(place, make_rule("r", Kind.TRAILING, 0, percent_e2, token=1, direction=Direction.BOTH))
        yield Move(1, -1 if place < 150 else 1, 1)
    for _ in range(150):
        yield Move(1, 2, 1)


def test_hundreds_of_trailing_cohorts_fire_exactly_as_defined(redis_server: str) -> None:
    found, expected = asyncio.run(play(redis_server, list(some_events()), [64]))
    assert_same(found, expected)
    assert len(expected) > 300
