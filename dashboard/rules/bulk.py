"""Many rules changed at once: only the fields that are chosen, and only when they fit."""

import streamlit as st

from dashboard import flash, resources, texts, viewer
from dashboard.rules import changes, form
from dashboard.rules.changes import Change
from dashboard.rules.choice import Chosen
from stormalert import words
from stormalert.errors import Conflict, InputError
from stormalert.model import Direction, Repeat, Rule
from stormalert.rules.kinds.description import WAYS
from stormalert.rules.kinds.fields import COOLDOWN, PERCENT, WINDOW, Field

_MISFITS_SHOWN = 10
_DIRECTION, _REPEAT, _PAUSE = "Direction", "Fires", COOLDOWN.label
# A level is each rule's own.
_AMOUNTS = {field.label: field for field in (PERCENT, WINDOW)}


@st.dialog("Edit rules", on_dismiss="rerun")
def edit(chosen: Chosen) -> None:
    st.caption(
        f"{words.grouped(chosen.size)} rules. What you do not choose stays as it is with each. Those that watch are re-armed, "
        "those that are paused or done stay so."
    )
    fields = st.pills("Change", [*_AMOUNTS, _DIRECTION, _REPEAT, _PAUSE], selection_mode="multi", key="bulk-fields")
    typed = _ask(fields)
    leaves_out = st.toggle("Leave out those that it does not fit", help="Else nothing is changed when it does not fit all.")
    if st.button("Save rules", type="primary", width="stretch", disabled=not fields):
        if viewer.required().user.id != chosen.user:
            return
        try:
            change = _read(typed)
        except InputError as error:
            st.error(form.sentence(str(error)))
        else:
            _save(chosen, change, leaves_out=leaves_out)


def _ask(fields: list[str]) -> dict[str, str | None]:
    """Draws those that are chosen, and returns what is in them."""
    typed: dict[str, str | None] = {}
    for label in [label for label in _AMOUNTS if label in fields]:
        field = _AMOUNTS[label]
        if field.offered:
            typed[label] = _choose(field)
        else:
            typed[label] = st.text_input(label, value=field.usual, help=field.help)
    if _DIRECTION in fields:
        typed[_DIRECTION] = st.radio(_DIRECTION, list(Direction), format_func=WAYS.__getitem__, horizontal=True, index=2)
    if _REPEAT in fields:
        typed[_REPEAT] = st.radio(_REPEAT, list(Repeat), format_func=texts.REPEAT_NAMES.__getitem__, horizontal=True)
    if _PAUSE in fields:
        typed[_PAUSE] = _choose(COOLDOWN)
    return typed


def _choose(field: Field) -> str | None:
    return st.selectbox(
        field.label,
        field.offered,
        index=field.offered.index(field.usual),
        accept_new_options=True,
        format_func=lambda text: "As long as usual" if text == form.USUAL_PAUSE else text,
        help=field.help,
    )


def _read(typed: dict[str, str | None]) -> Change:
    """Raises InputError."""
    pause = typed.get(_PAUSE)
    amounts = {field.attribute: field.read(typed[label] or "") for label, field in _AMOUNTS.items() if label in typed}
    return Change(
        **amounts,
        direction=Direction(typed[_DIRECTION] or "") if _DIRECTION in typed else None,
        repeat=Repeat(typed[_REPEAT] or "") if _REPEAT in typed else None,
        cooldown_ms=COOLDOWN.read(pause or "") if _PAUSE in typed and pause != form.USUAL_PAUSE else None,
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
