from datetime import date, datetime

import pytest

from ingest.calendar import Sessions, is_known
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
    assert Sessions(auctioned=frozenset((INFY,))).is_open(token, at(moment)) is is_open


def test_turns_from_day_to_day_and_back() -> None:
    sessions = Sessions()
    moments = ["2026-11-20 11:00:00", "2026-11-21 11:00:00", "2026-11-23 11:00:00", "2026-11-20 11:00:00"]
    assert [sessions.is_open(INFY, at(moment)) for moment in moments] == [True, False, True, True]


def test_tells_a_year_without_holidays() -> None:
    assert is_known(date(2026, 1, 1))
    assert not is_known(date(2031, 1, 1))
