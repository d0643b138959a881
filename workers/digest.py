"""Alerts that are told together in one message: those beyond a user's hour, those of a burst, those of quiet hours.

A digest is known by why, by its channel and by when it is due, so whoever makes it finds the same one; its alerts are the
deliveries in the store that name it and are still queued. Left out of a message is only what the same line says already: an
instrument's older alerts in the same direction, which are counted, and what is too much to list, which is named.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum

from stormalert import words
from stormalert.model import Alert, Delivery, Direction
from stormalert.units import SECOND_MS
from workers import render
from workers.render import Message

# More would not be read; what is left out is in the history.
MOST_LINES = 12
MOST_SYMBOLS = 20

Told = Sequence[tuple[Delivery, Alert]]


class Why(StrEnum):
    """Why alerts are told together; ids of digests begin with it."""

    HOUR = "sum"
    BURST = "burst"
    QUIET = "quiet"


_HEADLINES = {
    Why.HOUR: "{count} more {alerts} in the last minutes",
    Why.BURST: "{count} {alerts} at once",
    Why.QUIET: "{count} {alerts} in your quiet hours",
}


def digest_id(why: Why, channel: str, due_ms: int) -> str:
    return f"{why}-{channel}-{due_ms}"


def due_after(now_ms: int, every_ms: int) -> int:
    """When the digest is due that takes what fires now: the end of the minutes that it is in."""
    return (now_ms // every_ms + 1) * every_ms


def why_of(digest: str) -> Why:
    name = digest.partition("-")[0]
    return Why(name)


def message_id(digest: str, told: Told) -> str:
    """The same for the same alerts, so that what went out before its worker died is recognised."""
    names = " ".join(sorted(delivery.id for delivery, _ in told))
    return f"{digest}-{hashlib.blake2s(names.encode(), digest_size=6).hexdigest()}"


def message(delivery: str, told: Told, why: Why, *, now_ms: int, useful_ms: int, channel: str = "") -> Message:
    """One line an instrument and direction with its newest price; a burst's top movers first, else the newest."""
    newest_first = sorted(told, key=lambda each: each[1].time_ms, reverse=True)
    times = Counter((alert.symbol, alert.direction) for _, alert in told)
    newest: dict[tuple[str, Direction], tuple[Delivery, Alert]] = {}
    for each, alert in newest_first:
        newest.setdefault((alert.symbol, alert.direction), (each, alert))
    if why is Why.BURST:
        newest = dict(sorted(newest.items(), key=lambda item: -_move(item[1][1])))
    lines = []
    for key, (each, alert) in list(newest.items())[:MOST_LINES]:
        age_ms = now_ms - each.queued_ms
        line = render.message(each.id, alert, now_ms=now_ms, age_ms=0, useful_ms=useful_ms).headline
        line += f" · {times[key]} times" if times[key] > 1 else ""
        if why is Why.QUIET:
            line += f" · {words.clock(alert.time_ms, now_ms)}"
        elif age_ms >= useful_ms:
            line += f" · old: fired {render.age(age_ms)} ago"
        lines.append(line)
    if left_out := list(newest)[MOST_LINES:]:
        symbols = list(dict.fromkeys(" ".join(symbol.split()) for symbol, _ in left_out))
        more = ", ".join(symbols[:MOST_SYMBOLS]) + (", …" if len(symbols) > MOST_SYMBOLS else "")
        lines.append(f"and {len(left_out)} more: {more}")
    headline = _HEADLINES[why].format(count=len(told), alerts="alerts" if len(told) > 1 else "alert")
    youngest_ms = min(now_ms - each.queued_ms for each, _ in told)
    # What waited for the end of quiet hours is news to its reader.
    useful_s = max(1, (useful_ms if why is Why.QUIET else useful_ms - youngest_ms) // SECOND_MS)
    return Message(delivery, headline, "\n".join(lines), useful_s=useful_s, channel=channel, gap="\n")


def _move(alert: Alert) -> float:
    """How far it moved, as a share of where it came from."""
    return abs(alert.price_e4 - alert.reference_e4) / alert.reference_e4
