"""Alerts beyond a user's hour, told together: one message a channel and a few minutes.

A summary is known by its channel and its minutes, so whoever makes it finds the same one; its alerts are the deliveries in the
store that name it and are still queued.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence

from stormalert.model import Alert, Delivery
from stormalert.units import SECOND_MS
from workers import render
from workers.render import Message

# More would not be read; what is left out is in the history.
MOST_LINES = 12
MOST_SYMBOLS = 20

Told = Sequence[tuple[Delivery, Alert]]


def summary_id(channel: str, now_ms: int, every_ms: int) -> str:
    """Of the summary that takes what fires now."""
    return f"sum-{channel}-{now_ms // every_ms}"


def is_due(summary: str, now_ms: int, every_ms: int) -> bool:
    """Whether its minutes are over."""
    return int(summary.rpartition("-")[2]) < now_ms // every_ms


def message_id(summary: str, told: Told) -> str:
    """The same for the same alerts, so that what went out before its worker died is recognised."""
    names = " ".join(sorted(delivery.id for delivery, _ in told))
    return f"{summary}-{hashlib.blake2s(names.encode(), digest_size=6).hexdigest()}"


def message(delivery: str, told: Told, *, now_ms: int, useful_ms: int, channel: str = "") -> Message:
    """One line an instrument and direction with its newest price, newest first."""
    newest_first = sorted(told, key=lambda each: each[1].time_ms, reverse=True)
    times = Counter((alert.symbol, alert.direction) for _, alert in told)
    lines: dict[tuple[str, str], str] = {}
    for each, alert in newest_first:
        key = (alert.symbol, alert.direction)
        if key not in lines:
            age_ms = now_ms - each.queued_ms
            line = render.message(each.id, alert, now_ms=now_ms, age_ms=0, useful_ms=useful_ms).headline
            line += f" · {times[key]} times" if times[key] > 1 else ""
            lines[key] = f"{line} · old: fired {render.age(age_ms)} ago" if age_ms >= useful_ms else line
    shown, left_out = list(lines.values())[:MOST_LINES], list(lines)[MOST_LINES:]
    if left_out:
        symbols = list(dict.fromkeys(" ".join(symbol.split()) for symbol, _ in left_out))
        more = ", ".join(symbols[:MOST_SYMBOLS]) + (", …" if len(symbols) > MOST_SYMBOLS else "")
        shown.append(f"and {len(left_out)} more: {more}")
    count = f"{len(told)} more alerts" if len(told) > 1 else "1 more alert"
    youngest_ms = min(now_ms - each.queued_ms for each, _ in told)
    useful_s = max(1, (useful_ms - youngest_ms) // SECOND_MS)
    return Message(delivery, f"{count} in the last minutes", "\n".join(shown), useful_s=useful_s, channel=channel, gap="\n")
