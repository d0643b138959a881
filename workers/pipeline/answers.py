"""The stage that sorts a provider's answer: whether and when to try again, a dead address, what only an admin can mend."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from stormalert import backoff
from stormalert.errors import DeliveryError, Moved, Permanent, Retryable
from stormalert.model import Channel, DeliveryState
from stormalert.notify import alarms, channels
from stormalert.store import Store
from stormalert.units import SECOND_MS
from workers.pipeline.outcome import Done, Later
from workers.pipeline.outgoing import Outgoing
from workers.pipeline.threads import in_thread

LONGEST_PAUSE_S = 300.0


@dataclass(frozen=True, slots=True)
class Accepted:
    provider_id: str


@dataclass(frozen=True, slots=True)
class Refused:
    error: DeliveryError

    @property
    def pause_s(self) -> float:
        """For which the provider wants to be left alone."""
        return (self.error.after_s or 0.0) if isinstance(self.error, Retryable) else 0.0

    @property
    def is_about_provider(self) -> bool:
        """What is wrong with one address says nothing of its provider."""
        return not (isinstance(self.error, Permanent) and self.error.is_address_dead)


Answer = Accepted | Refused


class Answers:
    def __init__(self, store: Store, switch_off: Callable[[Channel, str], None], clock_ms: Callable[[], int]) -> None:
        self._store = store
        self._switch_off = switch_off
        self._now_ms = clock_ms

    async def sort(self, outgoing: Outgoing, answer: Answer) -> Done | Later:
        """Raises StormError when the store is away."""
        if isinstance(answer, Accepted):
            return Done(DeliveryState.SENT, attempts=1, provider_id=answer.provider_id)
        error = answer.error
        if isinstance(error, Retryable):
            if isinstance(error, Moved):
                await in_thread(partial(channels.change, self._store, outgoing.channel, address=error.address))
            return again(outgoing, error, self._now_ms())
        is_channel_off = False
        if isinstance(error, Permanent):
            await in_thread(partial(self._take_note, outgoing, error))
            is_channel_off = error.is_address_dead
        # Of a channel that was switched off its owner has been told.
        return Done(DeliveryState.FAILED, str(error), attempts=1, cause="" if is_channel_off else error.reason)

    def _take_note(self, outgoing: Outgoing, error: Permanent) -> None:
        if error.is_address_dead and not outgoing.is_watched:
            self._switch_off(outgoing.channel, str(error))
        if error.needs_admin:
            alarms.raise_alarm(self._store, outgoing.channel.kind, str(error))


def again(outgoing: Outgoing, error: Retryable, now_ms: int) -> Done | Later:
    """The next try, unless the message would not be worth having any more."""
    after_s = pause_s(outgoing.attempts, error.after_s)
    was_last = 0 < error.most_tries <= outgoing.attempts + 1
    if was_last or now_ms + after_s * SECOND_MS >= outgoing.expires_ms:
        return Done(DeliveryState.FAILED, f"gave up: {error}", attempts=1, cause=error.reason)
    return Later(after_s, str(error), attempts=1)


def pause_s(attempts: int, after_s: float | None) -> float:
    """How long to wait after the `attempts`-th earlier try failed: never sooner than the provider asked for.

    What failed together must not come back together, so up to a second is added to the provider's wish.
    """
    own_s = backoff.pause_s(attempts, first_s=1.0, longest_s=LONGEST_PAUSE_S)
    return own_s if after_s is None else max(after_s + random.random(), own_s)  # noqa: S311
