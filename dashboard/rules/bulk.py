"""Many rules changed at once: only the fields that are chosen, and only when they fit."""

import streamlit as st

from dashboard import flash, resources, texts, viewer
from dashboard.rules import changes, form
from dashboard.rules.changes import Change
from dashboard.rules.choice import Chosen
from stormalert import words
from stormalert.errors import Conflict, InputError
from stormalert.model import Direction, Kind, Repeat, Rule
from stormalert.units import parse_percent_e2

_MISFITS_SHOWN = 10
_PERCENT, _WINDOW, _DIRECTION, _REPEAT, _PAUSE = "Percent", "Within", "Direction", "Fires", "Pause after an alert"


@st.dialog("Edit rules", on_dismiss="rerun")
def edit(chosen: Chosen) -> None:
    st.caption(
        f"{words.grouped(chosen.size)} rules. What you do not choose stays as it is with each. Those that watch are armed "
        "anew, those that are paused or done stay so."
    )
    fields = st.pills("Change", [_PERCENT, _WINDOW, _DIRECTION, _REPEAT, _PAUSE], selection_mode="multi", key="bulk-fields")
    typed = _ask(fields)
    leaves_out = st.toggle("Leave out those that it does not fit", help="Else nothing is changed when it does not fit all.")
    if st.button("Save rules", type="primary", width="stretch", disabled=not fields):
        if viewer.required().user.id != chosen.user:
            return
        try:
            change = _read(typed)
        except InputError as error:
            st.error(str(error))
        else:
            _save(chosen, change, leaves_out=leaves_out)


def _ask(fields: list[str]) -> dict[str, str | None]:
    """Draws those that are chosen, and returns what is in them."""
    typed: dict[str, str | None] = {}
    if _PERCENT in fields:
        typed[_PERCENT] = st.text_input(_PERCENT, value="2", help="Up to two decimals, such as 0.75")
    if _WINDOW in fields:
        typed[_WINDOW] = _duration(_WINDOW, form.USUAL_WINDOWS, 1)
    if _DIRECTION in fields:
        names = texts.DIRECTION_NAMES[Kind.ROLLING]
        typed[_DIRECTION] = st.radio(_DIRECTION, list(Direction), format_func=names.__getitem__, horizontal=True, index=2)
    if _REPEAT in fields:
        typed[_REPEAT] = st.radio(_REPEAT, list(Repeat), format_func=texts.REPEAT_NAMES.__getitem__, horizontal=True)
    if _PAUSE in fields:
        typed[_PAUSE] = _duration(_PAUSE, form.USUAL_PAUSES, 0)
    return typed


def _duration(label: str, options: tuple[str, ...], index: int) -> str | None:
    return st.selectbox(
        label,
        options,
        index=index,
        accept_new_options=True,
        format_func=lambda text: "As long as usual" if text == form.USUAL_PAUSE else text,
        help="Choose one, or type your own, such as 90s, 5m or 1h",
    )


def _read(typed: dict[str, str | None]) -> Change:
    """Raises InputError."""
    pause = typed.get(_PAUSE)
    return Change(
        percent_e2=parse_percent_e2(typed[_PERCENT] or "") if _PERCENT in typed else None,
        window_ms=form.window_ms(typed[_WINDOW] or "") if _WINDOW in typed else None,
        direction=Direction(typed[_DIRECTION] or "") if _DIRECTION in typed else None,
        repeat=Repeat(typed[_REPEAT] or "") if _REPEAT in typed else None,
        cooldown_ms=form.pause_ms(pause or "") if _PAUSE in typed and pause != form.USUAL_PAUSE else None,
        is_usual_pause=pause == form.USUAL_PAUSE,
    )


def _save(chosen: Chosen, change: Change, *, leaves_out: bool) -> None:
    store = resources.store()
    # Before the first is changed: whether it fits all of them.
    misfits = [text for batch in chosen.batches(store) for text in changes.change_all(batch, change).misfits]
    if misfits and not leaves_out:
        st.error(f"Nothing was changed: it does not fit {words.grouped(len(misfits))} of {words.grouped(chosen.size)}.")
        st.text("\n".join(misfits[:_MISFITS_SHOWN]))
        if len(misfits) > _MISFITS_SHOWN:
            st.caption(f"And {words.grouped(len(misfits) - _MISFITS_SHOWN)} more.")
        return
    bar = st.progress(0.0)
    saved = seen = 0
    for batch in chosen.batches(store):
        rules: list[Rule] = changes.change_all(batch, change).rules
        try:
            saved += len(store.save_rules(rules[::-1]))
        except Conflict:
            done = f"{words.grouped(saved)} were saved before it." if saved else "Nothing was saved."
            st.error(f"A rule changed meanwhile. {done} Close this and look again.")
            return
        seen += len(batch)
        bar.progress(min(seen / chosen.size, 1.0))
    left = f" {words.grouped(len(misfits))} left out." if misfits else ""
    flash.leave(f"{words.count_of(saved, 'rule')} changed.{left}")
    st.rerun()
