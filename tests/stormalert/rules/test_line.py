from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormalert.errors import InputError
from stormalert.model import Instrument, Rule
from stormalert.rules import line as rule_line
from stormalert.rules.kinds.fields import COOLDOWN
from stormalert.units import HOUR_MS, MINUTE_MS

from .conditions import conditions

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
        ("NSE:INFY rolling 2% 5 min cooldown 1 hour", {"window_ms": 5 * MINUTE_MS, "cooldown_ms": HOUR_MS}),
        ("NSE:INFY level Rs. 1,23,456.50", {"price_e4": 1_234_565_000}),
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
        ("", "''", "rolling, trailing, "),
        ("NSE:INFY", "'NSE:INFY'", "rolling, trailing, "),
        ("NSE:INFY falls 2% 5m", "'NSE:INFY falls 2% 5m'", "rolling, trailing, "),
        ("rolling 2% 5m", "nothing in the place of an instrument", "NSE:INFY"),
        ("INFY rolling 2% 5m", "'INFY'", "exchange and symbol"),
        ("NSE:INFI rolling 2% 5m", "'NSE:INFI'", "one that Kite lists"),
        ("NSE:INFY rolling 2% 5m 3%", "'3%'", "one only"),
        ("NSE:INFY rolling 2% 5m 10m", "'10m'", "one only"),
        ("NSE:INFY rolling up down 2% 5m", "'down'", "one only"),
        ("NSE:INFY rolling 2% 5m sometimes", "'sometimes'", "up, down, both, every, once"),
        ("NSE:INFY rolling -2% 5m", "'-2%'", "above 0 and at most 1000"),
        ("NSE:INFY rolling 2% within 5m", "'within'", "expected"),
        ("NSE:INFY level 5%", "'5%'", "price"),
        ("NSE:INFY trailing 2% cooldown", "nothing after cooldown", "10m"),
        ("NSE:INFY trailing 2% cooldown long", "'long'", "10m"),
        ("NSE:INFY rolling ٢% 5m", "'٢%'", "a decimal number"),
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
    cooldown_ms = draw(st.none() | st.integers(0, COOLDOWN.most))
    return Rule(id="r1", user="u1", cooldown_ms=cooldown_ms, **draw(conditions(list(LISTED.values()))))


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
