"""The stage that finds in the store what a job is about, and takes it through the policy."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from stormalert.model import USEFUL_MS, Alert, Delivery, DeliveryState
from stormalert.store import Store
from workers import digest
from workers.limits import Priority
from workers.pipeline import policy
from workers.pipeline.dedup import DedupMarkers
from workers.pipeline.insist import insist
from workers.pipeline.outcome import Done, Ended
from workers.pipeline.outgoing import Outgoing
from workers.pipeline.policy import Parcel

_NO_ALERT = "the alert is not in the store"


@dataclass(frozen=True, slots=True)
class Collected:
    """What a job sends, and the deliveries that it stands for."""

    job: str
    outgoing: Outgoing
    deliveries: tuple[Delivery, ...]
    # Noted of what went out.
    how: str = ""


Steps = list[Collected | Ended]


class Collector:
    """Raises StormError when the store is away."""

    def __init__(self, store: Store, markers: DedupMarkers, clock_ms: Callable[[], int]) -> None:
        self._store = store
        self._markers = markers
        self._now_ms = clock_ms

    async def alone(self, delivery_ids: Sequence[str]) -> Steps:
        """Of jobs that are deliveries, with one question to the store for all of them."""
        sent = await insist(lambda: self._markers.provider_ids(delivery_ids))
        return await asyncio.to_thread(self._alone, delivery_ids, sent)

    async def together(self, digest_ids: Sequence[str]) -> Steps:
        """Of jobs that are digests: what waits for each goes out as one message."""
        found = await asyncio.to_thread(lambda: [each for digest_id in digest_ids for each in self._together(digest_id)])
        messages = [each.outgoing.id for each in found if isinstance(each, Collected)]
        sent = await insist(lambda: self._markers.provider_ids(messages))
        return [_went_out(each, sent) if isinstance(each, Collected) else each for each in found]

    def _alone(self, delivery_ids: Sequence[str], sent: dict[str, str]) -> Steps:
        deliveries = {delivery.id: delivery for delivery in self._store.deliveries(delivery_ids)}
        alerts = {alert.id: alert for alert in self._store.alerts([each.alert for each in deliveries.values()])}
        channels = {each.id: each for each in self._store.channels(list({each.channel for each in deliveries.values()}))}
        steps: Steps = []
        for delivery_id in delivery_ids:
            delivery = deliveries.get(delivery_id)
            if delivery is None:
                steps.append(Ended(delivery_id, Done(DeliveryState.FAILED, "the delivery is not in the store")))
            elif delivery.state.is_out or delivery.state is DeliveryState.SUPPRESSED:
                steps.append(Ended(delivery_id, Done(delivery.state, delivery.reason)))
            elif delivery_id in sent:
                # It went out before its worker died.
                steps.append(Ended(delivery_id, Done(DeliveryState.SENT, provider_id=sent[delivery_id]), (delivery,)))
            elif (alert := alerts.get(delivery.alert)) is None:
                steps.append(Ended(delivery_id, Done(DeliveryState.FAILED, _NO_ALERT), (delivery,)))
            else:
                parcel = Parcel(delivery, alert, channels.get(delivery.channel))
                step = policy.through(policy.ALONE, parcel, self._store, self._now_ms())
                if isinstance(step, Parcel):
                    steps.append(_collected(delivery_id, step, (delivery,)))
                else:
                    steps.append(Ended(delivery_id, step, (delivery,)))
        return steps

    def _together(self, digest_id: str) -> Steps:
        """The message of a digest, and the deliveries that a stage stopped."""
        now_ms = self._now_ms()
        deliveries = [each for each in self._store.deliveries_in(digest_id) if each.state is DeliveryState.QUEUED]
        alerts = {alert.id: alert for alert in self._store.alerts([each.alert for each in deliveries])}
        channel = self._store.channel(deliveries[0].channel) if deliveries else None
        steps: Steps = []
        passed: list[Parcel] = []
        for delivery in deliveries:
            alert = alerts.get(delivery.alert)
            if alert is None:
                steps.append(Ended(delivery.id, Done(DeliveryState.FAILED, _NO_ALERT), (delivery,)))
                continue
            step = policy.through(policy.TOGETHER, Parcel(delivery, alert, channel), self._store, now_ms)
            if isinstance(step, Parcel):
                passed.append(step)
            else:
                steps.append(Ended(delivery.id, step, (delivery,)))
        if not passed:
            return [*steps, Ended(digest_id, Done(DeliveryState.SUPPRESSED, "nothing is left to tell"))]
        told = [(parcel.delivery, parcel.alert) for parcel in passed]
        whole = _whole(digest_id, passed, told, now_ms)
        how = f"told in a summary of {len(told)}"
        return [*steps, _collected(digest_id, whole, tuple(delivery for delivery, _ in told), how)]


def _whole(digest_id: str, passed: Sequence[Parcel], told: Sequence[tuple[Delivery, Alert]], now_ms: int) -> Parcel:
    """The youngest of them, with the message that tells all."""
    youngest = max(passed, key=lambda parcel: parcel.delivery.queued_ms)
    message = digest.message(
        digest.message_id(digest_id, told),
        told,
        digest.why_of(digest_id),
        now_ms=now_ms,
        useful_ms=USEFUL_MS,
        channel=youngest.delivery.channel,
    )
    return replace(youngest, message=replace(message, is_silent=all(parcel.is_silent for parcel in passed)))


def _collected(job: str, parcel: Parcel, deliveries: tuple[Delivery, ...], how: str = "") -> Collected:
    delivery, channel, message = parcel.delivery, parcel.channel, parcel.message
    assert channel is not None and message is not None, "found by the stages before"
    since_ms = max(delivery.queued_ms, delivery.due_ms)
    # What waited for a digest is news to its reader then.
    expires_ms = (since_ms if how else delivery.queued_ms) + USEFUL_MS
    outgoing = Outgoing(channel, message, Priority.ALERT, since_ms, expires_ms, delivery.attempts)
    return Collected(job, outgoing, deliveries, how)


def _went_out(collected: Collected, sent: dict[str, str]) -> Collected | Ended:
    """What went out before its worker died is sent no more."""
    if (provider_id := sent.get(collected.outgoing.id)) is None:
        return collected
    done = Done(DeliveryState.SENT, collected.how, provider_id=provider_id)
    return Ended(collected.job, done, collected.deliveries)
