"""What becomes of the marked rules' alerts: with a sound, without, in the history only; and to which channels."""

import streamlit as st

from dashboard import flash, resources, texts, viewer
from dashboard.rules.choice import Chosen
from stormalert import channels as kinds
from stormalert import words
from stormalert.notify import preferences
from stormalert.notify.preferences import Loudness, RulePreferences

_NAMES = {Loudness.ON: "As usual", Loudness.SILENT: "Without a sound", Loudness.OFF: "None, history only"}


def told(wanted: RulePreferences) -> str:
    """For the table; empty where nothing is special."""
    if wanted.loudness is Loudness.OFF:
        return "no messages"
    parts = ["silent"] if wanted.loudness is Loudness.SILENT else []
    if wanted.channels:
        parts.append("some channels" if len(wanted.channels) > 1 else "one channel")
    return ", ".join(parts)


@st.dialog("Messages", on_dismiss="rerun")
def ask(chosen: Chosen) -> None:
    who = viewer.required()
    st.caption("The rules stay armed as they are. Alerts are in the history whatever you choose here.")
    before = preferences.of_rule(resources.store(), chosen.rules[0].id)
    choices = list(Loudness)
    loudness = st.radio(
        "Messages come",
        choices,
        index=choices.index(before.loudness),
        format_func=_NAMES.__getitem__,
        help="Telegram can send without a sound; other channels send as usual then.",
    )
    channels = {it.id: f"{texts.CHANNEL_NAMES[it.kind]} {kinds.shown(it)}" for it in resources.store().channels_of(who.user.id)}
    picked = st.multiselect(
        "Channels",
        list(channels),
        default=[it for it in before.channels if it in channels],
        format_func=channels.__getitem__,
        placeholder="All of mine",
        disabled=loudness is Loudness.OFF,
    )
    if st.button("Save messages", type="primary", width="stretch"):
        wanted = RulePreferences(loudness=loudness, channels=tuple(picked))
        bar = st.progress(0.0)
        done = 0
        for batch in chosen.batches(resources.store()):
            for rule in batch:
                preferences.save_of_rule(resources.store(), rule.id, wanted)
            done += len(batch)
            bar.progress(min(done / chosen.size, 1.0))
        flash.leave("Messages saved." if done == 1 else f"Messages of {words.grouped(done)} rules saved.")
        st.rerun()
