"""When the Indian exchanges trade continuously, as data; what an admin adds to it comes from the store's settings.

    {"holidays": ["2027-01-26", {"day": "2027-03-22", "segments": ["MCX"]}],
     "special": [{"day": "2027-10-29", "opens": "18:00", "closes": "19:00", "segments": ["NSE", "BSE"]}],
     "hours": [{"since": "2027-04-01", "segments": ["NFO", "BFO"], "opens": "09:15", "closes": "15:40"}]}

The holidays of a year stand in the place of those built in; special sessions and hours are added. Without `segments` a row is
about all; `"auctioned": true` or `false` narrows hours to stocks that do or do not underlie derivatives.
"""

from collections.abc import Sequence, Set
from datetime import date, datetime, time, timedelta
from enum import IntEnum
from typing import Annotated, Any, NamedTuple, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from stormalert.errors import InputError
from stormalert.market.days import date_of, day_began_ms, midnight_ms
from stormalert.model import sentences


class Segment(IntEnum):
    """Of an exchange; the low byte of Kite's instrument tokens."""

    NSE = 1
    NFO = 2
    CDS = 3
    BSE = 4
    BFO = 5
    BCD = 6
    MCX = 7
    MCXSX = 8
    INDICES = 9
    NCO = 12


ALL = frozenset(Segment)
DAY_MS = 86_400_000
# Longer than the exchanges have ever been closed.
LOOK_AHEAD_DAYS = 14


def _segments(names: object) -> object:
    if not isinstance(names, list) or not names:
        raise ValueError(f"expected a list of {', '.join(segment.name for segment in Segment)}")
    if not all(isinstance(name, str) and name in Segment.__members__ for name in names):
        raise ValueError(f"expected segments of {', '.join(segment.name for segment in Segment)}")
    return frozenset(Segment[name] for name in names)


def _clock(text: object) -> object:
    if isinstance(text, time):
        return text
    try:
        return datetime.strptime(str(text), "%H:%M").time()
    except ValueError:
        raise ValueError("expected a time of day in India such as 09:15") from None


def _date(text: object) -> object:
    if isinstance(text, date):
        return text
    try:
        return datetime.strptime(str(text), "%Y-%m-%d").date()
    except ValueError:
        raise ValueError("expected a day such as 2027-01-26") from None


Segments = Annotated[frozenset[Segment], BeforeValidator(_segments)]
Clock = Annotated[time, BeforeValidator(_clock)]
Day = Annotated[date, BeforeValidator(_date)]


class _SegmentRow(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    segments: Segments = ALL

    def covers(self, segment: int) -> bool:
        return segment in self.segments


class Holiday(_SegmentRow):
    day: Day

    @model_validator(mode="before")
    @classmethod
    def _of_all(cls, given: object) -> object:
        return {"day": given} if isinstance(given, str) else given


class _SpanRow(_SegmentRow):
    opens: Clock
    closes: Clock

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        if self.opens >= self.closes:
            raise ValueError(f"opens must be before closes, was {self.opens:%H:%M} and {self.closes:%H:%M}")
        return self


class Special(_SpanRow):
    """A session on a day that has hours of its own; several of one day are several sessions."""

    day: Day


class Hours(_SpanRow):
    """Continuous trading of every working day since `since`; a row further down goes before it."""

    since: Day = date.min
    auctioned: bool | None = None


class Overrides(BaseModel):
    """What an admin may say of the calendar."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    holidays: tuple[Holiday, ...] = Field(default=(), max_length=10_000)
    special: tuple[Special, ...] = Field(default=(), max_length=10_000)
    hours: tuple[Hours, ...] = Field(default=(), max_length=1_000)


class Span(NamedTuple):
    opens: time
    closes: time


class Calendar:
    """Rows of hours count from first to last: the last one that covers segment, stock and day says when."""

    def __init__(self, holidays: Sequence[Holiday], special: Sequence[Special], hours: Sequence[Hours]) -> None:
        self.years = frozenset(row.day.year for row in holidays)
        self._holidays, self._special, self._hours = tuple(holidays), tuple(special), tuple(hours)

    def spans_on(self, day: date, segment: int, is_auctioned: bool) -> list[Span]:
        """Continuous trading of a segment on a day. `is_auctioned`: the stock underlies derivatives."""
        if special := self.specials_on(day, segment):
            return sorted(Span(row.opens, row.closes) for row in special)
        if day.weekday() >= 5 or any(row.day == day and row.covers(segment) for row in self._holidays):
            return []
        rows = [
            row for row in self._hours if row.since <= day and row.covers(segment) and row.auctioned in (None, is_auctioned)
        ]
        return [Span(rows[-1].opens, rows[-1].closes)] if rows else []

    def holidays_of(self, year: int) -> list[Holiday]:
        return sorted((row for row in self._holidays if row.day.year == year), key=lambda row: row.day)

    def specials_on(self, day: date, segment: int) -> list[Special]:
        return [row for row in self._special if row.day == day and row.covers(segment)]

    def missing_year(self, today: date) -> int | None:
        """A year whose holidays nobody has entered: this one, or in December the next, which is told by then."""
        asked = [today.year] if today.month < 12 else [today.year, today.year + 1]
        return next((year for year in asked if year not in self.years), None)

    def with_overrides(self, added: Overrides) -> "Calendar":
        theirs = {row.day.year for row in added.holidays}
        kept = [row for row in self._holidays if row.day.year not in theirs]
        # An admin's session stands in the place of the built-in one of the same day.
        days = {row.day for row in added.special}
        special = [row for row in self._special if row.day not in days]
        return Calendar([*kept, *added.holidays], [*special, *added.special], [*self._hours, *added.hours])


_EQUITY = frozenset((Segment.NSE, Segment.BSE))
_DERIVATIVES = frozenset((Segment.NFO, Segment.BFO))
_INDICES = frozenset((Segment.INDICES,))
_CURRENCIES = frozenset((Segment.CDS, Segment.BCD))
_COMMODITIES = frozenset((Segment.MCX, Segment.MCXSX, Segment.NCO))
# Since then stocks that underlie futures and options leave continuous trading at 15:15 for the closing auction; indices are
# calculated until it has matched, and derivatives trade on.
_CLOSING_AUCTION = date(2026, 8, 3)


def _hours(segments: frozenset[Segment], opens: str, closes: str, **more: Any) -> Hours:
    return Hours(segments=[segment.name for segment in segments], opens=opens, closes=closes, **more)  # type: ignore[arg-type]


BUILT_IN = Calendar(
    [
        Holiday(day=date(2026, month, day))
        for month, day in (
            *((1, 15), (1, 26), (3, 3), (3, 26), (3, 31), (4, 3), (4, 14), (5, 1)),
            *((5, 28), (6, 26), (9, 14), (10, 2), (10, 20), (11, 10), (11, 24), (12, 25)),
        )
    ],
    # Diwali's Muhurat trading.
    [Special(day=date(2026, 11, 8), opens="18:00", closes="19:00")],  # type: ignore[arg-type]
    [
        _hours(_EQUITY | _DERIVATIVES | _INDICES, "09:15", "15:30"),
        _hours(_CURRENCIES, "09:00", "17:00"),
        _hours(_COMMODITIES, "09:00", "23:55"),
        _hours(_EQUITY, "09:15", "15:15", since=_CLOSING_AUCTION, auctioned=True),
        _hours(_DERIVATIVES, "09:15", "15:40", since=_CLOSING_AUCTION),
        _hours(_INDICES, "09:15", "15:35", since=_CLOSING_AUCTION),
    ],
)


def read_calendar(text: str | None) -> Calendar:
    """The built-in calendar with an admin's overrides. Raises InputError with every problem."""
    if not text:
        return BUILT_IN
    try:
        return BUILT_IN.with_overrides(Overrides.model_validate_json(text))
    except ValidationError as error:
        raise InputError("; ".join(sentences(error))) from None


class TradingSessions:
    """Answers `is_open` for every packet, so it keeps the open hours of the day as epoch milliseconds."""

    def __init__(self, auctioned: frozenset[int] = frozenset(), calendar: Calendar = BUILT_IN) -> None:
        self.auctioned = auctioned
        self._calendar = calendar
        self._day_ends_ms = 0
        self._spans: dict[tuple[int, bool], Sequence[tuple[int, int]]] = {}

    def use(self, calendar: Calendar) -> None:
        """From the next packet on."""
        self._calendar = calendar
        self._spans.clear()

    def is_open(self, token: int, time_ms: int) -> bool:
        """True from the opening second through the closing second, which still carries the session's last prints."""
        if not self._day_ends_ms - DAY_MS <= time_ms < self._day_ends_ms:
            self._turn_to_day_of(time_ms)
        key = (token & 0xFF, token in self.auctioned)
        spans = self._spans.get(key)
        if spans is None:
            spans = self._spans[key] = self._of_today(*key)
        # A loop, because any() with its generator takes three times as long.
        for opens_ms, closes_ms in spans:  # noqa: SIM110
            if opens_ms <= time_ms < closes_ms + 1_000:
                return True
        return False

    def opens_ms(self, segments: Set[int], time_ms: int) -> int:
        """When the trading that is on in one of the segments began, else when the next begins, within two weeks.

        A stock that leaves continuous trading earlier than others does not close its segment.
        """
        today = date_of(time_ms)
        for day in (today + timedelta(days=ahead) for ahead in range(LOOK_AHEAD_DAYS)):
            began_ms = midnight_ms(day)
            spans = sorted(span for each in segments for span in self._calendar.spans_on(day, each, False))
            for span in spans:
                if time_ms < began_ms + _of_day_ms(span.closes):
                    return began_ms + _of_day_ms(span.opens)
        return time_ms + LOOK_AHEAD_DAYS * DAY_MS

    def turn(self, segment: int, time_ms: int) -> tuple[bool, int]:
        """Whether a segment trades, and when that changes: its close, or its next opening within two weeks."""
        opens_ms = self.opens_ms({segment}, time_ms)
        if opens_ms > time_ms:
            return False, opens_ms
        day = date_of(opens_ms)
        closes = (midnight_ms(day) + _of_day_ms(span.closes) for span in self._calendar.spans_on(day, segment, False))
        return True, min(closes_ms for closes_ms in closes if closes_ms > time_ms)

    def _turn_to_day_of(self, time_ms: int) -> None:
        self._day_ends_ms = day_began_ms(time_ms) + DAY_MS
        self._spans.clear()

    def _of_today(self, segment: int, is_auctioned: bool) -> list[tuple[int, int]]:
        began_ms = self._day_ends_ms - DAY_MS
        spans = self._calendar.spans_on(date_of(began_ms), segment, is_auctioned)
        return [(began_ms + _of_day_ms(span.opens), began_ms + _of_day_ms(span.closes)) for span in spans]


def _of_day_ms(moment: time) -> int:
    return (moment.hour * 3_600 + moment.minute * 60) * 1_000
