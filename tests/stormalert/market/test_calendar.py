import json
from datetime import date, datetime
from typing import Any

import pytest

from stormalert.errors import InputError
from stormalert.market.calendar import BUILT_IN, Segment, TradingSessions, read_calendar
from stormalert.units import IST

INFY, BHEL, NIFTY, USDINR = 408065, 112129, 256265, (1_000 << 8) | 3


def at(moment: str) -> int:
    return int(datetime.fromisoformat(moment).replace(tzinfo=IST).timestamp() * 1_000)


@pytest.mark.parametrize(
    ("token", "moment", "is_open"),
    [
        (INFY, "2026-07-31 09:14:59", False),
        (INFY, "2026-07-31 09:15:00", True),
        (INFY, "2026-07-31 15:29:59", True),
        (INFY, "2026-07-31 15:30:01", False),
        # With the closing auction, a stock that underlies derivatives stops at 15:15, the others do not.
        (INFY, "2026-08-03 15:15:00", True),
        (INFY, "2026-08-03 15:15:01", False),
        (BHEL, "2026-08-03 15:29:00", True),
        (NIFTY, "2026-08-03 15:34:00", True),
        (USDINR, "2026-08-03 09:05:00", True),
        # A Saturday, a holiday, and Diwali's evening hour on a Sunday.
        (INFY, "2026-11-21 11:00:00", False),
        (INFY, "2026-11-24 11:00:00", False),
        (INFY, "2026-11-08 18:30:00", True),
        (INFY, "2026-11-08 11:00:00", False),
        # The pre-open's one print.
        (INFY, "2026-11-23 09:08:00", False),
    ],
)
def test_knows_when_an_instrument_trades_continuously(token: int, moment: str, is_open: bool) -> None:
    assert TradingSessions(auctioned=frozenset((INFY,))).is_open(token, at(moment)) is is_open


def test_turns_from_day_to_day_and_back() -> None:
    sessions = TradingSessions()
    moments = ["2026-11-20 11:00:00", "2026-11-21 11:00:00", "2026-11-23 11:00:00", "2026-11-20 11:00:00"]
    assert [sessions.is_open(INFY, at(moment)) for moment in moments] == [True, False, True, True]


@pytest.mark.parametrize(
    ("segments", "moment", "opens"),
    [
        ({INFY & 0xFF}, "2026-11-23 06:00:00", "2026-11-23 09:15:00"),
        ({INFY & 0xFF, USDINR & 0xFF}, "2026-11-23 06:00:00", "2026-11-23 09:00:00"),
        # While trading is on, when it began.
        ({INFY & 0xFF}, "2026-11-23 15:29:59", "2026-11-23 09:15:00"),
        # Tuesday the 24th is a holiday.
        ({INFY & 0xFF}, "2026-11-23 15:30:00", "2026-11-25 09:15:00"),
        ({INFY & 0xFF}, "2026-11-21 11:00:00", "2026-11-23 09:15:00"),
        ({INFY & 0xFF, USDINR & 0xFF}, "2026-11-23 16:00:00", "2026-11-23 09:00:00"),
        ({INFY & 0xFF}, "2026-11-08 11:00:00", "2026-11-08 18:00:00"),
    ],
)
def test_knows_when_trading_began_or_begins(segments: set[int], moment: str, opens: str) -> None:
    assert TradingSessions().opens_ms(segments, at(moment)) == at(opens)


def test_without_hours_trading_begins_after_all_that_is_known() -> None:
    assert TradingSessions().opens_ms({250}, at("2026-11-23 11:00:00")) == at("2026-12-07 11:00:00")


@pytest.mark.parametrize(
    ("day", "missing"), [("2026-11-30", None), ("2026-12-01", 2027), ("2027-01-01", 2027), ("2031-12-31", 2031)]
)
def test_tells_a_year_without_holidays_a_month_ahead(day: str, missing: int | None) -> None:
    assert BUILT_IN.missing_year(date.fromisoformat(day)) == missing


def open_at(moment: str, token: int = INFY, **overrides: Any) -> bool:
    return TradingSessions(frozenset((INFY,)), read_calendar(json.dumps(overrides))).is_open(token, at(moment))


def test_an_admins_holidays_stand_in_the_place_of_the_years_own() -> None:
    assert not open_at("2026-11-25 11:00:00", holidays=["2026-11-25"])
    assert open_at("2026-11-24 11:00:00", holidays=["2026-11-25"])
    assert not open_at("2026-11-24 11:00:00", holidays=["2027-01-26"])
    assert read_calendar('{"holidays": ["2027-01-26"]}').missing_year(date(2027, 5, 5)) is None


def test_a_holiday_may_be_one_of_some_segments() -> None:
    holidays = [{"day": "2027-03-22", "segments": ["CDS"]}]
    assert open_at("2027-03-22 11:00:00", holidays=holidays)
    assert not open_at("2027-03-22 11:00:00", USDINR, holidays=holidays)


def test_an_admins_special_sessions_open_a_closed_day_as_often_as_there_are() -> None:
    special = [
        {"day": "2026-11-28", "opens": "11:30", "closes": "12:30", "segments": ["NSE"]},
        {"day": "2026-11-28", "opens": "09:15", "closes": "10:00", "segments": ["NSE"]},
    ]
    moments = ("09:30", "10:30", "12:00", "13:00")
    assert [open_at(f"2026-11-28 {moment}:00", special=special) for moment in moments] == [True, False, True, False]
    assert not open_at("2026-11-28 12:00:00", USDINR, special=special)


def test_an_admins_hours_count_from_their_day_on() -> None:
    hours = [{"since": "2026-12-01", "segments": ["NSE", "BSE"], "opens": "09:15", "closes": "15:45"}]
    assert not open_at("2026-11-30 15:40:00", hours=hours)
    assert open_at("2026-12-01 15:40:00", hours=hours)
    assert not open_at("2026-12-01 15:40:00", BHEL, hours=[hours[0] | {"auctioned": True}])


def test_another_calendar_is_used_from_the_next_packet_on() -> None:
    sessions = TradingSessions()
    assert sessions.is_open(INFY, at("2026-11-25 11:00:00"))
    sessions.use(read_calendar('{"holidays": ["2026-11-25"]}'))
    assert not sessions.is_open(INFY, at("2026-11-25 11:00:00"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "Invalid JSON"),
        ("[]", "should be an object"),
        ('{"weekdays": 5}', "weekdays: extra inputs are not permitted, was 5"),
        ('{"holidays": ["26 January"]}', "holidays.0.day: expected a day such as 2027-01-26, was '26 January'"),
        ('{"holidays": [5]}', "holidays.0: "),
        ('{"holidays": [{"day": "2027-01-26", "segments": [[]]}]}', "expected segments of NSE, NFO"),
        ('{"hours": [{"segments": ["LSE"], "opens": "09:15", "closes": "15:30"}]}', "expected segments of NSE, NFO"),
        (
            '{"special": [{"day": "2027-01-26", "opens": "9", "closes": "10:00"}]}',
            "expected a time of day in India such as 09:15",
        ),
        ('{"special": [{"day": "2027-01-26", "opens": "11:00", "closes": "10:00"}]}', "opens must be before closes"),
    ],
)
def test_a_bad_calendar_is_refused_with_what_was_expected(text: str, problem: str) -> None:
    with pytest.raises(InputError) as refused:
        read_calendar(text)
    assert problem in str(refused.value)


def test_a_segment_tells_whether_it_trades_and_when_that_changes() -> None:
    sessions = TradingSessions()
    assert sessions.turn(Segment.NSE, at("2026-11-23 10:00")) == (True, at("2026-11-23 15:30"))
    # A Friday's evening is followed by Monday.
    assert sessions.turn(Segment.NSE, at("2026-11-27 18:00")) == (False, at("2026-11-30 09:15"))
