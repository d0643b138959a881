import re
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormalert import words
from stormalert.model import Mute, MuteScope
from stormalert.units import IST, PRICE_MAX_E4, parse_price_e4

MINUTE_MS = 60_000
INDIAN = re.compile(r"-?(\d{1,3}|\d{1,2}(,\d{2})*,\d{3})")


def ist_ms(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=IST).timestamp() * 1000)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1_000, "1,000"),
        (99_999, "99,999"),
        (100_000, "1,00,000"),
        (1_234_567, "12,34,567"),
        (123_456_789, "12,34,56,789"),
        (-100_000, "-1,00,000"),
        (-999, "-999"),
    ],
)
def test_digits_are_grouped_as_in_india(number: int, text: str) -> None:
    assert words.grouped(number) == text


@given(st.integers(-(10**18), 10**18))
def test_grouping_loses_no_digit_and_puts_every_comma_where_it_belongs(number: int) -> None:
    text = words.grouped(number)
    assert int(text.replace(",", "")) == number
    assert INDIAN.fullmatch(text)


@pytest.mark.parametrize(
    ("price_e4", "text"),
    [(12_345_678_000, "12,34,567.80"), (13_845_500, "1,384.55"), (525, "0.0525"), (1_000_000, "100.00")],
)
def test_prices_are_rupees(price_e4: int, text: str) -> None:
    assert words.price(price_e4) == text


@given(st.integers(1, PRICE_MAX_E4))
def test_a_price_on_a_screen_is_exactly_the_price(price_e4: int) -> None:
    text = words.price(price_e4)
    assert parse_price_e4(text.replace(",", "")) == price_e4
    assert INDIAN.fullmatch(text.partition(".")[0])


@pytest.mark.parametrize(
    ("duration_ms", "text"),
    [
        (45_000, "45 s"),
        (300_000, "5 min"),
        (90 * MINUTE_MS, "1 h 30 min"),
        (24 * 60 * MINUTE_MS, "24 h"),
        (3_661_000, "1 h 1 min 1 s"),
        (1_500, "1 s 500 ms"),
        (250, "250 ms"),
        (0, "none"),
    ],
)
def test_a_duration_is_told_exactly(duration_ms: int, text: str) -> None:
    assert words.duration(duration_ms) == text


def test_a_moment_is_in_india_and_has_a_date_only_when_it_is_not_today() -> None:
    now_ms = ist_ms(2026, 11, 23, 10, 0, 0)
    assert words.moment(ist_ms(2026, 11, 23, 9, 15, 2), now_ms) == "09:15:02"
    assert words.moment(ist_ms(2026, 11, 22, 9, 15, 2), now_ms) == "22 Nov 09:15:02"
    assert words.moment(ist_ms(2025, 1, 2, 9, 15, 2), now_ms) == "2 Jan 2025 09:15:02"
    # 00:30 in India is still yesterday in Greenwich.
    assert words.moment(ist_ms(2026, 11, 23, 0, 30, 0), now_ms) == "00:30:00"


def test_a_mute_says_of_what_and_until_when() -> None:
    now_ms, until_ms = ist_ms(2026, 11, 23, 10, 0, 0), ist_ms(2026, 11, 24, 14, 30, 59)
    snoozed = Mute.of("u1", MuteScope.INSTRUMENT, "408065", name="NSE:INFY", until_ms=until_ms)
    assert words.mute(snoozed, now_ms) == "snoozed NSE:INFY until 24 Nov 14:30 IST"
    assert words.mute(snoozed, until_ms) == "snoozed NSE:INFY until 14:30 IST"
    assert words.mute(Mute.of("u1", MuteScope.ALL)) == "muted all alerts"


@pytest.mark.parametrize(
    ("duration_ms", "text"),
    [
        (0, "1 s"),
        (45_999, "45 s"),
        (119_000, "1 min 59 s"),
        (3 * MINUTE_MS + 59_000, "3 min"),
        (125 * MINUTE_MS, "2 h 5 min"),
    ],
)
def test_rough_durations_are_as_exact_as_anybody_wants_to_know(duration_ms: int, text: str) -> None:
    assert words.rough_duration(duration_ms) == text


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        ("Asia/Kolkata", "24 Nov 01:30 IST"),
        ("Europe/London", "20:00 GMT"),
        ("Asia/Dubai", "24 Nov 00:00 Asia/Dubai"),
        ("America/New_York", "15:00 EST"),
    ],
)
def test_a_moment_to_come_is_told_by_the_clocks_of_a_zone(zone: str, text: str) -> None:
    now = ist_ms(2026, 11, 23, 23, 50)
    assert words.clock_in(zone, ist_ms(2026, 11, 24, 1, 30), now) == text
