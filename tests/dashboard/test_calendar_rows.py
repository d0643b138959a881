import json
from datetime import date, time

import pytest

from dashboard.admin.calendar_rows import (
    ALL_STOCKS,
    AUCTIONED,
    coming,
    holiday_rows,
    hours_rows,
    special_rows,
    with_tables,
)
from stormalert.errors import InputError
from stormalert.market.calendar import BUILT_IN, read_calendar

YEAR = 2026
WHOLE = json.dumps(
    {
        "holidays": ["2027-01-26", {"day": "2027-03-22", "segments": ["MCX"]}],
        "special": [{"day": "2027-10-29", "opens": "18:00", "closes": "19:00", "segments": ["NSE", "BSE"]}],
        "hours": [{"since": "2027-04-01", "segments": ["NFO"], "opens": "09:15", "closes": "15:40", "auctioned": True}],
    }
)


def test_tables_that_are_left_as_they_are_add_nothing_and_change_nothing() -> None:
    assert with_tables("", YEAR, holiday_rows("", YEAR), special_rows(""), hours_rows("")) == ""
    same = with_tables(WHOLE, 2027, holiday_rows(WHOLE, 2027), special_rows(WHOLE), hours_rows(WHOLE))
    assert with_tables(same, YEAR, holiday_rows(same, YEAR), special_rows(same), hours_rows(same)) == same
    for day in (date(2027, 1, 26), date(2027, 3, 22), date(2027, 10, 29), date(2027, 4, 5), date(2026, 12, 25)):
        for segment in (1, 2, 7):
            expected = read_calendar(WHOLE).spans_on(day, segment, True)
            assert read_calendar(same).spans_on(day, segment, True) == expected


def test_a_holiday_that_is_added_keeps_those_that_are_built_in_for_the_year() -> None:
    rows = [*holiday_rows("", YEAR), {"day": date(2026, 12, 1), "segments": []}]
    text = with_tables("", YEAR, rows, [], [])
    calendar = read_calendar(text)
    assert calendar.spans_on(date(2026, 12, 1), 1, False) == []
    assert calendar.spans_on(date(2026, 12, 25), 1, False) == []
    assert len(calendar.holidays_of(YEAR)) == len(BUILT_IN.holidays_of(YEAR)) + 1


def test_rows_are_read_as_days_times_and_names() -> None:
    assert holiday_rows(WHOLE, 2027) == [
        {"day": date(2027, 1, 26), "segments": []},
        {"day": date(2027, 3, 22), "segments": ["MCX"]},
    ]
    assert special_rows(WHOLE) == [
        {"day": date(2027, 10, 29), "opens": time(18), "closes": time(19), "segments": ["NSE", "BSE"]}
    ]
    assert hours_rows(WHOLE) == [
        {"since": date(2027, 4, 1), "opens": time(9, 15), "closes": time(15, 40), "stocks": AUCTIONED, "segments": ["NFO"]}
    ]


def test_a_row_that_makes_no_sense_is_refused_in_a_sentence() -> None:
    early = {"since": None, "opens": time(10), "closes": time(9), "stocks": ALL_STOCKS, "segments": []}
    with pytest.raises(InputError, match="opens must be before closes, was 10:00 and 09:00"):
        with_tables("", YEAR, holiday_rows("", YEAR), [], [early])
    half = {"day": date(2026, 12, 1), "opens": time(10), "closes": None, "segments": []}
    with pytest.raises(InputError, match="expected a time of day in India such as 09:15"):
        with_tables("", YEAR, holiday_rows("", YEAR), [half], [])


def test_the_coming_days_say_when_each_market_trades_or_why_it_does_not() -> None:
    days = coming(BUILT_IN, date(2026, 11, 6), 5)
    assert [it["Day"] for it in days] == [
        "Fri 6 Nov 2026",
        "Sat 7 Nov 2026",
        "Sun 8 Nov 2026",
        "Mon 9 Nov 2026",
        "Tue 10 Nov 2026",
    ]
    assert [it["Stocks"] for it in days] == ["09:15–15:30", "weekend", "18:00–19:00 (special)", "09:15–15:30", "holiday"]
    assert days[0]["Commodities"] == "09:00–23:55"
