"""What stops a delivery before a provider is asked, in order. Each stage decides from what it is given and what the store
says, and says why.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from stormalert import words
from stormalert.model import USEFUL_MS, Alert, Channel, Delivery, DeliveryState
from stormalert.notify import preferences, templates
from stormalert.notify.preferences import Loudness
from stormalert.store import Store
from stormalert.units import MINUTE_MS
from workers import digest, render
from workers.digest import Why
from workers.render import Message


@dataclass(frozen=True, slots=True)
class Done:
    """The end of a delivery, in words."""

    state: DeliveryState
    reason: str = ""
    attempts: int = field(default=0, compare=False)
    provider_id: str = field(default="", compare=False)

    @property
    def is_failed(self) -> bool:
        return self.state is DeliveryState.FAILED


@dataclass(frozen=True, slots=True)
class Later:
    """Not now, and why; waiting for a limit is no attempt."""

    after_s: float
    reason: str
    attempts: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Parked:
    """Not before a moment, and why; told with others when there is a summary. The store keeps it meanwhile, not the queue."""

    due_ms: int
    reason: str
    summary: str = ""


Outcome = Done | Later | Parked


@dataclass(frozen=True, slots=True)
class Ended:
    """How far a job came, and which deliveries with it: one, those of a summary, or none when the store has nothing to note."""

    id: str
    outcome: Outcome
    deliveries: tuple[Delivery, ...] = ()


@dataclass(frozen=True, slots=True)
class Parcel:
    """A delivery with what the stages found for it."""

    delivery: Delivery
    alert: Alert
    channel: Channel | None = None
    message: Message | None = None
    is_silent: bool = False


Stage = Callable[[Parcel], Parcel | Outcome]


class Stages:
    """Runs in threads."""

    def __init__(self, store: Store, clock_ms: Callable[[], int]) -> None:
        self._store = store
        self._now_ms = clock_ms

    def alone(self, parcel: Parcel) -> Parcel | Ended:
        """For a message of its own."""
        own = (self._is_news, self._not_muted, self._is_wanted, self._is_needed, self._not_quiet, self._render)
        return _through((self._channel_is_on, *own), parcel)

    def together(self, parcel: Parcel) -> Parcel | Ended:
        """For a message with others, in which what is old by now is told all the same, and said to be old."""
        own = (self._not_muted, self._is_wanted, self._is_needed, self._not_quiet)
        return _through((self._channel_is_on, *own), parcel)

    def _channel_is_on(self, parcel: Parcel) -> Parcel | Outcome:
        channel = parcel.channel
        if channel is None:
            return Done(DeliveryState.SUPPRESSED, "the channel was removed")
        if not channel.is_on:
            why = f": {channel.reason}" if channel.reason else ""
            return Done(DeliveryState.SUPPRESSED, f"the channel is off{why}")
        if not channel.is_verified:
            return Done(DeliveryState.SUPPRESSED, "the channel is not verified")
        return replace(parcel, is_silent=channel.is_silent)

    def _is_news(self, parcel: Parcel) -> Parcel | Outcome:
        now = self._now_ms()
        if parcel.delivery.is_news(now):
            return parcel
        why = f"too old to be news: fired {render.age(now - parcel.delivery.queued_ms)} ago"
        why += f"; last try: {parcel.delivery.reason}" if parcel.delivery.reason else ""
        return Done(DeliveryState.SUPPRESSED, why)

    def _not_muted(self, parcel: Parcel) -> Parcel | Outcome:
        mutes = self._store.mutes_of(parcel.delivery.user, self._now_ms())
        mute = next((mute for mute in mutes if mute.covers(parcel.alert)), None)
        if mute is None:
            return parcel
        return Done(DeliveryState.SUPPRESSED, f"you {words.mute(mute, self._now_ms())}")

    def _is_wanted(self, parcel: Parcel) -> Parcel | Outcome:
        """What its owner wants of the rule's alerts."""
        wish = preferences.of_rule(self._store, parcel.alert.owners_rule)
        if wish.loudness is Loudness.OFF:
            return Done(DeliveryState.SUPPRESSED, "the rule sends no messages")
        if wish.channels and parcel.delivery.channel not in wish.channels:
            return Done(DeliveryState.SUPPRESSED, "the rule sends to other channels")
        return replace(parcel, is_silent=parcel.is_silent or wish.loudness is Loudness.SILENT)

    def _is_needed(self, parcel: Parcel) -> Parcel | Outcome:
        """Of a stand-in: whether the channel that comes first did not do."""
        channel, delivery, alert = parcel.channel, parcel.delivery, parcel.alert
        assert channel is not None, "found by the stage before"
        first = self._store.delivery(Delivery.id_of(alert.id, channel.stands_in_for)) if channel.stands_in_for else None
        if first is None or first.state in (DeliveryState.FAILED, DeliveryState.SUPPRESSED):
            return parcel
        if first.state.reaches(channel.stands_in_unless):
            return Done(DeliveryState.SUPPRESSED, f"not needed: {first.state} on {words.CHANNELS[first.channel_kind]}")
        due_ms = delivery.queued_ms + channel.stands_in_after_min * MINUTE_MS
        if due_ms <= self._now_ms():
            return parcel
        awaited = f"unless it is {channel.stands_in_unless} on {words.CHANNELS[first.channel_kind]} before"
        return Parked(due_ms, f"goes out {words.clock(due_ms, self._now_ms())}, {awaited}")

    def _not_quiet(self, parcel: Parcel) -> Parcel | Outcome:
        channel = parcel.channel
        assert channel is not None, "found by the stage before"
        until_ms = channel.quiet.until_ms(self._now_ms()) if channel.quiet else 0
        if not until_ms:
            return parcel
        reason = f"quiet hours until {words.clock(until_ms, self._now_ms())}: told together with others then"
        return Parked(until_ms, reason, digest.summary_id(Why.QUIET, channel.id, until_ms))

    def _render(self, parcel: Parcel) -> Parcel:
        delivery = parcel.delivery
        message = render.message(
            delivery.id,
            parcel.alert,
            now_ms=self._now_ms(),
            age_ms=self._now_ms() - delivery.queued_ms,
            useful_ms=USEFUL_MS,
            channel=delivery.channel,
            template=templates.template_of(self._store, delivery.user),
        )
        return replace(parcel, message=replace(message, is_silent=parcel.is_silent))


def _through(stages: Sequence[Stage], parcel: Parcel) -> Parcel | Ended:
    step: Parcel | Outcome = parcel
    for stage in stages:
        if not isinstance(step, Parcel):
            break
        step = stage(step)
    return step if isinstance(step, Parcel) else Ended(parcel.delivery.id, step, (parcel.delivery,))
