from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormalert.errors import InputError
from stormalert.model import COOLDOWN_MAX_MS, WINDOW_MAX_MS, WINDOW_MIN_MS, Direction, Instrument, Kind, Repeat, Rule
from stormalert.rules import line as rule_line
from stormalert.units import HOUR_MS, MINUTE_MS, PERCENT_MAX_E2, PRICE_MAX_E4

LISTED = {
    it.symbol.casefold(): it
    for it in (
        Instrument(token=408065, symbol="NSE:INFY"),
        Instrument(token=256265, symbol="NSE:NIFTY 50"),
        Instrument(token=519937, symbol="NSE:M&M"),
        Instrument(token=77, symbol="NSE:LAST DAY LEVEL FUND"),
    )
}


def find(symbol: str) -> Instrument | None:
    return LISTED.get(symbol.casefold())


def read(line: str) -> Rule:
    return rule_line.read(line, find, id="r1", user="u1")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("NSE:INFY rolling up 2% 5m", {"direction": "up", "percent_e2": 200, "window_ms": 5 * MINUTE_MS}),
        ("NSE:INFY rolling 2% 5m", {"direction": "both", "percent_e2": 200, "cooldown_ms": 5 * MINUTE_MS}),
        ("nse:infy ROLLING 5M 0.75 % Up", {"direction": "up", "percent_e2": 75, "window_ms": 5 * MINUTE_MS}),
        ("NSE:INFY rolling 2 90 s", {"percent_e2": 200, "window_ms": 90_000}),
        ("NSE:NIFTY 50 trailing down 3%", {"kind": "trailing", "symbol": "NSE:NIFTY 50", "cooldown_ms": MINUTE_MS}),
        ("NSE:M&M level up 1500", {"kind": "level", "price_e4": 15_000_000, "percent_e2": 0}),
        ("NSE:INFY level ₹12,500.05 down", {"price_e4": 125_000_500, "direction": "down"}),
        ("NSE:INFY day 4%", {"kind": "day", "percent_e2": 400, "cooldown_ms": 8 * HOUR_MS}),
        ("watchlist rolling 1% 3m once", {"token": 0, "symbol": "My watchlist", "repeat": "once"}),
        ("NSE:INFY trailing 1% every cooldown 10m", {"repeat": "every", "cooldown_ms": 10 * MINUTE_MS}),
        ("NSE:INFY trailing 1% cooldown 0s", {"cooldown_ms": 0}),
        ("NSE:LAST DAY LEVEL FUND day 1%", {"token": 77, "kind": "day"}),
    ],
)
def test_a_line_is_a_rule(line: str, expected: dict[str, Any]) -> None:
    rule = read(line)
    assert {name: getattr(rule, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("line", "found", "wanted"),
    [
        ("", "''", "rolling, trailing, day or level"),
        ("NSE:INFY", "'NSE:INFY'", "rolling, trailing, day or level"),
        ("NSE:INFY falls 2% 5m", "'NSE:INFY falls 2% 5m'", "rolling, trailing, day or level"),
        ("rolling 2% 5m", "nothing in the place of an instrument", "NSE:INFY"),
        ("INFY rolling 2% 5m", "'INFY'", "exchange and symbol"),
        ("NSE:INFI rolling 2% 5m", "'NSE:INFI'", "one that Kite lists"),
        ("NSE:INFY rolling", "no percent", "a percent such as 2%"),
        ("NSE:INFY level", "no price", "a price such as 1500"),
        ("NSE:INFY rolling 2%", "no window", "such as 5m"),
        ("NSE:INFY rolling 2% 5m 3%", "'3%'", "one only"),
        ("NSE:INFY rolling 2% 5m 10m", "'10m'", "one only"),
        ("NSE:INFY rolling up down 2% 5m", "'down'", "one only"),
        ("NSE:INFY rolling 2% 5m sometimes", "'sometimes'", "up, down, both, every, once"),
        ("NSE:INFY rolling -2% 5m", "'-2%'", "a percent such as 2%"),
        ("NSE:INFY rolling 2% within 5m", "'within'", "expected"),
        ("NSE:INFY day 4% 5m", "window '5m'", "cooldown 5m"),
        ("NSE:INFY level 5%", "'5%'", "price"),
        ("NSE:INFY level 0", "'0'", "above 0"),
        ("NSE:INFY trailing 0%", "'0%'", "above 0"),
        ("NSE:INFY trailing 1.234%", "'1.234'", "at most 2 decimals"),
        ("NSE:INFY trailing down 100%", "down 100%", "less than 100%"),
        ("NSE:INFY trailing 2% cooldown", "nothing after cooldown", "10m"),
        ("NSE:INFY trailing 2% cooldown long", "'long'", "10m"),
        ("NSE:INFY trailing 2% cooldown 999h", "'999h'", "0s to 168h"),
        ("NSE:INFY rolling 2% 25h", "'25h'", "1s to 24h"),
        ("NSE:INFY rolling 2% 1ms", "'1ms'", "1s to 24h"),
        ("watchlist level 1500", "a watchlist", "one instrument"),
        ("NSE:INFY rolling ٢% 5m", "'٢%'", "a percent"),
        ("x" * 201, "201", "at most 200"),
    ],
)
def test_what_does_not_fit_is_told_with_what_was_found_and_expected(line: str, found: str, wanted: str) -> None:
    with pytest.raises(InputError) as refused:
        read(line)
    assert found in str(refused.value)
    assert wanted in str(refused.value)


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    kind = draw(st.sampled_from(Kind))
    direction = draw(st.sampled_from(Direction))
    most_e2 = PERCENT_MAX_E2 if direction is not Direction.DOWN else rule_line.ALL_OF_IT_E2 - 1
    instrument = draw(st.sampled_from(list(LISTED.values())))
    is_on_watchlist = kind is not Kind.LEVEL and draw(st.booleans())
    return Rule(
        id="r1",
        user="u1",
        token=0 if is_on_watchlist else instrument.token,
        symbol=rule_line.WATCHLIST if is_on_watchlist else instrument.symbol,
        kind=kind,
        direction=direction,
        percent_e2=0 if kind is Kind.LEVEL else draw(st.integers(1, most_e2)),
        price_e4=draw(st.integers(1, PRICE_MAX_E4)) if kind is Kind.LEVEL else 0,
        window_ms=draw(st.integers(WINDOW_MIN_MS, WINDOW_MAX_MS)) if kind is Kind.ROLLING else 0,
        repeat=draw(st.sampled_from(Repeat)),
        cooldown_ms=draw(st.none() | st.integers(0, COOLDOWN_MAX_MS)),
    )


@given(rules())
def test_every_rule_is_read_back_as_it_was_written(rule: Rule) -> None:
    assert read(rule_line.write(rule)) == rule


@given(st.text(max_size=60) | st.text("NSE:INFY rolingday 0123456789%.msh", max_size=60).map("NSE:INFY rolling {}".format))
def test_any_text_is_a_rule_or_a_sentence(text: str) -> None:
    try:
        rule = read(text)
    except InputError as refused:
        assert str(refused)
    else:
        assert read(rule_line.write(rule)) == rule


@pytest.mark.parametrize(
    ("line", "written"),
    [
        ("NSE:INFY rolling 2.50% 300s up", "NSE:INFY rolling up 2.5% 5m"),
        ("nse:infy level both 1500 every", "NSE:INFY level 1500.00"),
        ("watchlist day 4% once cooldown 8h", "watchlist day 4% once"),
    ],
)
def test_what_goes_without_saying_is_not_written(line: str, written: str) -> None:
    assert rule_line.write(read(line)) == written
