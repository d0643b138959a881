"""How a channel fares, and what its owner can do when it does not: from what became of its newest messages."""

from collections.abc import Sequence

from dashboard import texts
from stormalert import channels
from stormalert.model import Channel, Delivery, DeliveryState
from stormalert.notify.alarms import Alarm
from stormalert.store import Store

# Alerts that are looked through for each channel's newest message.
LOOKED_AT = 10


def newest(store: Store, user: str) -> dict[str, Delivery]:
    """The newest message of each channel that was sent, or failed, among the user's last alerts."""
    found: dict[str, Delivery] = {}
    for alert in store.alerts_of(user, limit=LOOKED_AT):
        for delivery in store.deliveries_of(alert.id):
            if delivery.state.is_out or delivery.state is DeliveryState.FAILED:
                found.setdefault(delivery.channel, delivery)
    return found


def trouble(channel: Channel, last: Delivery | None, alarms: Sequence[Alarm]) -> str:
    """What is wrong and what to do, in words; empty when nothing is."""
    if channel.reason:
        return f"Switched off: {channel.reason}. {channels.of(channel.kind).mend}"
    if any(alarm.kind is channel.kind for alarm in alarms):
        return "The provider refuses this installation's messages. An admin has to mend it, and has been told."
    if channel.takes_alerts and last and last.state is DeliveryState.FAILED:
        return f"The last message {texts.delivery(last)}. Send a test; when it fails too, see that the address is right."
    return ""


def last_message(last: Delivery | None) -> str:
    """Last message read 09:15:09; empty when there is none."""
    return f"Last message {texts.delivery(last)}." if last and last.state.is_out else ""
