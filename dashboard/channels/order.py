"""Which of a user's channels are primary, and which are whose fallback: in sentences, and changed by moving them. Pure.

A primary channel gets every alert at once; behind each of them are its fallbacks, by the minutes that they wait.
"""

from collections.abc import Sequence

from stormalert import channels as kinds
from stormalert import words
from stormalert.model import FALLBACK_MAX_MIN, Channel, ChannelKind, DeliveryState

_NOT_SO_FAR = {
    DeliveryState.READ: "is not read",
    DeliveryState.DELIVERED: "is not on the phone",
    DeliveryState.SENT: "is not sent",
}
_STEP_MIN = 5


def reported(kind: ChannelKind) -> Sequence[DeliveryState]:
    """What its provider tells of a message that it took, the furthest first."""
    return kinds.of(kind).reports


def in_order(channels: Sequence[Channel]) -> list[Channel]:
    """Each primary one, with its fallbacks behind it."""
    found: list[Channel] = []
    for channel in channels:
        if primary_of(channel, channels) is None:
            found += _with_fallbacks(channel, channels, found)
    # Those that only wait for each other, which the REST routes would allow.
    return found + [channel for channel in channels if channel not in found]


def primary_of(channel: Channel, channels: Sequence[Channel]) -> Channel | None:
    """The one whose fallback it is; None when it is primary itself."""
    return next((it for it in channels if it.id == channel.stands_in_for and it.id != channel.id), None)


def fallbacks_of(channel: Channel, channels: Sequence[Channel]) -> list[Channel]:
    found = [it for it in channels if it.stands_in_for == channel.id and it.id != channel.id]
    return sorted(found, key=lambda it: it.stands_in_after_min)


def possible_primaries(channel: Channel, channels: Sequence[Channel]) -> list[Channel]:
    """Whose fallback it may be: a channel that gets alerts at once. One that has fallbacks stays primary itself."""
    if fallbacks_of(channel, channels):
        return []
    return [it for it in channels if it.id != channel.id and primary_of(it, channels) is None]


def name(channel: Channel) -> str:
    return f"{words.CHANNELS[channel.kind]} {kinds.shown(channel)}"


def told(channel: Channel, channels: Sequence[Channel]) -> str:
    """Which alerts it gets, in one sentence."""
    first = primary_of(channel, channels)
    if first is None:
        return "Gets every alert at once."
    minutes, lag = channel.stands_in_after_min, _NOT_SO_FAR.get(channel.stands_in_unless, "is not sent")
    return f"Only if an alert {lag} on {name(first)} after {minutes} min, or at once when it fails there."


def way(channels: Sequence[Channel]) -> list[str]:
    """The way of an alert over all channels that take some, a sentence a step."""
    taking = [it for it in channels if it.takes_alerts]
    firsts = [it for it in taking if primary_of(it, taking) is None]
    if not firsts:
        return []
    found = [f"Every alert goes at once to {_listed([name(it) for it in firsts])}."]
    for channel in (it for first in firsts for it in fallbacks_of(first, taking)):
        first = primary_of(channel, taking)
        assert first is not None, "it is among its fallbacks"
        lag = _NOT_SO_FAR.get(channel.stands_in_unless, "is not sent")
        found.append(f"{name(channel)} is the fallback when it {lag} on {name(first)} after {channel.stands_in_after_min} min.")
    return found


def moved_up(channel: Channel, channels: Sequence[Channel]) -> list[Channel]:
    """The channels that change, as they are to be, so that it comes before the one that it is behind; none when it is first."""
    first = primary_of(channel, channels)
    if first is None:
        return []
    row = fallbacks_of(first, channels)
    place = row.index(channel)
    if place:
        before = row[place - 1]
        earlier, later = before.stands_in_after_min, channel.stands_in_after_min
        later = later if later > earlier else min(earlier + _STEP_MIN, FALLBACK_MAX_MIN)
        return [_waiting(channel, earlier), _waiting(before, later)]
    behind = {
        "stands_in_for": channel.id,
        "stands_in_unless": reported(channel.kind)[0],
        "stands_in_after_min": channel.stands_in_after_min,
    }
    # The new first one goes first: in between nothing waits for a channel that waits itself.
    changed = [channel.model_copy(update={"stands_in_for": first.stands_in_for}), first.model_copy(update=behind)]
    for other in row[1:]:
        changed.append(other.model_copy(update={"stands_in_for": channel.id, "stands_in_unless": reported(channel.kind)[0]}))
    return changed


def moved_down(channel: Channel, channels: Sequence[Channel]) -> list[Channel]:
    """The same the other way round; none when nothing is behind it."""
    behind = _next(channel, channels)
    return moved_up(behind, channels) if behind else []


def _next(channel: Channel, channels: Sequence[Channel]) -> Channel | None:
    first = primary_of(channel, channels)
    row = fallbacks_of(first or channel, channels)
    place = row.index(channel) + 1 if first else 0
    return row[place] if place < len(row) else None


def _waiting(channel: Channel, minutes: int) -> Channel:
    return channel.model_copy(update={"stands_in_after_min": minutes})


def _with_fallbacks(channel: Channel, channels: Sequence[Channel], known: Sequence[Channel]) -> list[Channel]:
    found = [channel]
    for other in fallbacks_of(channel, channels):
        if other not in known and other not in found:
            found += _with_fallbacks(other, channels, [*known, *found])
    return found


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
