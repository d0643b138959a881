"""An alert in words that fit a phone's lock screen."""

from dataclasses import dataclass

from stormalert import words
from stormalert.model import Alert, Direction, Kind
from stormalert.units import HOUR_MS, MINUTE_MS, SECOND_MS, format_percent

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
    # For channels that offer more than text; none for codes and tests.
    alert: Alert | None = None

    @property
    def text(self) -> str:
        return f"{self.headline} {self.details}"


def message(delivery: str, alert: Alert, *, now_ms: int, age_ms: int, useful_ms: int) -> Message:
    """The message of a delivery: `age_ms` is how long ago the alert fired, `useful_ms` after how long it is no news."""
    symbol = " ".join(alert.symbol.split())
    headline = f"{_arrow(alert)} {symbol} {words.price(alert.price_e4)} · {alert.direction} {move(alert)} %"
    details = f"{_reference(alert)} · {words.moment(alert.time_ms, now_ms)} IST"
    if age_ms > LATE_MS:
        details += f" · late: fired {age(age_ms)} ago"
    return Message(delivery, headline, details, useful_s=max(1, (useful_ms - age_ms) // SECOND_MS), alert=alert)


def move(alert: Alert) -> str:
    """The move in percent, exact, rounded half up to hundredths."""
    moved_e4 = abs(alert.price_e4 - alert.reference_e4)
    return format_percent((2 * moved_e4 * 10_000 + alert.reference_e4) // (2 * alert.reference_e4))


def age(age_ms: int) -> str:
    """Roughly, as people say it: 13 min, 2 h."""
    return f"{age_ms // MINUTE_MS} min" if age_ms < 2 * HOUR_MS else f"{age_ms // HOUR_MS} h"


def _arrow(alert: Alert) -> str:
    return "▲" if alert.direction is Direction.UP else "▼"


def _reference(alert: Alert) -> str:
    reference = words.price(alert.reference_e4)
    if alert.kind is Kind.ROLLING:
        return f"from {reference} in {words.duration(alert.window_ms)}"
    extreme = "low" if alert.direction is Direction.UP else "peak"
    noun = {Kind.TRAILING: f"its {extreme}", Kind.DAY: "the previous close", Kind.LEVEL: "the level"}[alert.kind]
    return f"from {noun} {reference}"
