from datetime import date

from stormalert.market.days import date_of, day_began_ms, midnight_ms

MIDNIGHT_MS = 1_699_986_600_000


def test_a_day_begins_at_midnight_in_india() -> None:
    assert midnight_ms(date(2023, 11, 15)) == MIDNIGHT_MS
    assert day_began_ms(1_700_000_040_000) == day_began_ms(MIDNIGHT_MS) == MIDNIGHT_MS


def test_the_last_millisecond_is_still_the_same_day() -> None:
    assert date_of(MIDNIGHT_MS - 1) == date(2023, 11, 14)
    assert date_of(MIDNIGHT_MS) == date(2023, 11, 15)
