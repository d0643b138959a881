"""An alert in words that fit a phone's lock screen."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from stormalert.model import Alert
from stormalert.notify import templates
from stormalert.units import HOUR_MS, MINUTE_MS, SECOND_MS

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
    # The channel's id: what is signed for one recipient is made of it.
    channel: str = ""
    # For channels that offer more than text; none for codes and tests.
    alert: Alert | None = None
    # The placeholders of templates with their texts.
    fields: Mapping[str, str] = field(default_factory=dict)
    # Between headline and details where the channel has no other way to part them.
    gap: str = " "
    # It comes without a sound, where the channel can do that.
    is_silent: bool = False

    @property
    def text(self) -> str:
        return f"{self.headline}{self.gap}{self.details}".strip()


def message(
    delivery: str, alert: Alert, *, now_ms: int, age_ms: int, useful_ms: int, channel: str = "", template: str = ""
) -> Message:
    """The message of a delivery: `age_ms` is how long ago the alert fired, `useful_ms` after how long it is no news.

    `template` is the reader's own, empty for the usual one.
    """
    fields = templates.fields_of(alert, now_ms)
    text = templates.fill(template, fields).strip()
    headline, _, details = (text or templates.fill(templates.DEFAULTS[alert.kind], fields)).partition("\n")
    if age_ms > LATE_MS:
        details = f"{details} · late: fired {age(age_ms)} ago".removeprefix(" · ")
    return Message(
        delivery,
        headline,
        details,
        useful_s=max(1, (useful_ms - age_ms) // SECOND_MS),
        channel=channel,
        alert=alert,
        fields=fields,
        gap="\n" if text else " ",
    )


def age(age_ms: int) -> str:
    """Roughly, as people say it: 13 min, 2 h."""
    return f"{age_ms // MINUTE_MS} min" if age_ms < 2 * HOUR_MS else f"{age_ms // HOUR_MS} h"


def cut(text: str, most: int) -> str:
    """The text within `most` UTF-16 units, as phones count; what is cut off is cut between words and says so."""
    if len(text.encode("utf-16-le")) <= 2 * most:
        return text
    # Half a pair of surrogates is left out.
    kept = text.encode("utf-16-le")[: 2 * (most - 1)].decode("utf-16-le", "ignore")
    words = kept.rpartition(" ")[0]
    return f"{words if len(words) > len(kept) // 2 else kept}…"
