"""What became of an alert, as Telegram's HTML."""

from html import escape

from stormalert import words
from stormalert.model import Alert, Delivery, DeliveryState, Direction
from stormalert.units import format_percent

_FATES = {DeliveryState.QUEUED: "on its way since", DeliveryState.SUPPRESSED: "held back"}


def explained(alert: Alert, deliveries: list[Delivery]) -> str:
    arrow = "▲" if alert.direction is Direction.UP else "▼"
    head = f"{words.moment(alert.time_ms)} {arrow} <b>{escape(alert.symbol)}</b> {words.price(alert.price_e4)}"
    head += f" · {alert.direction} {format_percent(alert.moved_e2)} %"
    return "\n".join([head, *(_fate(it) for it in deliveries)] if deliveries else [head, "no channel was on"])


def _fate(it: Delivery) -> str:
    reason = f": {escape(it.reason)}" if it.reason else ""
    return f"{words.CHANNELS[it.channel_kind]} {_FATES.get(it.state, it.state.value)} {words.moment(it.updated_ms)}{reason}"
