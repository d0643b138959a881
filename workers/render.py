"""An alert in words that fit a phone's lock screen."""

from dataclasses import dataclass
from datetime import datetime

from stormalert.model import Alert, Direction, Kind
from stormalert.units import HOUR_MS, IST, MINUTE_MS, SECOND_MS, format_percent, format_price

# An alert that comes later than this after it fired says so.
LATE_MS = 2 * MINUTE_MS


@dataclass(frozen=True, slots=True)
class Message:
    """One alert for one channel; `headline` says what matters, `details` the rest."""

    delivery: str
    headline: str
    details: str
    # How long it is worth having; for providers that keep a message until the phone is reachable.
    useful_s: int

    @property
    def text(self) -> str:
        return f"{self.headline} {self.details}"


def message(delivery: str, alert: Alert, *, now_ms: int, age_ms: int, useful_ms: int) -> Message:
    """The message of a delivery: `age_ms` is how long ago the alert fired, `useful_ms` after how long it is no news."""
    symbol = " ".join(alert.symbol.split())
    headline = f"{_arrow(alert)} {symbol} {price(alert.price_e4)} · {alert.direction} {move(alert)} %"
    details = f"{_reference(alert)} · {moment(alert.time_ms, now_ms)}"
    if age_ms > LATE_MS:
        details += f" · late: fired {age(age_ms)} ago"
    return Message(delivery, headline, details, useful_s=max(1, (useful_ms - age_ms) // SECOND_MS))


def price(price_e4: int) -> str:
    """Rupees in Indian digit grouping: 12,34,567.50."""
    whole, _, fraction = format_price(price_e4).partition(".")
    head, tail = whole[:-3], whole[-3:]
    groups = [head[max(0, end - 2) : end] for end in range(len(head), 0, -2)][::-1]
    return f"{','.join([*groups, tail])}.{fraction}"


def move(alert: Alert) -> str:
    """The move in percent, exact, rounded half up to hundredths."""
    moved_e4 = abs(alert.price_e4 - alert.reference_e4)
    return format_percent((2 * moved_e4 * 10_000 + alert.reference_e4) // (2 * alert.reference_e4))


def duration(duration_ms: int) -> str:
    """In the largest unit that says it in whole numbers: 90 s, 5 min, 2 h."""
    for unit_ms, unit in ((HOUR_MS, "h"), (MINUTE_MS, "min")):
        if duration_ms >= unit_ms and duration_ms % unit_ms == 0:
            return f"{duration_ms // unit_ms} {unit}"
    return f"{duration_ms // SECOND_MS} s"


def age(age_ms: int) -> str:
    """Roughly, as people say it: 13 min, 2 h."""
    return f"{age_ms // MINUTE_MS} min" if age_ms < 2 * HOUR_MS else f"{age_ms // HOUR_MS} h"


def moment(time_ms: int, now_ms: int) -> str:
    """The time of day in India, with the date when that is another day."""
    then, now = (datetime.fromtimestamp(ms / SECOND_MS, IST) for ms in (time_ms, now_ms))
    day = "" if then.date() == now.date() else f"{then.day} {then:%b %Y} "
    return f"{day}{then:%H:%M:%S} IST"


def _arrow(alert: Alert) -> str:
    return "▲" if alert.direction is Direction.UP else "▼"


def _reference(alert: Alert) -> str:
    reference = price(alert.reference_e4)
    if alert.kind is Kind.ROLLING:
        return f"from {reference} in {duration(alert.window_ms)}"
    extreme = "low" if alert.direction is Direction.UP else "peak"
    noun = {Kind.TRAILING: f"its {extreme}", Kind.DAY: "the previous close", Kind.LEVEL: "the level"}[alert.kind]
    return f"from {noun} {reference}"
