"""How records read on the screens: Indian digits, IST, plain words."""

from collections.abc import Iterable, Mapping
from typing import Any

from stormalert import words
from stormalert.model import Alert, Channel, Delivery, DeliveryState, Direction, Kind, Repeat, Rule
from stormalert.rules.kinds import KINDS
from stormalert.units import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, short_percent

CHANNEL_NAMES = words.CHANNELS
KIND_NAMES = {kind: KINDS[kind].name for kind in Kind}
REPEAT_NAMES = {Repeat.EVERY: "Every time", Repeat.ONCE: "Once"}
_FEED_STATES = {
    "starting": "Starting",
    "login_needed": "Login needed",
    "connecting": "Connecting",
    "streaming": "Streaming",
    "stale": "Stale",
}
# Why a packet was not taken for a price, as ingest counts it.
_REFUSALS = {
    "price": "without a usable price",
    "closed": "outside the session",
    "cached": "cached, sent on subscription",
    "repeat": "repeats",
    "jump": "jumps that wait for a second print",
}


def rupees(price_e4: int) -> str:
    return f"₹{words.price(price_e4)}"


def percent(percent_e2: int) -> str:
    """0.5 %: without the zeros that say nothing."""
    return f"{short_percent(percent_e2)} %"


def condition(rule: Rule) -> str:
    """Falls 2 % within 5 min"""
    return (
        KINDS[rule.kind]
        .waits[rule.direction]
        .format(percent=percent(rule.percent_e2), price=rupees(rule.price_e4), window=words.duration(rule.window_ms))
    )


def repetition(rule: Rule) -> str:
    if rule.repeat is Repeat.ONCE:
        return "Once"
    return f"Every time, pause {words.duration(rule.cooldown_ms)}" if rule.cooldown_ms else "Every time"


def what_happened(alert: Alert) -> str:
    """Fell 2.13 % within 5 min"""
    return (
        KINDS[alert.kind]
        .happened[side(alert)]
        .format(percent=percent(alert.moved_e2), reference=rupees(alert.reference_e4), window=words.duration(alert.window_ms))
    )


def side(alert: Alert) -> Direction:
    return Direction.DOWN if alert.direction is Direction.DOWN else Direction.UP


def delivery(it: Delivery) -> str:
    """sent 09:15:02, read 09:15:09, or failed 09:15:02: address refused"""
    names = {DeliveryState.QUEUED: "on its way since", DeliveryState.SUPPRESSED: "held back"}
    name = "waiting since" if it.state is DeliveryState.QUEUED and it.due_ms else names.get(it.state, it.state.value)
    text = f"{name} {words.moment(it.updated_ms)}"
    attempts = f" ({it.attempts} attempts)" if it.attempts > 1 else ""
    return f"{text}{attempts}" + (f": {it.reason.replace('_', ' ')}" if it.reason else "")


def without(deliveries: Iterable[Delivery], channels: Iterable[Channel]) -> list[Channel]:
    """The channels that an alert was not for."""
    tried = {it.channel for it in deliveries}
    return [it for it in channels if it.id not in tried]


def why_not_sent(channel: Channel) -> str:
    """Of a channel that an alert has no delivery for."""
    if not channel.is_verified:
        return "it is not verified"
    if channel.is_on:
        return "it was off then, or was not there yet"
    return f"it was off{f' ({channel.reason})' if channel.reason else ''}"


def feed_state(state: str) -> str:
    return _FEED_STATES.get(state, state.capitalize() or "Unknown")


def refusals(feed: Mapping[str, str]) -> str:
    """Packets not taken for a price, by reason: 12 repeats, 3 outside the session."""
    counts = {name.removeprefix("refused_"): text for name, text in feed.items() if name.startswith("refused_")}
    return ", ".join(
        f"{words.grouped(int(count))} {_REFUSALS.get(name, name.replace('_', ' '))}"
        for name, count in sorted(counts.items(), key=lambda it: -int(it[1]))
        if int(count)
    )


def gap(it: Mapping[str, Any]) -> str:
    """14:02:11 to 14:02:17 (6 s): mute, 120 prices lost"""
    from_ms, to_ms = it["from_ms"], it["to_ms"]
    lasted = words.duration((to_ms - from_ms) // SECOND_MS * SECOND_MS) if to_ms - from_ms >= SECOND_MS else "under 1 s"
    lost = f", {words.grouped(it['lost'])} prices lost" if it["lost"] else ""
    return f"{words.moment(from_ms)} to {words.moment(to_ms)} ({lasted}): {it['reason']}{lost}"


def size(count: int) -> str:
    """512 B, 34 MB, 1.2 GB: as exact as anybody wants to know."""
    for unit, bytes_ in (("GB", 2**30), ("MB", 2**20), ("KB", 2**10)):
        if count >= bytes_:
            return f"{count / bytes_:.1f} {unit}" if count < 10 * bytes_ else f"{words.grouped(round(count / bytes_))} {unit}"
    return f"{count} B"


def lasted(duration_ms: int) -> str:
    """45 s, 12 min, 5 h, 3 days."""
    for most_ms, unit_ms, unit in ((MINUTE_MS, SECOND_MS, "s"), (HOUR_MS, MINUTE_MS, "min"), (2 * DAY_MS, HOUR_MS, "h")):
        if duration_ms < most_ms:
            return f"{duration_ms // unit_ms} {unit}"
    return f"{duration_ms // DAY_MS} days"
