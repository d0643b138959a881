"""From an alert to its deliveries: what is in the store first, then a job for each. Every step may be repeated."""

from rq import Queue

from stormalert.errors import Conflict
from stormalert.model import Alert, Channel, Delivery, DeliveryState, Repeat
from stormalert.store import Store
from stormalert.units import now_ms
from workers import queues


class Fanout:
    def __init__(self, store: Store, queue: Queue) -> None:
        self._store = store
        self._queue = queue

    def dispatch(self, alert: Alert, fired_ms: int) -> None:
        """When this returns, the alert is recorded and each of its user's channels that takes alerts has a job."""
        self._store.record_alert(alert)
        rule = self._store.rule(alert.rule)
        if rule is not None and rule.repeat is Repeat.ONCE:
            self._store.mark_spent(rule.id, alert.arm_epoch)
        for channel in self._store.channels_of(alert.user):
            if channel.takes_alerts and self._delivery(alert, channel, fired_ms).state is DeliveryState.QUEUED:
                queues.enqueue(self._queue, delivery_id(alert, channel))

    def _delivery(self, alert: Alert, channel: Channel, fired_ms: int) -> Delivery:
        known = self._store.delivery(delivery_id(alert, channel))
        if known is not None:
            return known
        delivery = Delivery(
            id=delivery_id(alert, channel),
            alert=alert.id,
            user=alert.user,
            channel=channel.id,
            channel_kind=channel.kind,
            state=DeliveryState.QUEUED,
            # Not now: its age is counted from the moment that it fired.
            queued_ms=fired_ms,
            updated_ms=now_ms(),
        )
        try:
            return self._store.save_delivery(delivery)
        except Conflict:
            # Another dispatcher, which took us for dead, was first.
            return self._store.delivery(delivery.id) or delivery


def delivery_id(alert: Alert, channel: Channel) -> str:
    return f"{alert.id}-{channel.id}"
