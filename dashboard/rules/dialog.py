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
from stormalert.rules.line import short_duration
from stormalert.units import format_percent, format_price


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
    st.caption("A rule keeps its instrument. Saving arms it anew.")
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
        help="A move is measured from the lowest or highest price of the time, a turn from the peak or trough since the rule "
        "was armed, a change on the day from the previous close.",
    )
    direction = st.radio(
        "Direction",
        directions,
        index=directions.index(rule.direction if rule else Direction.BOTH),
        format_func=texts.DIRECTION_NAMES[kind].__getitem__,
        horizontal=True,
    )
    left, right = st.columns(2)
    if kind is Kind.LEVEL:
        level = format_price(rule.price_e4) if rule and rule.price_e4 else ""
        amount = left.text_input("Price", value=level, help="In rupees, such as 1450.50")
    else:
        percent = _trimmed(rule.percent_e2) if rule and rule.percent_e2 else "2"
        amount = left.text_input("Percent", value=percent, help="Up to two decimals, such as 0.75")
    window = ""
    if kind is Kind.ROLLING:
        window = _duration(
            right, "Within", form.USUAL_WINDOWS, short_duration(rule.window_ms) if rule and rule.window_ms else "5m"
        )
    left, right = st.columns(2)
    repeat = left.selectbox(
        "Fires",
        repeats,
        index=repeats.index(rule.repeat if rule else Repeat.EVERY),
        format_func=texts.REPEAT_NAMES.__getitem__,
    )
    pause = form.USUAL_PAUSE
    if repeat is Repeat.EVERY:
        pause = _duration(right, "Pause after an alert", form.USUAL_PAUSES, short_duration(rule.cooldown_ms) if rule else pause)
    return {"kind": kind, "direction": direction, "amount": amount, "window": window, "repeat": repeat, "pause": pause}


def _read(fields: dict[str, Any]) -> dict[str, Any]:
    return form.condition(**fields)


def _duration(place: Any, label: str, usual: tuple[str, ...], value: str) -> str:
    options = list(usual) if value in usual else [value, *usual]
    found = place.selectbox(
        label,
        options,
        index=options.index(value),
        accept_new_options=True,
        format_func=lambda text: "As long as usual" if text == form.USUAL_PAUSE else text,
        help="Choose one, or type your own, such as 90s, 5m or 1h",
    )
    return found or ""


def _trimmed(percent_e2: int) -> str:
    return format_percent(percent_e2).rstrip("0").rstrip(".")
