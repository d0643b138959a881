"""When a channel is to get alerts: its quiet hours, and whether it is the fallback of another one."""

from collections.abc import Sequence
from datetime import time

import streamlit as st

from dashboard.channels import book, order
from stormalert.model import FALLBACK_MAX_MIN, Channel, QuietHours

_USUAL = QuietHours(from_min=22 * 60, to_min=7 * 60)


def ask(channel: Channel, channels: Sequence[Channel]) -> Channel | None:
    """Draws the way to it; the channel as it is to be, when its owner wants another one."""
    # Anew when somebody saved: a field of before would put its old value back.
    key = f"{channel.id}-{channel.revision}"
    with st.popover("When", icon=":material/schedule:"):
        quiet = _quiet(channel, key)
        changes = {"quiet": quiet, **_fallback(channel, channels, key)}
        if quiet and quiet.from_min == quiet.to_min:
            st.error("Quiet hours need an end that is not their beginning.")
            return None
        if st.button("Save", key=f"save-when-{key}", type="primary", width="stretch"):
            return channel.model_copy(update=changes)
    return None


def told(channel: Channel) -> str:
    """Its quiet hours, in a sentence; empty when it has none."""
    if not channel.quiet:
        return ""
    begins, ends = _clock(channel.quiet.from_min), _clock(channel.quiet.to_min)
    return f"Quiet from {begins} to {ends} ({channel.quiet.zone}): what fires then is told at {ends} in one message."


def _quiet(channel: Channel, key: str) -> QuietHours | None:
    is_quiet = st.toggle(
        "Quiet hours",
        value=channel.quiet is not None,
        key=f"quiet-{key}",
        help="What fires in them is told in one message at their end.",
    )
    if not is_quiet:
        return None
    before = channel.quiet or _USUAL
    left, right = st.columns(2)
    begins = left.time_input("From", _time(before.from_min), key=f"quiet-from-{key}")
    ends = right.time_input("To", _time(before.to_min), key=f"quiet-to-{key}")
    zones = book.zones() if before.zone in book.zones() else [before.zone, *book.zones()]
    zone = st.selectbox("Time zone", zones, index=zones.index(before.zone), key=f"quiet-zone-{key}")
    # Checked by the caller: two equal times are no quiet hours.
    return QuietHours.model_construct(from_min=_minutes(begins), to_min=_minutes(ends), zone=zone)


def _fallback(channel: Channel, channels: Sequence[Channel], key: str) -> dict[str, object]:
    firsts = order.possible_primaries(channel, channels)
    if not firsts:
        if order.fallbacks_of(channel, channels):
            st.caption("It has fallback channels, so it gets every alert at once.")
        return {}
    names = {"": "Always, at once", **{it.id: f"Only if {order.name(it)} fails" for it in firsts}}
    ids = list(names)
    first = st.selectbox(
        "Gets alerts",
        ids,
        index=ids.index(channel.stands_in_for) if channel.stands_in_for in ids else 0,
        format_func=names.__getitem__,
        key=f"first-{key}",
    )
    kind = next((it.kind for it in firsts if it.id == first), None)
    if kind is None:
        return {"stands_in_for": ""}
    states = order.reported(kind)
    left, right = st.columns(2)
    unless = left.selectbox(
        "Unless it is",
        states,
        index=states.index(channel.stands_in_unless) if channel.stands_in_unless in states else 0,
        format_func=str,
        key=f"unless-{key}",
    )
    after = right.number_input(
        "After minutes",
        min_value=1,
        max_value=FALLBACK_MAX_MIN,
        value=channel.stands_in_after_min,
        key=f"after-{key}",
        help="When it fails, sooner.",
    )
    return {"stands_in_for": first, "stands_in_unless": unless, "stands_in_after_min": int(after)}


def _time(minutes: int) -> time:
    return time(minutes // 60, minutes % 60)


def _minutes(it: time) -> int:
    return it.hour * 60 + it.minute


def _clock(minutes: int) -> str:
    return f"{_time(minutes):%H:%M}"
