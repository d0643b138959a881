"""The Lua engine against the oracle, on a real server."""

import asyncio
import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evaluator.replay import engine_alerts
from stormalert import process
from stormalert.model import Direction, Kind, Repeat, Rule, Tick
from stormalert.redis.streams import read_alert
from tests.evaluator.oracle import Expected, expected_alerts

SLOW = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def run_engine(redis_url: str, ticks: list[Tick], rules: list[Rule], ticks_a_call: int) -> list[Expected]:
    async def collect() -> list[Expected]:
        async with process.connect(redis_url) as redis:
            alerts = [read_alert(entry) async for entry in engine_alerts(redis, ticks, rules, ticks_a_call)]
        return [Expected(alert.time_ms, alert.rule, alert.direction, alert.price_e4, alert.reference_e4) for alert in alerts]

    return asyncio.run(collect())


@st.composite
def markets(draw: st.DrawFn) -> list[Tick]:
    # Few prices and coarse times on purpose: equal prices, equal times, late ticks and gaps are what goes wrong.
    steps = draw(
        st.lists(
            st.tuples(st.integers(1, 2), st.integers(-4, 4), st.sampled_from([0, 0, 1, 1, 2, 5, 30, -3])),
            min_size=1,
            max_size=120,
        )
    )
    prices, time_s, ticks = {1: 1_000_000, 2: 1_000_000}, 1_000, []
    for token, step, seconds in steps:
        prices[token] = max(prices[token] + step * 5_000, 5_000)
        time_s += seconds
        ticks.append(Tick(token, prices[token], time_s * 1_000))
    return ticks


@st.composite
def books(draw: st.DrawFn) -> list[Rule]:
    count = draw(st.integers(1, 12))
    return [draw(rules(f"{place:03d}")) for place in range(count)]


def rules(rule_id: str) -> st.SearchStrategy[Rule]:
    return st.builds(
        make_rule,
        st.just(rule_id),
        token=st.integers(1, 2),
        kind=st.sampled_from([Kind.ROLLING, Kind.TRAILING, Kind.LEVEL]),
        direction=st.sampled_from(Direction),
        percent_e2=st.sampled_from([1, 50, 99, 100, 101, 150, 300]),
        price_e4=st.sampled_from([985_000, 990_000, 995_000, 1_000_000, 1_005_000, 1_012_500]),
        window_ms=st.sampled_from([1_000, 2_000, 5_000, 30_000]),
        repeat=st.sampled_from(Repeat),
        cooldown_ms=st.sampled_from([0, 1_000, 4_000, None]),
        armed_at_ms=st.sampled_from([0, 0, 1_002_000, 1_010_000, 1_010_500]),
    )


def make_rule(rule_id: str, kind: Kind, window_ms: int, percent_e2: int, price_e4: int = 0, **fields: object) -> Rule:
    """Of the conditions those that its kind has."""
    conditions = {"percent_e2": percent_e2} if kind is not Kind.LEVEL else {"price_e4": price_e4}
    window_ms = window_ms if kind is Kind.ROLLING else 0
    fields = {"revision": 1, "cooldown_ms": None} | fields | conditions
    return Rule(id=rule_id, user="u", symbol="NSE:X", kind=kind, window_ms=window_ms, **fields)  # type: ignore[arg-type]


@SLOW
@given(ticks=markets(), book=books(), ticks_a_call=st.sampled_from([1, 2, 7, 500]))
def test_fires_exactly_what_the_definition_calls_for(
    redis_server: str, ticks: list[Tick], book: list[Rule], ticks_a_call: int
) -> None:
    assert run_engine(redis_server, ticks, book, ticks_a_call) == list(expected_alerts(ticks, book))


def a_long_market() -> tuple[list[Tick], list[Rule]]:
    dice = random.Random(7)
    price_e4, time_ms, ticks = 1_000_000, 1_000_000, []
    for _ in range(3_000):
        price_e4 = max(price_e4 + dice.choice([-3, -1, -1, 0, 1, 1, 3]) * 500, 500)
        time_ms += dice.choice([0, 200, 1_000, 1_000, 3_000])
        ticks.append(Tick(1, price_e4, time_ms))
    book = [
        make_rule(
            f"{place:04d}",
            token=1,
            kind=dice.choice([Kind.ROLLING, Kind.TRAILING, Kind.LEVEL]),
            direction=dice.choice(list(Direction)),
            percent_e2=dice.randint(10, 400),
            price_e4=1_000_000 + dice.randint(-100, 100) * 500,
            window_ms=dice.choice([10_000, 60_000, 300_000, 3_600_000]),
            repeat=dice.choice(list(Repeat)),
            cooldown_ms=dice.choice([None, 0, 30_000]),
            armed_at_ms=dice.choice([0, dice.randint(1_000_000, 4_000_000)]),
        )
        for place in range(300)
    ]
    return ticks, book


def test_fires_exactly_in_a_long_market_with_many_rules(redis_server: str) -> None:
    ticks, book = a_long_market()
    found = run_engine(redis_server, ticks, book, 64)
    assert found == list(expected_alerts(ticks, book))
    assert len(found) > 100
