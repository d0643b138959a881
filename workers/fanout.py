"""From alerts to their deliveries: what is in the store first, then a job for each. Every step may be repeated."""

from collections.abc import Container, Sequence

from rq import Queue

from stormalert.model import Alert, Channel, Delivery, DeliveryState, Repeat
from stormalert.store import Store
from stormalert.units import now_ms
from workers import queues
from workers.summary import summary_id

# An alert, and when it fired by the server's clock.
Fired = tuple[Alert, int]


class Fanout:
    def __init__(self, store: Store, queue: Queue, summary_ms: int) -> None:
        self._store = store
        self._queue = queue
        self._summary_ms = summary_ms

    def dispatch(self, fired: Sequence[Fired], over: Container[str] = ()) -> None:
        """When this returns, the alerts are recorded and each of their users' channels that takes alerts has a job.

        Those that are `over` their user's hour have none: the sweeper makes one for the summary that they wait for.
        """
        # One that came twice is one.
        fired = list({alert.id: (alert, fired_ms) for alert, fired_ms in fired}.values())
        alerts = [alert for alert, _ in fired]
        channels = {user: self._store.channels_of(user) for user in {alert.user for alert in alerts}}
        deliveries = [
            self._delivery(alert, channel, fired_ms, is_over=alert.id in over)
            for alert, fired_ms in fired
            for channel in channels[alert.user]
            if channel.takes_alerts
        ]
        stored = self._store.record_fired(alerts, deliveries)
        self._mark_spent(alerts)
        queues.enqueue(self._queue, *(each.id for each in stored if each.state is DeliveryState.QUEUED and not each.summary))

    def _mark_spent(self, alerts: Sequence[Alert]) -> None:
        rules = {rule.id: rule for rule in self._store.rules(list({alert.rule for alert in alerts}))}
        for alert in alerts:
            if alert.rule in rules and rules[alert.rule].repeat is Repeat.ONCE:
                self._store.mark_spent(alert.rule, alert.arm_epoch)

    def _delivery(self, alert: Alert, channel: Channel, fired_ms: int, *, is_over: bool) -> Delivery:
        return Delivery(
            id=delivery_id(alert, channel),
            alert=alert.id,
            user=alert.user,
            channel=channel.id,
            channel_kind=channel.kind,
            state=DeliveryState.QUEUED,
            reason="too many alerts in an hour: waits to be told together with others" if is_over else "",
            summary=summary_id(channel.id, now_ms(), self._summary_ms) if is_over else "",
            # Not now: its age is counted from the moment that it fired.
            queued_ms=fired_ms,
            updated_ms=now_ms(),
        )


def delivery_id(alert: Alert, channel: Channel) -> str:
    return f"{alert.id}-{channel.id}"
