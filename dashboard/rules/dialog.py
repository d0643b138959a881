"""The form for a rule, new or changed; shows only the fields that apply, and how often it would have fired."""

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from dashboard import flash, resources, texts, viewer
from dashboard.rules import form, preview, subjects
from stormalert import words
from stormalert.config import policy
from stormalert.errors import Conflict, InputError
from stormalert.model import Direction, Kind, Repeat, Rule
from stormalert.rules.kinds import KINDS
from stormalert.rules.kinds.fields import COOLDOWN, Field
from stormalert.units import short_duration


@st.dialog("New rule", on_dismiss="rerun")
def make(user: str) -> None:
    # In a place of its own: fields that move when others come or go forget what is just being typed.
    with st.container():
        on_what = subjects.ask(user, "rule")
    fields = _condition(None)
    if st.button("Save rule", type="primary", width="stretch"):
        viewer.required()
        try:
            rules = subjects.new_rules(user, on_what, _read(fields))
            policy.check_rules(resources.store(), user, len(rules))
        except InputError as error:
            st.error(str(error))
            return
        resources.store().save_rules(rules[::-1])
        subject = rules[0].symbol if len(rules) == 1 else f"{words.grouped(len(rules))} rules"
        flash.leave(f"{subject}: {texts.condition(rules[0])} – saved.")
        st.rerun()
    _try(lambda: subjects.new_rules(user, on_what, _read(fields)))


@st.dialog("Edit rule", on_dismiss="rerun")
def edit(rule: Rule) -> None:
    st.markdown(f"**{rule.symbol}**")
    st.caption("A rule keeps its instrument. Saving re-arms it.")
    fields = _condition(rule)
    if st.button("Save rule", type="primary", width="stretch"):
        who = viewer.required()
        if rule.user != who.user.id:
            st.error("This is another user's rule.")
            return
        try:
            saved = resources.store().save_rule(form.changed(rule, _read(fields)))
        except InputError as error:
            st.error(str(error))
        except Conflict:
            st.error("The rule changed meanwhile. Close this and open it again.")
        else:
            flash.leave(f"{saved.symbol}: {texts.condition(saved)} – saved.")
            st.rerun()
    _try(lambda: [form.changed(rule, _read(fields))])


def _try(make: Callable[[], Sequence[Rule]]) -> None:
    """Behind the button: it takes a moment, and its chart takes room."""
    try:
        rules = make()
    except InputError:
        # What does not fit yet is told when it is to be saved.
        return
    preview.show(rules)


def _condition(rule: Rule | None) -> dict[str, Any]:
    """Draws the fields and returns what is in them."""
    kinds, directions, repeats = list(Kind), list(Direction), list(Repeat)
    kind = st.radio(
        "Watch for",
        kinds,
        index=kinds.index(rule.kind) if rule else 0,
        format_func=texts.KIND_NAMES.__getitem__,
        horizontal=True,
        help=form.sentence(", ".join(KINDS[each].measured for each in kinds)),
    )
    direction = st.radio(
        "Direction",
        directions,
        index=directions.index(rule.direction if rule else Direction.BOTH),
        format_func=KINDS[kind].ways.__getitem__,
        horizontal=True,
    )
    typed = {field.name: _ask(place, field, rule) for place, field in zip(st.columns(2), KINDS[kind].fields, strict=False)}
    left, right = st.columns(2)
    repeat = left.selectbox(
        "Fires",
        repeats,
        index=repeats.index(rule.repeat if rule else Repeat.EVERY),
        format_func=texts.REPEAT_NAMES.__getitem__,
    )
    pause = form.USUAL_PAUSE
    if repeat is Repeat.EVERY:
        value = short_duration(rule.cooldown_ms) if rule else pause
        pause = _choose(right, COOLDOWN, value)
    return {"kind": kind, "direction": direction, "typed": typed, "repeat": repeat, "pause": pause}


def _read(fields: dict[str, Any]) -> dict[str, Any]:
    return form.condition(**fields)


def _ask(place: Any, field: Field, rule: Rule | None) -> str:
    stored = getattr(rule, field.attribute, 0)
    value = field.write(stored) if stored else field.usual
    if field.offered:
        return _choose(place, field, value)
    return str(place.text_input(field.label, value=value, help=field.help))


def _choose(place: Any, field: Field, value: str) -> str:
    options = list(field.offered) if value in field.offered else [value, *field.offered]
    found = place.selectbox(
        field.label,
        options,
        index=options.index(value),
        accept_new_options=True,
        format_func=lambda text: "As long as usual" if text == form.USUAL_PAUSE else text,
        help=field.help,
    )
    return found or ""
