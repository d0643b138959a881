"""The calendar as rows of tables, and the admin's part of it made of such rows again. Pure.

A year's holidays are shown whole, as they count, because those that an admin enters for a year stand in the place of all that
are built in for it; a table that was left as it was adds nothing.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import date, time, timedelta
from typing import Any

from stormalert.market.calendar import ALL, BUILT_IN, Calendar, Segment, read_calendar

Row = dict[str, Any]
SEGMENTS = [segment.name for segment in Segment]
# Of hours: which stocks they are about.
ALL_STOCKS, AUCTIONED, OTHERS = "all", "with a closing auction", "without one"
_STOCKS = {ALL_STOCKS: None, AUCTIONED: True, OTHERS: False}
_SHOWN = {"Stocks": Segment.NSE, "Derivatives": Segment.NFO, "Currencies": Segment.CDS, "Commodities": Segment.MCX}


def holiday_rows(text: str, year: int) -> list[Row]:
    return [{"day": it.day, "segments": _names(it.segments)} for it in read_calendar(text).holidays_of(year)]


def special_rows(text: str) -> list[Row]:
    return [
        {"day": date.fromisoformat(it["day"]), "opens": _time(it["opens"]), "closes": _time(it["closes"])}
        | {"segments": it.get("segments") or []}
        for it in _theirs(text)["special"]
    ]


def hours_rows(text: str) -> list[Row]:
    stocks = {meaning: name for name, meaning in _STOCKS.items()}
    return [
        {"since": date.fromisoformat(it["since"]) if it.get("since") else None}
        | {"opens": _time(it["opens"]), "closes": _time(it["closes"])}
        | {"stocks": stocks[it.get("auctioned")], "segments": it.get("segments") or []}
        for it in _theirs(text)["hours"]
    ]


def with_tables(
    text: str,
    year: int,
    holidays: Sequence[Mapping[str, Any]],
    special: Sequence[Mapping[str, Any]],
    hours: Sequence[Mapping[str, Any]],
) -> str:
    """The admin's part with these tables in it; empty when nothing is added to what is built in. Raises InputError."""
    kept = [it for it in _theirs(text)["holidays"] if not it["day"].startswith(f"{year:04d}-")]
    rows = [_row(it, "day") for it in holidays if it["day"] is not None]
    is_built_in = sorted(map(_key, holidays_of(BUILT_IN, year))) == sorted(map(_key, rows))
    found: Row = {
        "holidays": sorted([*kept, *([] if is_built_in else rows)], key=lambda it: str(it["day"])),
        "special": [_row(it, "day", "opens", "closes") for it in special if it["day"] is not None],
        "hours": [_hours(it) for it in hours if it["opens"] is not None or it["closes"] is not None],
    }
    made = json.dumps({name: rows for name, rows in found.items() if rows}) if any(found.values()) else ""
    # RequestRefused with every problem, before anything is saved.
    read_calendar(made)
    return made


def holidays_of(calendar: Calendar, year: int) -> list[Row]:
    return [_row({"day": it.day, "segments": _names(it.segments)}, "day") for it in calendar.holidays_of(year)]


def coming(calendar: Calendar, today: date, days: int) -> list[Row]:
    """What counts for each of the next days: hours of each market, or why it is closed."""
    found = []
    for day in (today + timedelta(days=ahead) for ahead in range(days)):
        hours = {name: _spans(calendar, day, segment) for name, segment in _SHOWN.items()}
        found.append({"Day": f"{day:%a} {day.day} {day:%b %Y}", **hours})
    return found


def _spans(calendar: Calendar, day: date, segment: Segment) -> str:
    spans = calendar.spans_on(day, segment, False)
    told = ", ".join(f"{span.opens:%H:%M}–{span.closes:%H:%M}" for span in spans)
    if calendar.specials_on(day, segment):
        return f"{told} (special)"
    if told:
        return told
    return "weekend" if day.weekday() >= 5 else "holiday"


def _theirs(text: str) -> dict[str, list[Row]]:
    """A holiday may be just a day."""
    given = json.loads(text) if text else {}
    holidays = [{"day": it} if isinstance(it, str) else it for it in given.get("holidays", [])]
    return {"holidays": holidays, "special": given.get("special", []), "hours": given.get("hours", [])}


def _row(it: Mapping[str, Any], *names: str) -> Row:
    found: Row = {name: _told(it[name]) for name in names}
    if segments := list(it.get("segments") or []):
        found["segments"] = segments
    return found


def _hours(it: Mapping[str, Any]) -> Row:
    found = _row(it, "opens", "closes")
    if it["since"] is not None:
        found["since"] = _told(it["since"])
    if (auctioned := _STOCKS.get(it["stocks"] or ALL_STOCKS)) is not None:
        found["auctioned"] = auctioned
    return found


def _told(it: date | time | None) -> str:
    # A cell that was left empty is told by what reads it.
    return "" if it is None else f"{it:%H:%M}" if isinstance(it, time) else f"{it:%Y-%m-%d}"


def _time(text: str) -> time:
    return time.fromisoformat(text)


def _names(segments: frozenset[Segment]) -> list[str]:
    """Empty for all of them."""
    return [] if segments == ALL else [segment.name for segment in sorted(segments)]


def _key(row: Row) -> tuple[str, list[str]]:
    return row["day"], sorted(row.get("segments", []))
