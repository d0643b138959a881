"""From alerts to their deliveries: what is in the store first, then a job for each. Every step may be repeated."""

import time
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from rq import Queue

from stormalert.config import policy
from stormalert.config.settings import Settings
from stormalert.model import Alert, Channel, Delivery, DeliveryState, Repeat
from stormalert.notify import preferences
from stormalert.notify.preferences import Burst
from stormalert.store import Store
from stormalert.units import SECOND_MS, now_ms
from workers import digest, queues
from workers.digest import Why

PREFERENCES_S = 10.0
REASONS = {
    Why.HOUR: "too many alerts in an hour: waits to be told together with others",
    Why.BURST: "many alerts at once: waits to be told together with others",
}
NONE: Mapping[str, Why] = MappingProxyType({})

# An alert, and when it fired by the server's clock.
Fired = tuple[Alert, int]


class Share(NamedTuple):
    """What one user gets: so many alerts one by one, at once and in an hour; none when the account is off."""

    burst: Burst
    per_hour: int
    takes_alerts: bool = True


def is_same(one: Alert, other: Alert) -> bool:
    """Whether two alerts of one id are one firing."""
    return all(getattr(one, name) == getattr(other, name) for name in ("time_ms", "price_e4", "reference_e4", "direction"))


class Fanout:
    def __init__(self, store: Store, queue: Queue, config: Settings) -> None:
        self._store = store
        self._queue = queue
        self._digest_ms = config.summary_s * SECOND_MS
        self._usual = Burst(most=config.burst_alerts, within_s=config.burst_s)
        self._per_hour = config.alerts_per_hour
        # Read anew now and then: a preference that is heard some seconds later does no harm, a question for each batch does.
        self._shares: dict[str, Share] = {}
        self._shares_until_s = float("-inf")

    def shares(self, users: Iterable[str]) -> Mapping[str, Share]:
        if time.monotonic() > self._shares_until_s:
            self._shares.clear()
            self._shares_until_s = time.monotonic() + PREFERENCES_S
        for user_id in users:
            if user_id not in self._shares:
                self._shares[user_id] = self._share(user_id)
        return self._shares

    def _share(self, user_id: str) -> Share:
        user = self._store.user(user_id)
        return Share(
            burst=preferences.burst(self._store, user_id) or self._usual,
            per_hour=policy.plan(self._store, user_id).alerts_per_hour or self._per_hour,
            takes_alerts=not (user and user.is_off),
        )

    def known_otherwise(self, alerts: Sequence[Alert]) -> dict[str, int]:
        """Ids under which the store has another firing, and when that was by the server's clock; 0 where nobody can tell."""
        given = {alert.id: alert for alert in alerts}
        others = [known.id for known in self._store.alerts(list(given)) if not is_same(known, given[known.id])]
        return {each: min((it.queued_ms for it in self._store.deliveries_of(each)), default=0) for each in others}

    def as_another(self, alert: Alert) -> Alert:
        """Under an id of its own, which is the same whenever it is asked for."""
        number = max(alert.arm_epoch + 1, alert.time_ms)
        while True:
            another = alert.model_copy(update={"id": f"{alert.rule}-{number}"})
            known = self._store.alert(another.id)
            if known is None or is_same(known, another):
                return another
            number += 1

    def dispatch(self, fired: Sequence[Fired], over: Mapping[str, Why] = NONE) -> None:
        """When this returns, the alerts are recorded and each of their users' channels that takes alerts has a job.

        Those that are `over`, too many for their user, have none: the sweeper makes one for the digest that they wait for.
        """
        # One that came twice is one.
        fired = list({alert.id: (alert, fired_ms) for alert, fired_ms in fired}.values())
        alerts = [alert for alert, _ in fired]
        shares = self.shares({alert.user for alert in alerts})
        users = [user for user in {alert.user for alert in alerts} if shares[user].takes_alerts]
        channels = {user: self._store.channels_of(user) for user in users}
        deliveries = [
            self._delivery(alert, channel, fired_ms, over.get(alert.id))
            for alert, fired_ms in fired
            for channel in channels.get(alert.user, ())
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
        every_ms = self.shares([alert.user])[alert.user].burst.within_s * SECOND_MS if why is Why.BURST else self._digest_ms
        due_ms = digest.due_after(now_ms(), every_ms) if why else 0
        return Delivery(
            id=Delivery.id_of(alert.id, channel.id),
            alert=alert.id,
            user=alert.user,
            channel=channel.id,
            channel_kind=channel.kind,
            state=DeliveryState.QUEUED,
            reason=REASONS[why] if why else "",
            summary=digest.digest_id(why, channel.id, due_ms) if why else "",
            due_ms=due_ms,
            # Not now: its age is counted from the moment that it fired.
            queued_ms=fired_ms,
            updated_ms=now_ms(),
        )
