import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormalert.errors import InputError
from stormalert.units import (
    PRICE_MAX_E4,
    format_duration,
    format_percent,
    format_price,
    parse_duration_ms,
    parse_epoch_ms,
    parse_percent_e2,
    parse_price_e4,
)


@pytest.mark.parametrize(
    ("text", "price_e4"),
    [
        ("1384.55", 13_845_500),
        ("100", 1_000_000),
        ("0.0525", 525),
        (" 7.1 ", 71_000),
        ("0.0001", 1),
        ("+5", 50_000),
        ("1,384.55", 13_845_500),
        ("12,34,567.5", 12_345_675_000),
        ("1,234,567", 12_345_670_000),
        ("₹ 1,500", 15_000_000),
        ("Rs.1500", 15_000_000),
        ("INR 1500", 15_000_000),
    ],
)
def test_reads_rupees_exactly(text: str, price_e4: int) -> None:
    assert parse_price_e4(text) == price_e4


@pytest.mark.parametrize(
    "text", ["", "abc", "0", "-1", "1.00001", "NaN", "Infinity", "-Infinity", "8000000.0001", "1e3", "15rs00", "₹", "₹₹5"]
)
def test_refuses_what_is_not_a_price_and_says_what_it_was(text: str) -> None:
    with pytest.raises(InputError, match="price"):
        parse_price_e4(text)


@pytest.mark.parametrize(
    ("text", "guess"),
    [
        ("1500,50", "1500.50"), ("1.500,50", "1500.50"), ("1,50", "1.50"), ("1,5,0,0", "1500"), ("1,2345", "12345"),
        ("12,34,56", "123456"), ("1,500.", "1500"),
    ],
)  # fmt: skip
def test_a_false_grouping_is_refused_with_the_number_that_it_may_be(text: str, guess: str) -> None:
    with pytest.raises(InputError, match=f"such as {re.escape(guess)}, was {re.escape(repr(text))}"):
        parse_price_e4(text)


@given(st.integers(1, PRICE_MAX_E4))
def test_a_price_survives_being_written_and_read(price_e4: int) -> None:
    assert parse_price_e4(format_price(price_e4)) == price_e4


@pytest.mark.parametrize(
    ("price_e4", "text"),
    [(13_845_500, "1384.55"), (1_000_000, "100.00"), (525, "0.0525"), (530, "0.053"), (1_005_000, "100.50")],
)
def test_writes_two_decimals_or_as_many_as_the_price_has(price_e4: int, text: str) -> None:
    assert format_price(price_e4) == text


@pytest.mark.parametrize(("text", "percent_e2"), [("2", 200), ("0.25", 25), ("1.5%", 150), ("1000", 100_000)])
def test_reads_percents_exactly(text: str, percent_e2: int) -> None:
    assert parse_percent_e2(text) == percent_e2
    assert parse_percent_e2(format_percent(percent_e2)) == percent_e2


@pytest.mark.parametrize("text", ["0", "-2", "0.001", "two", "1000.01", "٢", ""])
def test_refuses_what_is_not_a_percent(text: str) -> None:
    with pytest.raises(InputError, match="percent"):
        parse_percent_e2(text)


@pytest.mark.parametrize(
    ("text", "duration_ms"),
    [("300s", 300_000), ("5m", 300_000), ("1h", 3_600_000), ("250ms", 250), ("5 Min", 300_000), ("2hrs", 7_200_000)],
)
def test_reads_durations(text: str, duration_ms: int) -> None:
    assert parse_duration_ms(text) == duration_ms
    assert parse_duration_ms(format_duration(duration_ms)) == duration_ms


@pytest.mark.parametrize("text", ["", "5", "-5s", "1.5h", "5 days", "٥m"])
def test_refuses_what_is_not_a_duration(text: str) -> None:
    with pytest.raises(InputError, match="duration"):
        parse_duration_ms(text)


@pytest.mark.parametrize(("text", "time_ms"), [("0", 0), (" 1795405500000 ", 1_795_405_500_000), ("9" * 14, 10**14 - 1)])
def test_reads_moments(text: str, time_ms: int) -> None:
    assert parse_epoch_ms(text, "armed_at") == time_ms


@pytest.mark.parametrize("text", ["", "-1", "1.5", "noon", "²", "٥", "1" * 15])
def test_refuses_what_is_not_a_moment_and_names_what_it_was_for(text: str) -> None:
    with pytest.raises(InputError, match="armed_at must be epoch milliseconds"):
        parse_epoch_ms(text, "armed_at")
