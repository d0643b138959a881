"""From alerts to their deliveries: what is in the store first, then a job for each. Every step may be repeated."""

from collections.abc import Sequence

from rq import Queue

from stormalert.model import Alert, Channel, Delivery, DeliveryState, Repeat
from stormalert.store import Store
from stormalert.units import now_ms
from workers import queues

# An alert, and when it fired by the server's clock.
Fired = tuple[Alert, int]


class Fanout:
    def __init__(self, store: Store, queue: Queue) -> None:
        self._store = store
        self._queue = queue

    def dispatch(self, fired: Sequence[Fired]) -> None:
        """When this returns, the alerts are recorded and each of their users' channels that takes alerts has a job."""
        # One that came twice is one.
        fired = list({alert.id: (alert, fired_ms) for alert, fired_ms in fired}.values())
        alerts = [alert for alert, _ in fired]
        channels = {user: self._store.channels_of(user) for user in {alert.user for alert in alerts}}
        deliveries = [
            _delivery(alert, channel, fired_ms)
            for alert, fired_ms in fired
            for channel in channels[alert.user]
            if channel.takes_alerts
        ]
        stored = self._store.record_fired(alerts, deliveries)
        self._mark_spent(alerts)
        queues.enqueue(self._queue, *(each.id for each in stored if each.state is DeliveryState.QUEUED))

    def _mark_spent(self, alerts: Sequence[Alert]) -> None:
        rules = {rule.id: rule for rule in self._store.rules(list({alert.rule for alert in alerts}))}
        for alert in alerts:
            if alert.rule in rules and rules[alert.rule].repeat is Repeat.ONCE:
                self._store.mark_spent(alert.rule, alert.arm_epoch)


def _delivery(alert: Alert, channel: Channel, fired_ms: int) -> Delivery:
    return Delivery(
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


def delivery_id(alert: Alert, channel: Channel) -> str:
    return f"{alert.id}-{channel.id}"
