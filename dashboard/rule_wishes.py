"""What becomes of the marked rules' alerts: with a sound, without, in the history only; and to which channels."""

import streamlit as st

from dashboard import flash, resources, texts, viewer
from stormalert import wishes
from stormalert.model import Rule
from stormalert.wishes import Loudness, RuleWish

_NAMES = {Loudness.ON: "As usual", Loudness.SILENT: "Without a sound", Loudness.OFF: "None, history only"}


def offer(chosen: list[Rule]) -> None:
    if st.button("Messages", icon=":material/campaign:"):
        _ask(chosen)


def told(wish: RuleWish) -> str:
    """For the table; empty where nothing is special."""
    if wish.loudness is Loudness.OFF:
        return "no messages"
    parts = ["silent"] if wish.loudness is Loudness.SILENT else []
    if wish.channels:
        parts.append("some channels" if len(wish.channels) > 1 else "one channel")
    return ", ".join(parts)


@st.dialog("Messages")
def _ask(chosen: list[Rule]) -> None:
    who = viewer.required()
    st.caption("The rules stay armed as they are. Alerts are in the history whatever you choose here.")
    before = wishes.of_rule(resources.store(), chosen[0].id)
    choices = list(Loudness)
    loudness = st.radio(
        "Messages come",
        choices,
        index=choices.index(before.loudness),
        format_func=_NAMES.__getitem__,
        help="Telegram can send without a sound; other channels send as usual then.",
    )
    channels = {it.id: f"{texts.CHANNEL_NAMES[it.kind]} {it.address}" for it in resources.store().channels_of(who.user.id)}
    picked = st.multiselect(
        "Channels",
        list(channels),
        default=[it for it in before.channels if it in channels],
        format_func=channels.__getitem__,
        placeholder="All of mine",
        disabled=loudness is Loudness.OFF,
    )
    if st.button("Save messages", type="primary", width="stretch"):
        wish = RuleWish(loudness=loudness, channels=tuple(picked))
        for rule in chosen:
            if rule.user == who.user.id:
                wishes.save_of_rule(resources.store(), rule.id, wish)
        flash.leave("Messages saved." if len(chosen) == 1 else f"Messages of {len(chosen)} rules saved.")
        st.rerun()
