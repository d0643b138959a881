"""What stops a delivery before a provider is asked: the policy, as two lists of stages.

Each stage decides from what it is given and what the store says, and says why.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from stormalert import words
from stormalert.model import USEFUL_MS, Alert, Channel, Delivery, DeliveryState
from stormalert.notify import preferences, templates
from stormalert.notify.preferences import Loudness
from stormalert.store import Store
from stormalert.units import MINUTE_MS
from workers import digest, render
from workers.digest import Why
from workers.pipeline.outcome import Done, Outcome, Parked
from workers.render import Message


@dataclass(frozen=True, slots=True)
class Parcel:
    """A delivery with what the stages found for it."""

    delivery: Delivery
    alert: Alert
    channel: Channel | None = None
    message: Message | None = None
    is_silent: bool = False


# With the store, and what time it is in ms. Stages run in threads and raise StormError when the store is away.
Stage = Callable[[Parcel, Store, int], Parcel | Outcome]


def through(stages: Sequence[Stage], parcel: Parcel, store: Store, now_ms: int) -> Parcel | Outcome:
    for stage in stages:
        step = stage(parcel, store, now_ms)
        if not isinstance(step, Parcel):
            return step
        parcel = step
    return parcel


def _is_on(parcel: Parcel, _store: Store, _now_ms: int) -> Parcel | Outcome:
    channel = parcel.channel
    if channel is None:
        return Done(DeliveryState.SUPPRESSED, "the channel was removed")
    if not channel.is_on:
        why = f": {channel.reason}" if channel.reason else ""
        return Done(DeliveryState.SUPPRESSED, f"the channel is off{why}")
    if not channel.is_verified:
        return Done(DeliveryState.SUPPRESSED, "the channel is not verified")
    return replace(parcel, is_silent=channel.is_silent)


def _is_news(parcel: Parcel, _store: Store, now_ms: int) -> Parcel | Outcome:
    if parcel.delivery.is_news(now_ms):
        return parcel
    why = f"too old to be news: fired {render.age(now_ms - parcel.delivery.queued_ms)} ago"
    why += f"; last try: {parcel.delivery.reason}" if parcel.delivery.reason else ""
    return Done(DeliveryState.SUPPRESSED, why)


def _is_not_muted(parcel: Parcel, store: Store, now_ms: int) -> Parcel | Outcome:
    mutes = store.mutes_of(parcel.delivery.user, now_ms)
    mute = next((mute for mute in mutes if mute.covers(parcel.alert)), None)
    return Done(DeliveryState.SUPPRESSED, f"you {words.mute(mute, now_ms)}") if mute else parcel


def _is_wanted(parcel: Parcel, store: Store, _now_ms: int) -> Parcel | Outcome:
    """By its rule."""
    wanted = preferences.of_rule(store, parcel.alert.owners_rule)
    if wanted.loudness is Loudness.OFF:
        return Done(DeliveryState.SUPPRESSED, "the rule sends no messages")
    if wanted.channels and parcel.delivery.channel not in wanted.channels:
        return Done(DeliveryState.SUPPRESSED, "the rule sends to other channels")
    return replace(parcel, is_silent=parcel.is_silent or wanted.loudness is Loudness.SILENT)


def _is_needed(parcel: Parcel, store: Store, now_ms: int) -> Parcel | Outcome:
    """Of a fallback channel: whether the one that comes first did not do."""
    channel, delivery, alert = parcel.channel, parcel.delivery, parcel.alert
    assert channel is not None, "found by the stage before"
    first = store.delivery(Delivery.id_of(alert.id, channel.stands_in_for)) if channel.stands_in_for else None
    if first is None or first.state in (DeliveryState.FAILED, DeliveryState.SUPPRESSED):
        return parcel
    if first.state.reaches(channel.stands_in_unless):
        return Done(DeliveryState.SUPPRESSED, f"not needed: {first.state} on {words.CHANNELS[first.channel_kind]}")
    due_ms = delivery.queued_ms + channel.stands_in_after_min * MINUTE_MS
    if due_ms <= now_ms:
        return parcel
    awaited = f"unless it is {channel.stands_in_unless} on {words.CHANNELS[first.channel_kind]} before"
    return Parked(due_ms, f"goes out {words.clock(due_ms, now_ms)}, {awaited}")


def _is_not_quiet(parcel: Parcel, _store: Store, now_ms: int) -> Parcel | Outcome:
    channel = parcel.channel
    assert channel is not None, "found by the stage before"
    quiet = channel.quiet
    until_ms = quiet.until_ms(now_ms) if quiet else 0
    if not quiet or not until_ms:
        return parcel
    reason = f"quiet hours until {words.clock_in(quiet.zone, until_ms, now_ms)}: told together with others then"
    return Parked(until_ms, reason, digest.digest_id(Why.QUIET, channel.id, until_ms))


def _render(parcel: Parcel, store: Store, now_ms: int) -> Parcel:
    delivery = parcel.delivery
    message = render.message(
        delivery.id,
        parcel.alert,
        now_ms=now_ms,
        age_ms=now_ms - delivery.queued_ms,
        useful_ms=USEFUL_MS,
        channel=delivery.channel,
        template=templates.template_of(store, delivery.user),
    )
    return replace(parcel, message=replace(message, is_silent=parcel.is_silent))


# A message of its own.
ALONE: tuple[Stage, ...] = (_is_on, _is_news, _is_not_muted, _is_wanted, _is_needed, _is_not_quiet, _render)
# Told with others, in a message in which what is old by now is told all the same, and said to be old.
TOGETHER: tuple[Stage, ...] = (_is_on, _is_not_muted, _is_wanted, _is_needed, _is_not_quiet)
