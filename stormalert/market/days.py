"""Days as the Indian market counts them: from midnight to midnight IST."""

from datetime import date, datetime, time

from stormalert.units import IST, now_ms


def ist(time_ms: int) -> datetime:
    """The moment by the clocks of India."""
    return datetime.fromtimestamp(time_ms / 1_000, IST)


def date_of(time_ms: int) -> date:
    """The day in India that the moment is of."""
    return ist(time_ms).date()


def midnight_ms(day: date) -> int:
    """When the day begins."""
    return int(datetime.combine(day, time(), IST).timestamp()) * 1_000


def day_began_ms(at_ms: int | None = None) -> int:
    """Midnight before that moment, or before now."""
    return midnight_ms(date_of(now_ms() if at_ms is None else at_ms))
