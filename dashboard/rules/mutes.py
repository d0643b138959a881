"""Mute and snooze: what fires, and goes into the history, but to no phone."""

import streamlit as st

from dashboard import flash, resources, viewer
from stormalert import words
from stormalert.model import Mute, MuteScope, Rule
from stormalert.rules import line as rule_line
from stormalert.units import HOUR_MS, now_ms

# Drawn one by one; who has more lifts them rule by rule.
MOST_SHOWN = 20
_LENGTHS = {"1 hour": HOUR_MS, "4 hours": 4 * HOUR_MS, "Until further notice": 0}
_RULES, _INSTRUMENTS = "These rules", "Their instruments"


def held(user: str) -> list[Mute]:
    return resources.store().mutes_of(user, now_ms())


def show() -> None:
    """What is silent now, each with its way back."""
    mutes = held(viewer.required().user.id)
    for mute in mutes[:MOST_SHOWN]:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            # As text: a rule's line is never read as Markdown.
            st.text(f"You {words.mute(mute)}.", width="stretch")
            if st.button("Unmute", icon=":material/notifications:", key=f"unmute-{mute.id}"):
                _lift([mute])
    if len(mutes) > MOST_SHOWN:
        st.caption(f"And {len(mutes) - MOST_SHOWN} more; mark their rules to unmute them.")


def offer_back(chosen: list[Rule], mutes: list[Mute]) -> None:
    """The way back for the marked rules."""
    theirs = [mute for mute in mutes if any(_is_about(mute, rule) for rule in chosen)]
    if theirs and st.button("Unmute", icon=":material/notifications:", key="unmute-marked"):
        _lift(theirs)


@st.dialog("Snooze", on_dismiss="rerun")
def ask(chosen: list[Rule]) -> None:
    """`chosen` empty: everything."""
    who = viewer.required()
    st.caption("Rules go on firing and alerts stay in the history; no message is sent.")
    what = _RULES
    if chosen and not any(rule.is_on_watchlist for rule in chosen):
        what = st.radio("What", [_RULES, _INSTRUMENTS], horizontal=True, label_visibility="collapsed") or _RULES
    until_ms = _until_ms()
    if until_ms is None:
        return
    make = _on_rule if what == _RULES else _on_instrument
    _add([make(rule, until_ms) for rule in chosen] or [Mute.of(who.user.id, MuteScope.ALL, until_ms=until_ms)])


def state(rule: Rule, mutes: list[Mute]) -> str:
    """A rule's own silence in a word for the table; empty when it is heard."""
    found = next((mute for mute in mutes if mute.scope is MuteScope.ALL or _is_about(mute, rule)), None)
    if found is None:
        return ""
    return f"snoozed until {words.clock(found.until_ms)}" if found.until_ms else "muted"


def _until_ms() -> int | None:
    """When what was pressed ends, 0 for never; None when nothing was pressed."""
    for label, length_ms in _LENGTHS.items():
        if st.button(label, key=f"snooze-{label}", width="stretch"):
            return now_ms() + length_ms if length_ms else 0
    return None


def _on_rule(rule: Rule, until_ms: int) -> Mute:
    return Mute.of(rule.user, MuteScope.RULE, rule.id, name=rule_line.write(rule), until_ms=until_ms)


def _on_instrument(rule: Rule, until_ms: int) -> Mute:
    return Mute.of(rule.user, MuteScope.INSTRUMENT, str(rule.token), name=rule.symbol, until_ms=until_ms)


def _is_about(mute: Mute, rule: Rule) -> bool:
    return (mute.scope, mute.subject) in ((MuteScope.RULE, rule.id), (MuteScope.INSTRUMENT, str(rule.token)))


def _add(mutes: list[Mute]) -> None:
    who = viewer.required()
    for mute in mutes:
        if mute.user == who.user.id:
            resources.store().save_mute(mute)
    flash.leave(f"You {words.mute(mutes[0])}." if len(mutes) == 1 else f"{len(mutes)} snoozed.")
    st.rerun()


def _lift(mutes: list[Mute]) -> None:
    who = viewer.required()
    lifted = [mute for mute in mutes if mute.user == who.user.id and resources.store().delete_mute(mute.id)]
    flash.leave(f"{len(lifted)} unmuted." if len(lifted) != 1 else "Unmuted.")
    st.rerun()
