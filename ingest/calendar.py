"""When the Indian exchanges trade continuously, as data."""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from ingest.decode import Segment
from stormalert.units import IST


class Hours(NamedTuple):
    opens: time
    closes: time


EQUITY = Hours(time(9, 15), time(15, 30))
# Since the closing auction, stocks that underlie futures and options leave continuous trading at 15:15.
EQUITY_BEFORE_AUCTION = Hours(time(9, 15), time(15, 15))
DERIVATIVES_WITH_AUCTION = Hours(time(9, 15), time(15, 40))
# Indices are calculated until the closing auction has matched.
INDICES_WITH_AUCTION = Hours(time(9, 15), time(15, 35))
CURRENCY = Hours(time(9, 0), time(17, 0))
COMMODITY = Hours(time(9, 0), time(23, 55))

CLOSING_AUCTION_SINCE = date(2026, 8, 3)

HOLIDAYS: Mapping[int, frozenset[date]] = {
    2026: frozenset(
        date(2026, month, day)
        for month, day in (
            *((1, 15), (1, 26), (3, 3), (3, 26), (3, 31), (4, 3), (4, 14), (5, 1)),
            *((5, 28), (6, 26), (9, 14), (10, 2), (10, 20), (11, 10), (11, 24), (12, 25)),
        )
    )
}
# Sessions on days that are otherwise closed: Diwali's Muhurat trading.
SPECIAL: Mapping[date, Hours] = {date(2026, 11, 8): Hours(time(18, 0), time(19, 0))}


def hours_on(day: date, segment: int, is_auctioned: bool) -> Hours | None:
    """Continuous trading of a segment on a day, None when there is none. `is_auctioned`: the stock underlies derivatives."""
    if day in SPECIAL:
        return SPECIAL[day]
    if day.weekday() >= 5 or day in HOLIDAYS.get(day.year, ()):
        return None
    has_auction = day >= CLOSING_AUCTION_SINCE
    if segment in (Segment.CDS, Segment.BCD):
        return CURRENCY
    if segment in (Segment.MCX, Segment.MCXSX, Segment.NCO):
        return COMMODITY
    if segment in (Segment.NFO, Segment.BFO):
        return DERIVATIVES_WITH_AUCTION if has_auction else EQUITY
    if segment == Segment.INDICES:
        return INDICES_WITH_AUCTION if has_auction else EQUITY
    return EQUITY_BEFORE_AUCTION if has_auction and is_auctioned else EQUITY


def is_known(day: date) -> bool:
    """False for a year whose holidays nobody has entered: then a holiday would look like a dead feed."""
    return day.year in HOLIDAYS


class Sessions:
    """Answers `is_open` for every packet, so it keeps the open hours of the day as epoch milliseconds."""

    def __init__(self, auctioned: frozenset[int] = frozenset()) -> None:
        self.auctioned = auctioned
        self._day_ends_ms = 0
        self._spans: dict[tuple[int, bool], tuple[int, int]] = {}

    def is_open(self, token: int, time_ms: int) -> bool:
        """True from the opening second through the closing second, which still carries the session's last prints."""
        if not self._day_ends_ms - 86_400_000 <= time_ms < self._day_ends_ms:
            self._turn_to_day_of(time_ms)
        key = (token & 0xFF, token in self.auctioned)
        if key not in self._spans:
            self._spans[key] = self._span(*key)
        opens_ms, closes_ms = self._spans[key]
        return opens_ms <= time_ms < closes_ms + 1_000

    def _turn_to_day_of(self, time_ms: int) -> None:
        midnight = datetime.fromtimestamp(time_ms / 1_000, IST).replace(hour=0, minute=0, second=0, microsecond=0)
        self._day_ends_ms = int((midnight + timedelta(days=1)).timestamp() * 1_000)
        self._spans.clear()

    def _span(self, segment: int, is_auctioned: bool) -> tuple[int, int]:
        midnight_ms = self._day_ends_ms - 86_400_000
        hours = hours_on(datetime.fromtimestamp(midnight_ms / 1_000, IST).date(), segment, is_auctioned)
        if hours is None:
            return (0, -1_000)
        return midnight_ms + _of_day_ms(hours.opens), midnight_ms + _of_day_ms(hours.closes)


def _of_day_ms(moment: time) -> int:
    return (moment.hour * 3_600 + moment.minute * 60) * 1_000
