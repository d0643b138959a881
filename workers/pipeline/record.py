"""The last stage of deliveries: tells the store, the log and the counters how far they came. Runs in threads."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

from stormalert.model import Delivery, DeliveryState
from stormalert.store import Store
from workers.pipeline.counters import Counters
from workers.pipeline.outcome import Done, Ended, Later, Outcome, Parked

log = logging.getLogger("stormalert")


class Recorder:
    """Raises StormError when the store is away."""

    def __init__(self, store: Store, counters: Counters, clock_ms: Callable[[], int]) -> None:
        self._store = store
        self._counters = counters
        self._now_ms = clock_ms

    def record(self, ended: Sequence[Ended]) -> None:
        outcomes = {delivery.id: each.outcome for each in ended for delivery in each.deliveries}
        before = [delivery for each in ended for delivery in each.deliveries]
        changed = [self._changed(delivery, outcomes[delivery.id]) for delivery in before]
        for delivery_id in self._store.save_deliveries([delivery for delivery in changed if delivery is not None]):
            self._record_again(delivery_id, outcomes[delivery_id])
        for each in ended:
            self._tell(each)
            if isinstance(each.outcome, Done) and each.outcome.is_failed:
                for delivery in each.deliveries:
                    self._call_fallbacks(delivery)

    def _changed(self, delivery: Delivery, outcome: Outcome) -> Delivery | None:
        """The record as it is to be; None when there is nothing to tell."""
        if isinstance(outcome, Later) and not outcome.attempts:
            return None
        changes: dict[str, Any] = {"reason": outcome.reason, "updated_ms": self._now_ms()}
        if isinstance(outcome, Parked):
            changes |= {"due_ms": outcome.due_ms, "summary": outcome.digest}
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

    def _call_fallbacks(self, failed: Delivery) -> None:
        """Those that wait whether it arrives need not wait any longer."""
        waiting = [it for it in self._store.deliveries_of(failed.alert) if it.due_ms > self._now_ms() and not it.summary]
        fallbacks = {it.id for it in self._store.channels_of(failed.user) if it.stands_in_for == failed.channel}
        called = [it.model_copy(update={"due_ms": self._now_ms()}) for it in waiting if it.channel in fallbacks]
        # One that was changed meanwhile is at its work already.
        self._store.save_deliveries(called)

    def _tell(self, ended: Ended) -> None:
        outcome = ended.outcome
        if isinstance(outcome, Later):
            if outcome.attempts:
                self._counters.count("retries")
                self._count_each(ended, "retries")
                extra = {"delivery": ended.id, "reason": outcome.reason, "after_s": round(outcome.after_s, 1)}
                log.info("delivery put off", extra=extra)
            return
        if not ended.deliveries or isinstance(outcome, Parked):
            return
        self._counters.count(outcome.state)
        self._count_each(ended, outcome.state)
        if outcome.state is not DeliveryState.SENT:
            log.warning(f"delivery {outcome.state}", extra={"delivery": ended.id, "reason": outcome.reason})

    def _count_each(self, ended: Ended, name: str) -> None:
        """By the kind of channel, each delivery that a message stood for."""
        for delivery in ended.deliveries:
            self._counters.count(f"{delivery.channel_kind}_{name}")
