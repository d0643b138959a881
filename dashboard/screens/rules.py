"""Rules: what is watched for, and what to do with it."""

from typing import Any

import pandas as pd
import streamlit as st

from dashboard import flash, mutes, resources, rule_dialog, rule_tables, rule_wishes, texts, viewer
from stormalert import keys, wishes, words
from stormalert.armed import read_armed
from stormalert.errors import Conflict
from stormalert.model import Mute, Rule, RuleState
from stormalert.process import REDIS_ERRORS
from stormalert.wishes import RuleWish

MOST_SHOWN = 500


def show() -> None:
    who = viewer.required()
    flash.show()
    heading, silence, button = st.columns([4, 1, 1], vertical_alignment="bottom")
    heading.title("Rules", anchor=False)
    if button.button("New rule", type="primary", icon=":material/add:", width="stretch"):
        rule_dialog.make(who.user.id)
    with silence:
        mutes.offer_all()
    silent = mutes.held(who.user.id)
    mutes.show(silent)
    rule_tables.offer(who.user)
    rules = resources.store().rules_of(who.user.id, limit=MOST_SHOWN)
    if not rules:
        st.info("No rules yet. Make one with **New rule**: choose an instrument, a percent, and how fast it must happen.")
        return
    rules.sort(key=lambda rule: (rule.symbol, rule.id))
    chosen = _table(rules, silent)
    _actions(chosen, silent)


def _table(rules: list[Rule], silent: list[Mute]) -> list[Rule]:
    """Draws them, and returns those that are marked."""
    states = _engine_states(rules)
    wanted = wishes.of_rules(resources.store(), [rule.id for rule in rules])
    last_alerts = [resources.store().last_alert_ms(rule.id) for rule in rules]
    rows = pd.DataFrame(
        {
            "Instrument": [rule.symbol for rule in rules],
            "Condition": [texts.condition(rule) for rule in rules],
            "State": [_state(rule, states, silent, wanted[rule.id]) for rule in rules],
            "Fires": [texts.repetition(rule) for rule in rules],
            "Last alert (IST)": [words.moment(at_ms) if at_ms else "–" for at_ms in last_alerts],
        }
    )
    event = st.dataframe(
        rows,
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        # Another table when rules come or go, so that no mark moves to a neighbour.
        key=f"rules-{hash(tuple(rule.id for rule in rules))}",
        height=min(38 * (len(rows) + 1) + 2, 600),
        column_config={"Instrument": st.column_config.TextColumn(pinned=True)},
    )
    return [rules[row] for row in event["selection"]["rows"]]


def _state(rule: Rule, states: dict[str, str], silent: list[Mute], wish: RuleWish) -> str:
    told = (texts.rule_state(rule, states.get(rule.id)), mutes.state(rule, silent), rule_wishes.told(wish))
    return " · ".join(text for text in told if text)


def _actions(chosen: list[Rule], silent: list[Mute]) -> None:
    if not chosen:
        st.caption("Mark rules at their left edge for what can be done with them.")
        return
    noun = "1 rule marked" if len(chosen) == 1 else f"{len(chosen)} rules marked"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{noun}**", width="content")
        if st.button("Edit", icon=":material/edit:", disabled=len(chosen) > 1):
            rule_dialog.edit(chosen[0])
        if st.button("Pause", icon=":material/pause:", disabled=all(rule.state is not RuleState.ACTIVE for rule in chosen)):
            _move([rule for rule in chosen if rule.state is RuleState.ACTIVE], RuleState.PAUSED, "paused")
        if st.button("Resume", icon=":material/play_arrow:", disabled=all(it.state is not RuleState.PAUSED for it in chosen)):
            _move([rule for rule in chosen if rule.state is RuleState.PAUSED], RuleState.ACTIVE, "resumed")
        if st.button("Re-arm", icon=":material/restart_alt:", help="Starts over at the next tick, whatever happened before."):
            _move(chosen, RuleState.ACTIVE, "re-armed")
        mutes.offer(chosen, silent)
        rule_wishes.offer(chosen)
        if st.button("Delete", icon=":material/delete:"):
            _confirm_deletion(chosen)


@st.dialog("Delete rules")
def _confirm_deletion(chosen: list[Rule]) -> None:
    viewer.required()
    st.write("These rules stop watching. Their alerts stay in the history.")
    st.markdown("\n".join(f"- {rule.symbol}: {texts.condition(rule)}" for rule in chosen))
    if st.button("Delete", type="primary", icon=":material/delete:", key="confirm-deletion"):
        _move(chosen, RuleState.DELETED, "deleted")


def _move(rules: list[Rule], state: RuleState, done: str) -> None:
    who = viewer.required()
    moved = 0
    for rule in rules:
        # What was drawn may be old: only the owner's, and only as it is now.
        now = resources.store().rule(rule.id)
        if now is None or now.user != who.user.id or now.state is RuleState.DELETED:
            continue
        try:
            resources.store().save_rule(now.model_copy(update={"state": state}))
        except Conflict:
            continue
        moved += 1
    missed = len(rules) - moved
    flash.leave(f"{moved} rule{'s' if moved != 1 else ''} {done}." + (f" {missed} changed meanwhile." if missed else ""))
    st.rerun()


def _engine_states(rules: list[Rule]) -> dict[str, str]:
    """What the engine says of each; empty when it cannot be asked."""
    shards = resources.config().shards
    try:
        with resources.thread_redis().pipeline(transaction=False) as pipe:
            for rule in rules:
                if rule.is_on_watchlist:
                    pipe.scard(keys.spread(rule.id))
                else:
                    pipe.hgetall(keys.shard_of(rule.token, shards).rule(rule.id))
            found = [_armed(rule, answer) for rule, answer in zip(rules, pipe.execute(), strict=True)]
    except REDIS_ERRORS:
        st.warning("Redis does not answer: whether rules are armed is not known now.")
        return {}
    # A revision behind the store's: the engine has not heard of the change yet.
    return {rule.id: state for rule, state in zip(rules, found, strict=True) if state}


def _armed(rule: Rule, answer: Any) -> str | None:
    """The engine's word for the rule; None while it has not heard of the last change."""
    if rule.is_on_watchlist:
        return "armed" if answer else None
    armed = read_armed(answer)
    return armed.state if armed and armed.revision == rule.revision else None
