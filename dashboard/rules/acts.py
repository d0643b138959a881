"""What can be done with the chosen rules, one or thousands: pause, resume, re-arm, delete, duplicate, snooze, messages."""

from collections.abc import Callable

import streamlit as st

from dashboard import flash, resources, texts, viewer
from dashboard.rules import bulk, changes, choice, dialog, mutes, routing, subjects
from dashboard.rules.choice import BATCH, Chosen
from stormalert import words
from stormalert.batches import batched
from stormalert.config import policy
from stormalert.errors import InputError
from stormalert.model import Mute, Rule, RuleState

_ASKED = "rules-asked"
# Named before they are deleted; the rest is counted.
_NAMED = 10
# Each is looked at with every message of its user.
MOST_SNOOZED = 500
_MOVES = {
    "pause": ("paused", changes.in_state(RuleState.PAUSED, RuleState.ACTIVE)),
    "resume": ("resumed", changes.in_state(RuleState.ACTIVE, RuleState.PAUSED)),
    "rearm": ("re-armed", changes.in_state(RuleState.ACTIVE)),
}


def ask(act: str) -> None:
    """Has it done by the whole page: only a dialog of its own outlives the table, which is drawn anew every few seconds."""
    st.session_state[_ASKED] = act
    st.rerun()


def asked() -> str:
    return str(st.session_state.pop(_ASKED, ""))


def buttons(chosen: Chosen, silent: list[Mute]) -> None:
    states = {rule.state for rule in chosen.rules} if chosen.only is None else set(RuleState)
    for act, label, icon, is_off, help_text in (
        ("edit", "Edit", "edit", False, None),
        ("pause", "Pause", "pause", RuleState.ACTIVE not in states, None),
        ("resume", "Resume", "play_arrow", RuleState.PAUSED not in states, None),
        ("rearm", "Re-arm", "restart_alt", False, "Starts over at the next tick, whatever happened before."),
        ("duplicate", "Duplicate", "content_copy", False, "Onto the same or other instruments."),
        ("snooze", "Snooze", "notifications_off", False, None),
        ("messages", "Messages", "campaign", False, None),
        ("delete", "Delete", "delete", False, None),
    ):
        if st.button(label, icon=f":material/{icon}:", disabled=is_off, help=help_text, key=f"act-{act}"):
            ask(act)
    mutes.offer_back(chosen.rules, silent)


def do(act: str, chosen: Chosen) -> None:
    """What was asked for."""
    if act in _MOVES:
        done, make = _MOVES[act]
        _change(chosen, make, done)
    elif act == "edit" and chosen.size == 1:
        dialog.edit(chosen.rules[0])
    elif act == "edit":
        bulk.edit(chosen)
    elif act == "duplicate":
        _duplicate(chosen)
    elif act == "snooze":
        _snooze(chosen)
    elif act == "messages":
        routing.ask(chosen)
    elif act == "delete":
        _delete(chosen)


def _change(chosen: Chosen, make: Callable[[Rule], Rule | None], done: str) -> None:
    if chosen.size > BATCH:
        _change_many(chosen, make, done)
    else:
        _finish(chosen, make, done, lambda seen: None)


@st.dialog("Working", dismissible=False)
def _change_many(chosen: Chosen, make: Callable[[Rule], Rule | None], done: str) -> None:
    """So that nobody presses anything meanwhile: a page that is drawn anew would stop it between two batches."""
    bar = st.progress(0.0, "0 rules")
    _finish(chosen, make, done, lambda seen: bar.progress(min(seen / chosen.size, 1.0), f"{words.grouped(seen)} rules"))


def _finish(chosen: Chosen, make: Callable[[Rule], Rule | None], done: str, progress: choice.Progress) -> None:
    if viewer.required().user.id != chosen.user:
        return
    saved, missed = choice.change(resources.store(), chosen, make, progress)
    flash.leave(f"{words.count_of(saved, 'rule')} {done}." + (f" {words.grouped(missed)} changed meanwhile." if missed else ""))
    st.rerun()


@st.dialog("Delete rules", on_dismiss="rerun")
def _delete(chosen: Chosen) -> None:
    st.write("They stop watching. Their alerts stay in the history.")
    st.text("\n".join(f"{rule.symbol}: {texts.condition(rule)}" for rule in chosen.rules[:_NAMED]))
    if chosen.size > _NAMED:
        st.caption(f"And {words.grouped(chosen.size - min(len(chosen.rules), _NAMED))} more.")
    noun = "" if chosen.size == 1 else f" {words.grouped(chosen.size)} rules"
    if st.button(f"Delete{noun}", type="primary", icon=":material/delete:", key="confirm-deletion"):
        bar = st.progress(0.0)
        make = changes.in_state(RuleState.DELETED)
        _finish(chosen, make, "deleted", lambda seen: bar.progress(min(seen / chosen.size, 1.0)))


@st.dialog("Snooze", on_dismiss="rerun")
def _too_many_to_snooze(count: int) -> None:
    st.write(
        f"{words.grouped(count)} rules are too many to snooze one by one; at most {MOST_SNOOZED} can be. "
        "Look for fewer, pause them, or use **Snooze all**."
    )


def _snooze(chosen: Chosen) -> None:
    if chosen.size > MOST_SNOOZED:
        _too_many_to_snooze(chosen.size)
    else:
        mutes.ask(chosen.all(resources.store()))


@st.dialog("Duplicate rules", on_dismiss="rerun")
def _duplicate(chosen: Chosen) -> None:
    noun = words.count_of(chosen.size, "rule")
    same, other = "The same instruments", "Other instruments"
    where = st.segmented_control(f"{noun}, onto", [same, other], default=same, required=True)
    onto_what = None
    if where == other:
        onto_what = subjects.ask(chosen.user, "duplicate", (subjects.SEVERAL, subjects.ONE))
    is_paused = st.toggle(
        "Start paused", value=where == same, key=f"paused-{where}", help="On the same instrument both would fire together."
    )
    if not st.button("Duplicate", type="primary", width="stretch", key="confirm-duplication"):
        return
    store = resources.store()
    try:
        onto = subjects.chosen(onto_what) if onto_what else []
        policy.check_rules(store, viewer.required().user.id, chosen.size * max(len(onto), 1))
    except InputError as error:
        st.error(str(error))
        return
    bar = st.progress(0.0)
    made = seen = 0
    for batch in chosen.batches(store):
        copies = changes.copies(batch, onto, is_paused=is_paused)
        for some in batched(copies, BATCH):
            made += len(store.save_rules(some[::-1]))
        seen += len(batch)
        bar.progress(min(seen / chosen.size, 1.0))
    flash.leave(f"{words.count_of(made, 'rule')} made{', paused' if is_paused else ''}.")
    st.rerun()
