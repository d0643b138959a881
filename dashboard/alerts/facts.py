"""What there is to say of one alert: what it was measured from, how far it went, and what became of its messages. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from dashboard import texts
from dashboard.chart import PriceLine, levels
from stormalert import channels as kinds
from stormalert import words
from stormalert.model import Alert, Channel, Delivery, DeliveryState, Direction
from stormalert.rules.kinds import KINDS
from stormalert.units import MINUTE_MS, SECOND_MS, format_percent

_STATES = {
    # Again: the first time it is said to be queued.
    DeliveryState.QUEUED: "waits",
    DeliveryState.SENT: "sent",
    DeliveryState.DELIVERED: "delivered",
    DeliveryState.READ: "read",
    DeliveryState.FAILED: "failed",
    DeliveryState.SUPPRESSED: "held back",
}


class HistoryStep(NamedTuple):
    """`time_ms`: 0 where there was no moment."""

    time_ms: int
    text: str


class DeliveryHistory(NamedTuple):
    """What became of an alert on one channel; `state`: one of a delivery's, or absent."""

    channel: str
    address: str
    state: str
    steps: tuple[HistoryStep, ...]


def threshold_e4(alert: Alert) -> int:
    """The first price at which the rule fires from that reference."""
    if KINDS[alert.kind].is_at_price:
        return alert.reference_e4
    # As the engine compares: price x 10,000 with reference x (10,000 + percent), in whole numbers.
    if alert.direction is Direction.UP:
        return -(-alert.reference_e4 * (10_000 + alert.percent_e2) // 10_000)
    return alert.reference_e4 * (10_000 - alert.percent_e2) // 10_000


def moved(alert: Alert) -> str:
    """How far the price was from the reference: +2.13 %."""
    return f"{'-' if alert.price_e4 < alert.reference_e4 else '+'}{format_percent(alert.moved_e2)} %"


def reference(alert: Alert) -> str:
    return levels.reference(alert.kind, texts.side(alert), alert.window_ms)


def facts(alert: Alert) -> list[tuple[str, str]]:
    found = [
        (reference(alert), texts.rupees(alert.reference_e4)),
        ("Fires from", texts.rupees(threshold_e4(alert))),
        ("Price", texts.rupees(alert.price_e4)),
        ("Moved", moved(alert)),
    ]
    if KINDS[alert.kind].has_percent:
        found.append(("Asked for", texts.percent(alert.percent_e2)))
    if alert.window_ms:
        found.append(("Within", words.duration(alert.window_ms)))
    return found


def lines(alert: Alert) -> list[PriceLine]:
    found = [PriceLine(alert.price_e4, "Fired", texts.side(alert))]
    if threshold_e4(alert) != alert.price_e4:
        found.append(PriceLine(threshold_e4(alert), "Threshold", texts.side(alert)))
    if not KINDS[alert.kind].is_at_price:
        found.append(PriceLine(alert.reference_e4, reference(alert), "reference"))
    return found


def histories(alert: Alert, deliveries: Sequence[Delivery], channels: Sequence[Channel]) -> list[DeliveryHistory]:
    """By channel, those that were tried first; each in order of time."""
    addresses = {channel.id: kinds.shown(channel) for channel in channels}
    tried = sorted(deliveries, key=lambda it: (it.queued_ms, it.id))
    found = [
        DeliveryHistory(texts.CHANNEL_NAMES[it.channel_kind], addresses.get(it.channel, ""), it.state, _steps(alert, it))
        for it in tried
    ]
    for channel in texts.without(deliveries, channels):
        step = HistoryStep(0, f"not sent: {texts.why_not_sent(channel)}")
        found.append(DeliveryHistory(texts.CHANNEL_NAMES[channel.kind], kinds.shown(channel), "absent", (step,)))
    return found


def outcome(found: Sequence[DeliveryHistory]) -> str:
    """What became of it in one sentence."""
    if not found:
        return "You had no channel, so nothing was sent. Add one under Channels."
    out = [it.channel for it in found if it.state in ("sent", "delivered", "read")]
    waiting = [it.channel for it in found if it.state == "queued"]
    if not out:
        return f"Still on its way: {', '.join(waiting)}." if waiting else "No channel brought it to you; each says why."
    told = [f"It went out by {', '.join(out)}."]
    if waiting:
        told.append("1 other is still on its way." if len(waiting) == 1 else f"{len(waiting)} others are still on their way.")
    if missed := len(found) - len(out) - len(waiting):
        told.append(f"{words.count_of(missed, 'other')} did not send it.")
    return " ".join(told)


def _steps(alert: Alert, it: Delivery) -> tuple[HistoryStep, ...]:
    """Since it was queued, in order of time."""
    states = [(past.state, past.time_ms, past.reason) for past in it.past] + [(it.state, it.updated_ms, it.reason)]
    queued, *later = states if states[0][0] is DeliveryState.QUEUED else [(DeliveryState.QUEUED, 0, ""), *states]
    steps = [HistoryStep(it.queued_ms, f"queued{_why(queued[2])}")]
    steps += [
        HistoryStep(time_ms, f"{_STATES[state]}{_after(alert, state, time_ms)}{_why(reason)}")
        for state, time_ms, reason in later
    ]
    if it.state is DeliveryState.QUEUED and it.due_ms:
        steps.append(HistoryStep(0, f"due {words.clock(it.due_ms)}"))
    if it.attempts > 1:
        steps.append(HistoryStep(0, f"{it.attempts} attempts in all"))
    return tuple(steps)


def _why(reason: str) -> str:
    return f": {reason.replace('_', ' ')}" if reason else ""


def _after(alert: Alert, state: DeliveryState, time_ms: int) -> str:
    took_ms = time_ms - alert.time_ms
    return f", {took_ms / SECOND_MS:.1f} s after the tick" if state is DeliveryState.SENT and 0 <= took_ms < MINUTE_MS else ""
