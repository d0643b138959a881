"""Rules: what is watched for, and what to do with it."""

import streamlit as st

from dashboard import flash, instruments, resources, viewer
from dashboard.rules import acts, dialog, entry, listing, mutes, routing, status, tables
from dashboard.rules.choice import Chosen
from dashboard.rules.listing import Looked
from dashboard.rules.rows import rule_rows
from dashboard.rules.status import RuleStatus
from stormalert import words
from stormalert.model import Mute, Rule
from stormalert.notify import preferences
from stormalert.process import REDIS_ERRORS

# States, distances and what is silent are read anew.
EVERY_S = 4
# Of the watchlist, for examples.
_WATCHED = 3
_ALL, _OPENED = "rules-all", "rules-opened"


def show() -> None:
    who = viewer.required()
    user = who.user.id
    flash.show()
    act = acts.asked()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.title("Rules", anchor=False)
        if st.button("Snooze all", icon=":material/notifications_off:"):
            act = "snooze all"
        if st.button("New rule", icon=":material/edit_note:", help="In a form, for one or many instruments"):
            act = "make"
    watched = instruments.symbols(resources.store().watchlist(user)[:_WATCHED])
    entry.offer(list(watched.values()), has_preview=not act)
    # Not while something is being edited.
    every_s = None if act else EVERY_S
    st.fragment(mutes.show, run_every=every_s)()
    total = resources.store().count_rules(user)
    if not total:
        st.info(
            "No rules yet. Type one in the line above (its examples can be clicked), make one in the form with **New rule**, "
            "or bring a table in with **CSV** below."
        )
        chosen = Chosen(user, [], 0)
    else:
        looked = listing.draw()
        matching = resources.store().count_rules(user, looked.only) if looked.is_narrow else total
        board = st.fragment(_board, run_every=every_s)
        chosen = board(user, looked, matching)
    tables.offer(who.user)
    if act:
        # So many are never taken twice by an oversight.
        st.session_state.pop(_ALL, None)
    if act == "make":
        dialog.make(user)
    elif act == "snooze all":
        mutes.ask([])
    elif act == "open":
        _open(user, st.session_state.pop(_OPENED, ""))
    elif act and chosen.size:
        acts.do(act, chosen)


def _board(user: str, looked: Looked, matching: int) -> Chosen:
    """The table with what can be done; returns what is chosen."""
    viewer.required()
    silent = mutes.held(user)
    rules, has_more = listing.page(resources.store(), user, looked)
    count = f"{words.count_of(matching, 'rule')}{' match' if looked.is_narrow else ''} · times in IST"
    if not rules:
        st.info("No rule is here. Look for something else, or go to the first page.")
        listing.turn(rules, looked, has_more=has_more, count=count)
        return Chosen(user, [], 0)
    bar = st.container(horizontal=True, vertical_alignment="center", key="rules-bar")
    # Another page is another table, so that no mark is taken along out of sight.
    marks = rule_rows(_rows(rules, silent), key=f"rules-{hash((looked, listing.place()))}")
    chosen = _chosen(user, rules, marks.marked, looked, matching)
    with bar:
        _act_on(chosen, len(rules), looked, matching, silent)
    listing.turn(rules, looked, has_more=has_more, count=count)
    if opened := next((rule for rule in rules if rule.id == marks.opened), None):
        # Whatever is marked.
        st.session_state[_OPENED] = opened.id
        acts.ask("open")
    return chosen


def _open(user: str, rule_id: str) -> None:
    rule = resources.store().rule(rule_id)
    if rule and rule.user == user:
        dialog.edit(rule)


def _chosen(user: str, rules: list[Rule], marked: frozenset[str], looked: Looked, matching: int) -> Chosen:
    if st.session_state.get(_ALL) == looked:
        return Chosen(user, rules, matching, looked.only)
    found = [rule for rule in rules if rule.id in marked]
    return Chosen(user, found, len(found))


def _act_on(chosen: Chosen, shown: int, looked: Looked, matching: int, silent: list[Mute]) -> None:
    if chosen.only is not None:
        st.markdown(f"**All {words.grouped(chosen.size)} rules{' that match' if looked.is_narrow else ''}**", width="content")
        st.button("Only those marked", type="tertiary", on_click=lambda: st.session_state.pop(_ALL, None))
    elif chosen.size:
        st.markdown(f"**{words.count_of(chosen.size, 'rule')} marked**", width="content")
    else:
        st.caption("Mark rules for what can be done with them; Enter opens one.", width="content")
    if chosen.only is None and matching > shown:
        noun = " that match" if looked.is_narrow else ""
        st.button(
            f"Take all {words.grouped(matching)}{noun}",
            type="tertiary",
            icon=":material/select_all:",
            on_click=_take_all,
            args=(looked,),
        )
    if chosen.size:
        acts.buttons(chosen, silent)


def _take_all(looked: Looked) -> None:
    st.session_state[_ALL] = looked


def _rows(rules: list[Rule], silent: list[Mute]) -> list[dict[str, str]]:
    store = resources.store()
    statuses: dict[str, RuleStatus] = {}
    try:
        statuses = status.read(resources.thread_redis(), resources.config().shards, rules)
    except REDIS_ERRORS:
        st.warning("Redis does not answer: whether rules are armed is not known now.")
    wanted = preferences.of_rules(store, [rule.id for rule in rules])
    return [
        status.row(
            rule,
            statuses.get(rule.id, RuleStatus()),
            store.last_alert_ms(rule.id),
            (mutes.state(rule, silent), routing.told(wanted[rule.id])),
        )
        for rule in rules
    ]
