"""Delivering: what passes the stages (stages.py) goes to its provider, and the store is told how far it came.

At least once. A message goes out twice only when a worker dies, or the connection, between the provider's yes and our mark.
"""

import asyncio
import logging
import random
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from stormalert.errors import Moved, Permanent, Retryable
from stormalert.histogram import Histogram
from stormalert.model import USEFUL_MS, Channel, ChannelKind, Delivery, DeliveryState
from stormalert.notify import alarms, channels
from stormalert.process import UNREACHABLE
from stormalert.store import Store
from stormalert.units import SECOND_MS, now_ms
from workers import digest
from workers.limits import Limits, Permit, Priority
from workers.markers import Marks
from workers.render import Message
from workers.stages import Done, Ended, Later, Outcome, Parcel, Parked, Stages

log = logging.getLogger("stormalert")

LONGEST_PAUSE_S = 300.0
# When another worker has the delivery: it will be done, or dead, soon.
CLAIMED_PAUSE_S = 2.0
# A worker keeps what may go as soon as this; the queue's clock ticks in seconds. What waits longer comes back a little early.
HOLD_S = 2.0
EARLY_S = 1.5
LONGEST_HOLD_S = 6.0
AWAY_S = 0.5
# A killed worker may have sent what it did not mark: so few are on their way at once. One that its provider takes longer for
# does not hold up the next.
ON_THEIR_WAY = 2
PACE_S = 0.05


Answer = TypeVar("Answer")
Report = Callable[[Ended], None]


class Carries(Protocol):
    async def carry(self, kind: ChannelKind, address: str, message: Message) -> str: ...


class Courier:
    """`deliver` belongs into one event loop; `record` into a thread."""

    def __init__(
        self,
        store: Store,
        marks: Marks,
        limits: Limits,
        post: Carries,
        switch_off: Callable[[Channel, str], None],
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self._store = store
        self._marks = marks
        self._limits = limits
        self._post = post
        self._now_ms = clock_ms
        self._switch_off = switch_off
        self._gate = asyncio.Semaphore(ON_THEIR_WAY)
        self._stages = Stages(store, clock_ms)
        # How many deliveries ended how, and how many tries each provider took and refused; the heartbeat shows it.
        self.counts: dict[str, str | int | float] = {"sent": 0, "failed": 0, "suppressed": 0, "retries": 0, "waits": 0}
        self._durations: defaultdict[str, Histogram] = defaultdict(Histogram)

    async def deliver(self, delivery_ids: Sequence[str], report: Report) -> None:
        """Take each delivery as far as it goes now, and report each when it is there; the store is told by `record`."""
        sent = await _with_redis(lambda: self._marks.provider_ids(delivery_ids))
        steps = await asyncio.to_thread(self._prepare, delivery_ids, sent)
        for step in steps:
            if isinstance(step, Ended):
                report(step)
        parcels = [step for step in steps if isinstance(step, Parcel)]
        await asyncio.gather(*(self._carry(each, report, each.delivery.id, (each.delivery,)) for each in parcels))

    async def summarize(self, summary_ids: Sequence[str], report: Report) -> None:
        """The same for summaries: what waits for each goes out as one message."""
        await asyncio.gather(*(self._summarize(summary_id, report) for summary_id in summary_ids))

    def record(self, ended: Sequence[Ended]) -> None:
        """Tell the store how far they came."""
        outcomes = {delivery.id: each.outcome for each in ended for delivery in each.deliveries}
        before = [delivery for each in ended for delivery in each.deliveries]
        changed = [self._changed(delivery, outcomes[delivery.id]) for delivery in before]
        for delivery_id in self._store.save_deliveries([delivery for delivery in changed if delivery is not None]):
            self._record_again(delivery_id, outcomes[delivery_id])
        for each in ended:
            self._tell(each)
            if isinstance(each.outcome, Done) and each.outcome.is_failed:
                for delivery in each.deliveries:
                    self._call_stand_ins(delivery)

    def _call_stand_ins(self, failed: Delivery) -> None:
        """Those that wait whether it arrives need not wait any longer."""
        waiting = [it for it in self._store.deliveries_of(failed.alert) if it.due_ms > self._now_ms() and not it.summary]
        stand_ins = {it.id for it in self._store.channels_of(failed.user) if it.stands_in_for == failed.channel}
        called = [it.model_copy(update={"due_ms": self._now_ms()}) for it in waiting if it.channel in stand_ins]
        # One that was changed meanwhile is at its work already.
        self._store.save_deliveries(called)

    def _prepare(self, delivery_ids: Sequence[str], sent: dict[str, str]) -> list[Parcel | Ended]:
        """Through the stages that need no provider, with one question to the store for all of them."""
        deliveries = {delivery.id: delivery for delivery in self._store.deliveries(delivery_ids)}
        alerts = {alert.id: alert for alert in self._store.alerts([each.alert for each in deliveries.values()])}
        found = {each.id: each for each in self._store.channels(list({each.channel for each in deliveries.values()}))}
        steps: list[Parcel | Ended] = []
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
                steps.append(Ended(delivery_id, Done(DeliveryState.FAILED, "the alert is not in the store"), (delivery,)))
            else:
                steps.append(self._stages.alone(Parcel(delivery, alert, found.get(delivery.channel))))
        return steps

    def _collect(self, summary_id: str) -> tuple[Parcel | None, tuple[Delivery, ...], list[Ended]]:
        """The message of a summary, the deliveries that it tells, and those that a stage stopped."""
        deliveries = [each for each in self._store.deliveries_in(summary_id) if each.state is DeliveryState.QUEUED]
        alerts = {alert.id: alert for alert in self._store.alerts([each.alert for each in deliveries])}
        channel = self._store.channel(deliveries[0].channel) if deliveries else None
        known = [each for each in deliveries if each.alert in alerts]
        steps = [self._stages.together(Parcel(each, alerts[each.alert], channel)) for each in known]
        stopped = [step for step in steps if isinstance(step, Ended)]
        missing = Done(DeliveryState.FAILED, "the alert is not in the store")
        stopped += [Ended(each.id, missing, (each,)) for each in deliveries if each.alert not in alerts]
        passed = [step for step in steps if isinstance(step, Parcel)]
        if not passed:
            return None, (), stopped
        told = [(parcel.delivery, parcel.alert) for parcel in passed]
        youngest, alert = max(told, key=lambda each: each[0].queued_ms)
        whole = youngest.model_copy(update={"id": digest.message_id(summary_id, told)})
        why = digest.why_of(summary_id)
        message = digest.message(whole.id, told, why, now_ms=self._now_ms(), useful_ms=USEFUL_MS, channel=whole.channel)
        message = replace(message, is_silent=all(parcel.is_silent for parcel in passed))
        return Parcel(whole, alert, channel, message), tuple(delivery for delivery, _ in told), stopped

    async def _summarize(self, summary_id: str, report: Report) -> None:
        parcel, told, stopped = await asyncio.to_thread(self._collect, summary_id)
        for each in stopped:
            report(each)
        if parcel is None:
            report(Ended(summary_id, Done(DeliveryState.SUPPRESSED, "nothing is left to tell")))
            return
        sent = await _with_redis(lambda: self._marks.provider_ids([parcel.delivery.id]))
        how = f"told in a summary of {len(told)}"
        if sent:
            outcome = Done(DeliveryState.SENT, how, provider_id=sent[parcel.delivery.id])
            report(Ended(summary_id, outcome, told))
        else:
            await self._carry(parcel, report, summary_id, told, how)

    async def _carry(self, parcel: Parcel, report: Report, job: str, deliveries: tuple[Delivery, ...], how: str = "") -> None:
        """Send the parcel, which stands for these deliveries; `how` is noted of what went out."""
        delivery, channel = parcel.delivery, parcel.channel
        assert channel is not None, "found by the stages before"
        try:
            outcome = await self._send(parcel, channel)
        except Exception as error:  # boundary: the others in hand go on
            log.exception("delivery broke", extra={"delivery": delivery.id})
            report(Ended(job, Done(DeliveryState.FAILED, f"unexpected error: {type(error).__name__}")))
            return
        if isinstance(outcome, Done) and outcome.state is DeliveryState.SENT:
            outcome = replace(outcome, reason=how)
        report(Ended(job, outcome, deliveries))

    async def _send(self, parcel: Parcel, channel: Channel) -> Outcome:
        """As soon as the limits let it go, after a short wait at most."""
        delivery, message = parcel.delivery, parcel.message
        assert message is not None, "rendered by the stage before"
        until_s = time.monotonic() + LONGEST_HOLD_S
        while True:
            async with self._paced():
                permit = await _with_redis(
                    lambda: self._limits.take(delivery.id, channel.kind, channel.address, Priority.ALERT)
                )
                if isinstance(permit, Permit):
                    return await self._send_now(delivery, channel, message, permit)
            self._count("waits")
            self._count(f"{channel.kind}_waits")
            if permit > HOLD_S or time.monotonic() + permit > until_s:
                return Later(max(0.0, permit - EARLY_S), "waiting for the rate limit")
            await asyncio.sleep(permit)

    @asynccontextmanager
    async def _paced(self) -> AsyncIterator[None]:
        await self._gate.acquire()
        is_passed = False

        def pass_on() -> None:
            nonlocal is_passed
            if not is_passed:
                is_passed = True
                self._gate.release()

        timer = asyncio.get_running_loop().call_later(PACE_S, pass_on)
        try:
            yield
        finally:
            timer.cancel()
            pass_on()

    async def _send_now(self, delivery: Delivery, channel: Channel, message: Message, permit: Permit) -> Outcome:
        if not await _with_redis(lambda: self._marks.claim(delivery.id)):
            await _with_redis(lambda: self._limits.settle(permit))
            return Later(CLAIMED_PAUSE_S, "another worker is at it")
        began_s = time.monotonic()
        try:
            provider_id = await self._post.carry(channel.kind, channel.address, message)
        except (Retryable, Permanent) as error:
            # What is wrong with one address says nothing of its provider.
            if isinstance(error, Retryable) or not error.is_address_dead:
                self._count(f"{channel.kind}_refused")
            self._note(f"{channel.kind}_answers", (time.monotonic() - began_s) * 1_000)
            await _with_redis(lambda: self._marks.release(delivery.id))
            pause_s = (error.after_s or 0.0) if isinstance(error, Retryable) else 0.0
            await _with_redis(lambda: self._limits.settle(permit, pause_s))
            if isinstance(error, Retryable):
                if isinstance(error, Moved):
                    await asyncio.to_thread(channels.change, self._store, channel, address=error.address)
                return self._retry(delivery, error)
            if error.is_address_dead:
                await asyncio.to_thread(self._switch_off, channel, str(error))
            if error.needs_admin:
                await asyncio.to_thread(alarms.raise_alarm, self._store, channel.kind, str(error))
            return Done(DeliveryState.FAILED, str(error), attempts=1)
        self._note(f"{channel.kind}_answers", (time.monotonic() - began_s) * 1_000)
        self._note(f"{channel.kind}_delays", self._now_ms() - max(delivery.queued_ms, delivery.due_ms))
        await _with_redis(lambda: self._marks.mark_sent(delivery.id, provider_id))
        await _with_redis(lambda: self._limits.settle(permit))
        self._count(f"{channel.kind}_taken")
        return Done(DeliveryState.SENT, attempts=1, provider_id=provider_id)

    def _retry(self, delivery: Delivery, error: Retryable) -> Outcome:
        jitter = random.random()  # noqa: S311
        after_s = pause_s(delivery.attempts, error.after_s, jitter)
        if self._now_ms() - delivery.queued_ms + after_s * SECOND_MS >= USEFUL_MS:
            return Done(DeliveryState.FAILED, f"gave up: {error}", attempts=1)
        return Later(after_s, str(error), attempts=1)

    def _changed(self, delivery: Delivery, outcome: Outcome) -> Delivery | None:
        """The record as it is to be; None when there is nothing to tell."""
        if isinstance(outcome, Later) and not outcome.attempts:
            return None
        changes: dict[str, Any] = {"reason": outcome.reason, "updated_ms": self._now_ms()}
        if isinstance(outcome, Parked):
            changes |= {"due_ms": outcome.due_ms, "summary": outcome.summary}
        else:
            changes |= {"attempts": delivery.attempts + outcome.attempts}
        if isinstance(outcome, Done):
            changes |= {"state": outcome.state, "provider_id": outcome.provider_id}
        else:
            # Also one that had failed, and is run again.
            changes |= {"state": DeliveryState.QUEUED, "provider_id": ""}
        return delivery.moved(changes)

    def _record_again(self, delivery_id: str, outcome: Outcome) -> None:
        """Somebody else changed the record meanwhile: what went out stays so."""
        known = self._store.delivery(delivery_id)
        while known is not None and not known.state.is_out:
            changed = self._changed(known, outcome)
            if changed is None or not self._store.save_deliveries([changed]):
                return
            known = self._store.delivery(delivery_id)

    def _tell(self, ended: Ended) -> None:
        outcome = ended.outcome
        if isinstance(outcome, Later):
            if outcome.attempts:
                self._count("retries")
                self._count_each(ended, "retries")
                extra = {"delivery": ended.id, "reason": outcome.reason, "after_s": round(outcome.after_s, 1)}
                log.info("delivery put off", extra=extra)
            return
        if not ended.deliveries or isinstance(outcome, Parked):
            return
        self._count(outcome.state)
        self._count_each(ended, outcome.state)
        if outcome.state is not DeliveryState.SENT:
            log.warning(f"delivery {outcome.state}", extra={"delivery": ended.id, "reason": outcome.reason})

    def _count_each(self, ended: Ended, name: str) -> None:
        """By the kind of channel, each delivery that a message stood for."""
        for delivery in ended.deliveries:
            self._count(f"{delivery.channel_kind}_{name}")

    def _count(self, name: str) -> None:
        self.counts[name] = int(self.counts.get(name, 0)) + 1

    def _note(self, name: str, took_ms: float) -> None:
        self._durations[name].note(took_ms)
        self.counts[name] = self._durations[name].text


def pause_s(attempts: int, after_s: float | None, jitter: float) -> float:
    """How long to wait after the `attempts`-th earlier try failed; `jitter` is from 0 to 1.

    Doubling from one second, half of it at random, so that deliveries that failed together do not come back together; never
    sooner than the provider asked for.
    """
    back_off_s = min(LONGEST_PAUSE_S, 2.0 ** min(attempts, 16)) * (0.5 + jitter / 2)
    return back_off_s if after_s is None else max(after_s + jitter, back_off_s)


async def _with_redis(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """Asks until Redis answers: what is in hand must not be lost because it is away for a moment."""
    while True:
        try:
            return await ask()
        except UNREACHABLE as error:
            log.debug("redis is away", extra={"reason": type(error).__name__})
            await asyncio.sleep(AWAY_S)
