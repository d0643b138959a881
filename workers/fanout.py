"""From alerts to their deliveries: what is in the store first, then a job for each. Every step may be repeated."""

import time
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from rq import Queue

from stormalert import wishes
from stormalert.model import Alert, Channel, Delivery, DeliveryState, Repeat
from stormalert.settings import Settings
from stormalert.store import Store
from stormalert.units import SECOND_MS, now_ms
from stormalert.wishes import Burst
from workers import queues, summary
from workers.summary import Why

WISHES_S = 10.0
REASONS = {
    Why.HOUR: "too many alerts in an hour: waits to be told together with others",
    Why.BURST: "many alerts at once: waits to be told together with others",
}
NONE: Mapping[str, Why] = MappingProxyType({})

# An alert, and when it fired by the server's clock.
Fired = tuple[Alert, int]


class Fanout:
    def __init__(self, store: Store, queue: Queue, config: Settings) -> None:
        self._store = store
        self._queue = queue
        self._summary_ms = config.summary_s * SECOND_MS
        self._usual = Burst(most=config.burst_alerts, within_s=config.burst_s)
        # Read anew now and then: a wish that is heard some seconds later does no harm, a question for each batch does.
        self._bursts: dict[str, Burst] = {}
        self._bursts_until_s = float("-inf")

    def bursts(self, users: Iterable[str]) -> Mapping[str, Burst]:
        """What each user takes for too many at once."""
        if time.monotonic() > self._bursts_until_s:
            self._bursts.clear()
            self._bursts_until_s = time.monotonic() + WISHES_S
        for user in users:
            if user not in self._bursts:
                self._bursts[user] = wishes.burst(self._store, user) or self._usual
        return self._bursts

    def dispatch(self, fired: Sequence[Fired], over: Mapping[str, Why] = NONE) -> None:
        """When this returns, the alerts are recorded and each of their users' channels that takes alerts has a job.

        Those that are `over`, too many for their user, have none: the sweeper makes one for the summary that they wait for.
        """
        # One that came twice is one.
        fired = list({alert.id: (alert, fired_ms) for alert, fired_ms in fired}.values())
        alerts = [alert for alert, _ in fired]
        channels = {user: self._store.channels_of(user) for user in {alert.user for alert in alerts}}
        deliveries = [
            self._delivery(alert, channel, fired_ms, over.get(alert.id))
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

    def _delivery(self, alert: Alert, channel: Channel, fired_ms: int, why: Why | None) -> Delivery:
        every_ms = self.bursts([alert.user])[alert.user].within_s * SECOND_MS if why is Why.BURST else self._summary_ms
        due_ms = summary.due_after(now_ms(), every_ms) if why else 0
        return Delivery(
            id=Delivery.id_of(alert.id, channel.id),
            alert=alert.id,
            user=alert.user,
            channel=channel.id,
            channel_kind=channel.kind,
            state=DeliveryState.QUEUED,
            reason=REASONS[why] if why else "",
            summary=summary.summary_id(why, channel.id, due_ms) if why else "",
            due_ms=due_ms,
            # Not now: its age is counted from the moment that it fired.
            queued_ms=fired_ms,
            updated_ms=now_ms(),
        )
