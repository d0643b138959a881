"""Delivering: the stages that a delivery passes, in order, and what stops it on the way.

At least once. A message goes out twice only when a worker dies, or the connection, between the provider's yes and our mark.
"""

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from stormalert import alarms, channels, templates, words
from stormalert.errors import Conflict, Moved, Permanent, Retryable
from stormalert.model import Alert, Channel, ChannelKind, Delivery, DeliveryState
from stormalert.store import Store
from stormalert.units import HOUR_MS, SECOND_MS, now_ms
from workers import render
from workers.marks import Marks
from workers.render import Message

log = logging.getLogger("stormalert")

# After this an alert is no news any more: it is not sent, and its history says why.
USEFUL_MS = HOUR_MS
LONGEST_PAUSE_S = 300.0
# When another worker has the delivery: it will be done, or dead, soon.
CLAIMED_PAUSE_S = 2.0


@dataclass(frozen=True, slots=True)
class Done:
    """The end of a delivery, in words."""

    state: DeliveryState
    reason: str = ""

    @property
    def is_failed(self) -> bool:
        return self.state is DeliveryState.FAILED


@dataclass(frozen=True, slots=True)
class Later:
    """Not now, and why."""

    after_s: float
    reason: str


class Sends(Protocol):
    def send(self, kind: ChannelKind, address: str, message: Message) -> str: ...


@dataclass(frozen=True, slots=True)
class Parcel:
    """A delivery with what the stages found for it."""

    delivery: Delivery
    alert: Alert
    channel: Channel | None = None
    message: Message | None = None


Outcome = Done | Later
Stage = Callable[[Parcel], Parcel | Outcome]


class Courier:
    def __init__(self, store: Store, marks: Marks, post: Sends, clock_ms: Callable[[], int] = now_ms) -> None:
        self._store = store
        self._marks = marks
        self._post = post
        self._now_ms = clock_ms
        # How many deliveries ended how; the heartbeat shows it.
        self.counts: dict[str, str | int | float] = {"sent": 0, "failed": 0, "suppressed": 0, "retries": 0}

    @property
    def stages(self) -> tuple[Stage, ...]:
        return (self._not_sent, self._channel_is_on, self._is_news, self._not_muted, self._render, self._send)

    def deliver(self, delivery_id: str) -> Outcome:
        """Take the delivery as far as it goes now, and record how far that was."""
        delivery = self._store.delivery(delivery_id)
        if delivery is None:
            return Done(DeliveryState.FAILED, "the delivery is not in the store")
        if delivery.state.is_out or delivery.state is DeliveryState.SUPPRESSED:
            return Done(delivery.state, delivery.reason)
        alert = self._store.alert(delivery.alert)
        if alert is None:
            return self._record(delivery, Done(DeliveryState.FAILED, "the alert is not in the store"))
        step: Parcel | Outcome = Parcel(delivery, alert)
        for stage in self.stages:
            if not isinstance(step, Parcel):
                break
            step = stage(step)
        assert not isinstance(step, Parcel), "the last stage ends the delivery"
        return step

    def _not_sent(self, parcel: Parcel) -> Parcel | Outcome:
        provider_id = self._marks.provider_id(parcel.delivery.id)
        if provider_id is None:
            return parcel
        return self._record(parcel.delivery, Done(DeliveryState.SENT), provider_id=provider_id)

    def _channel_is_on(self, parcel: Parcel) -> Parcel | Outcome:
        channel = self._store.channel(parcel.delivery.channel)
        if channel is None:
            return self._record(parcel.delivery, Done(DeliveryState.SUPPRESSED, "the channel was removed"))
        if not channel.is_on:
            why = f": {channel.reason}" if channel.reason else ""
            return self._record(parcel.delivery, Done(DeliveryState.SUPPRESSED, f"the channel is off{why}"))
        if not channel.is_verified:
            return self._record(parcel.delivery, Done(DeliveryState.SUPPRESSED, "the channel is not verified"))
        return replace(parcel, channel=channel)

    def _is_news(self, parcel: Parcel) -> Parcel | Outcome:
        age_ms = self._age_ms(parcel.delivery)
        if age_ms < USEFUL_MS:
            return parcel
        why = f"too old to be news: fired {render.age(age_ms)} ago"
        why += f"; last try: {parcel.delivery.reason}" if parcel.delivery.reason else ""
        return self._record(parcel.delivery, Done(DeliveryState.SUPPRESSED, why))

    def _not_muted(self, parcel: Parcel) -> Parcel | Outcome:
        mutes = self._store.mutes_of(parcel.delivery.user, self._now_ms())
        mute = next((mute for mute in mutes if mute.covers(parcel.alert)), None)
        if mute is None:
            return parcel
        return self._record(parcel.delivery, Done(DeliveryState.SUPPRESSED, f"you {words.mute(mute, self._now_ms())}"))

    def _render(self, parcel: Parcel) -> Parcel:
        delivery = parcel.delivery
        message = render.message(
            delivery.id,
            parcel.alert,
            now_ms=self._now_ms(),
            age_ms=self._age_ms(delivery),
            useful_ms=USEFUL_MS,
            channel=delivery.channel,
            template=templates.template_of(self._store, delivery.user),
        )
        return replace(parcel, message=message)

    def _send(self, parcel: Parcel) -> Outcome:
        delivery, channel, message = parcel.delivery, parcel.channel, parcel.message
        assert channel is not None and message is not None, "found by the stages before"
        if not self._marks.claim(delivery.id):
            return Later(CLAIMED_PAUSE_S, "another worker is at it")
        try:
            provider_id = self._post.send(channel.kind, channel.address, message)
        except Retryable as error:
            self._marks.release(delivery.id)
            if isinstance(error, Moved):
                channels.change(self._store, channel, address=error.address)
            return self._retry(delivery, error)
        except Permanent as error:
            self._marks.release(delivery.id)
            if error.is_address_dead:
                channels.change(self._store, channel, is_on=False, reason=str(error))
            if error.needs_admin:
                alarms.raise_alarm(self._store, channel.kind, str(error))
            return self._record(delivery, Done(DeliveryState.FAILED, str(error)), attempts=1)
        self._marks.mark_sent(delivery.id, provider_id)
        return self._record(delivery, Done(DeliveryState.SENT), attempts=1, provider_id=provider_id)

    def _retry(self, delivery: Delivery, error: Retryable) -> Outcome:
        jitter = random.random()  # noqa: S311
        after_s = pause_s(delivery.attempts, error.after_s, jitter)
        if self._age_ms(delivery) + after_s * SECOND_MS >= USEFUL_MS:
            return self._record(delivery, Done(DeliveryState.FAILED, f"gave up: {error}"), attempts=1)
        self._save(delivery, DeliveryState.QUEUED, str(error), attempts=1)
        self._count("retries")
        log.info("delivery put off", extra={"delivery": delivery.id, "reason": error.reason, "after_s": round(after_s, 1)})
        return Later(after_s, str(error))

    def _record(self, delivery: Delivery, done: Done, attempts: int = 0, provider_id: str = "") -> Done:
        self._save(delivery, done.state, done.reason, attempts, provider_id)
        self._count(done.state)
        if done.state is not DeliveryState.SENT:
            log.warning(f"delivery {done.state}", extra={"delivery": delivery.id, "reason": done.reason})
        return done

    def _save(self, delivery: Delivery, state: DeliveryState, reason: str, attempts: int = 0, provider_id: str = "") -> None:
        known: Delivery | None = delivery
        while known is not None and not known.state.is_out:
            changes = {
                "state": state,
                "reason": reason,
                "attempts": known.attempts + attempts,
                "provider_id": provider_id,
                "updated_ms": self._now_ms(),
            }
            try:
                self._store.save_delivery(known.model_copy(update=changes))
            except Conflict:
                known = self._store.delivery(delivery.id)
            else:
                return

    def _age_ms(self, delivery: Delivery) -> int:
        return self._now_ms() - delivery.queued_ms

    def _count(self, name: str) -> None:
        self.counts[name] = int(self.counts[name]) + 1


def pause_s(attempts: int, after_s: float | None, jitter: float) -> float:
    """How long to wait after the `attempts`-th earlier try failed; `jitter` is from 0 to 1.

    Doubling from one second, half of it at random, so that deliveries that failed together do not come back together; never
    sooner than the provider asked for.
    """
    back_off_s = min(LONGEST_PAUSE_S, 2.0 ** min(attempts, 16)) * (0.5 + jitter / 2)
    return back_off_s if after_s is None else max(after_s + jitter, back_off_s)
