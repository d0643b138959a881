"""Rules on the day's first price, over several days, against the oracle."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormalert.model import Direction, Kind, Repeat, Rule, Tick
from stormalert.units import DAY_MS, HOUR_MS
from tests.evaluator.oracle import Expected, OracleMarket
from tests.evaluator.test_engine import SLOW, make_rule, run_engine

# Midnight in India.
FIRST_MS = 1_700_073_000_000
OPEN_MS = FIRST_MS + 9 * HOUR_MS + 15 * 60_000
TOKENS = (1, 2)


def a_gap(rule_id: str = "gap", direction: Direction = Direction.BOTH, percent_e2: int = 200, **fields: object) -> Rule:
    return make_rule(rule_id, Kind.GAP, 0, percent_e2, token=1, direction=direction, repeat=Repeat.EVERY, **fields)


def days(*prices: tuple[int, ...]) -> list[Tick]:
    """Ticks of token 1 a minute apart, in rupees, day by day."""
    return [
        Tick(1, rupees * 10_000, OPEN_MS + day * DAY_MS + minute * 60_000)
        for day, of_day in enumerate(prices)
        for minute, rupees in enumerate(of_day)
    ]


def expected(ticks: list[Tick], rules: list[Rule]) -> Iterator[Expected]:
    """As a replay has it: what an instrument closed at is its last price of its former day."""
    closes_e4 = dict.fromkeys(TOKENS, 0)
    market, before = OracleMarket(closes_e4), dict[int, Tick]()
    for rule in rules:
        market.arm(rule)
    for tick in ticks:
        last = before.get(tick.token)
        time_ms = max(tick.time_ms, last.time_ms) if last else tick.time_ms
        if last and (last.time_ms - FIRST_MS) // DAY_MS != (time_ms - FIRST_MS) // DAY_MS:
            closes_e4[tick.token] = last.price_e4
        before[tick.token] = tick._replace(time_ms=time_ms)
        yield from market.tick(tick)


def test_it_fires_at_the_days_first_price_and_at_no_other(redis_server: str) -> None:
    ticks = days((100, 90, 100), (102, 110, 90), (91, 80), (84, 84))
    found = run_engine(redis_server, ticks, [a_gap()], 500)
    day_2, day_4 = OPEN_MS + DAY_MS, OPEN_MS + 3 * DAY_MS
    assert found == [Expected(day_2, "gap", "up", 1_020_000, 1_000_000), Expected(day_4, "gap", "up", 840_000, 800_000)]


@pytest.mark.parametrize(("open_e4", "fires"), [(980_000, True), (980_100, False), (1_020_000, True), (1_019_900, False)])
def test_exactly_the_percent_fires_and_one_paisa_less_does_not(redis_server: str, open_e4: int, fires: bool) -> None:
    ticks = [Tick(1, 1_000_000, OPEN_MS), Tick(1, open_e4, OPEN_MS + DAY_MS)]
    assert bool(run_engine(redis_server, ticks, [a_gap()], 500)) is fires


def test_a_rule_that_is_armed_during_a_day_waits_for_the_next_one(redis_server: str) -> None:
    ticks = days((100, 100), (105, 105, 105), (110, 110))
    late = a_gap(armed_at_ms=OPEN_MS + DAY_MS + 60_000)
    assert [alert.time_ms for alert in run_engine(redis_server, ticks, [late], 1)] == [OPEN_MS + 2 * DAY_MS]


def test_a_rule_that_is_armed_by_the_days_first_tick_fires_at_it(redis_server: str) -> None:
    rule = a_gap(armed_at_ms=OPEN_MS + DAY_MS)
    assert len(run_engine(redis_server, days((100,), (105, 105)), [rule], 500)) == 1


@st.composite
def markets(draw: st.DrawFn) -> list[Tick]:
    steps = draw(
        st.lists(
            st.tuples(st.sampled_from(TOKENS), st.integers(-4, 4), st.sampled_from([0, 1, 60, -3, 40_000, 86_400, 200_000])),
            min_size=1,
            max_size=60,
        )
    )
    prices_e4, time_s, ticks = dict.fromkeys(TOKENS, 1_000_000), OPEN_MS // 1_000, []
    for token, step, seconds in steps:
        prices_e4[token] = max(prices_e4[token] + step * 5_000, 5_000)
        time_s += seconds
        ticks.append(Tick(token, prices_e4[token], time_s * 1_000))
    return ticks


def books() -> st.SearchStrategy[list[Rule]]:
    rules = st.builds(
        make_rule,
        st.just("r"),
        token=st.sampled_from(TOKENS),
        kind=st.sampled_from([Kind.GAP, Kind.GAP, Kind.ROLLING, Kind.TRAILING]),
        direction=st.sampled_from(Direction),
        percent_e2=st.sampled_from([1, 49, 50, 100, 150]),
        window_ms=st.sampled_from([60_000, 80_000_000]),
        repeat=st.sampled_from(Repeat),
        cooldown_ms=st.sampled_from([0, 60_000, DAY_MS, None]),
        armed_at_ms=st.sampled_from([0, OPEN_MS + 61_000, OPEN_MS + DAY_MS]),
    )
    return st.lists(rules, min_size=1, max_size=8).map(
        lambda book: [rule.model_copy(update={"id": f"{place:03d}"}) for place, rule in enumerate(book)]
    )


@SLOW
@given(ticks=markets(), book=books(), ticks_a_call=st.sampled_from([1, 2, 7, 500]))
def test_fires_exactly_what_the_definition_calls_for(
    redis_server: str, ticks: list[Tick], book: list[Rule], ticks_a_call: int
) -> None:
    assert run_engine(redis_server, ticks, book, ticks_a_call) == list(expected(ticks, book))
