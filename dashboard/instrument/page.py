"""One instrument: its chart with what the user's rules look at, its quote, the rules on it and its newest alerts."""

from collections.abc import Mapping
from html import escape
from itertools import takewhile
from typing import cast
from urllib.parse import quote

import streamlit as st

from dashboard import flash, instruments, resources, texts, viewer, watchlists
from dashboard.chart import Mark, bars, chart, levels
from dashboard.rules import dialog, status
from dashboard.rules.status import RuleStatus
from dashboard.web.html import render
from stormalert import words
from stormalert.errors import InputError
from stormalert.model import Alert, AlertFilter, Direction, Instrument, Rule
from stormalert.process import REDIS_ERRORS
from stormalert.redis.keys import shard_of
from stormalert.rules.line import WATCHLIST
from stormalert.units import parse_price_e4

MOST_RULES = 100
MOST_MARKS = 200
ALERTS_SHOWN = 10
CHART_EVERY_S = 15
FIGURES_EVERY_S = 2
RULES_EVERY_S = 4
_LOOKED = "instrument-looked"
_AWAY = "Redis does not answer, so what is only known there is not shown now."


def show() -> None:
    who = viewer.required()
    user = who.user.id
    flash.show()
    asked = st.query_params.get("symbol", "").strip()
    instrument = resources.store().instrument_by_symbol(asked) if asked else None
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    left.title(escape(instrument.symbol) if instrument else "Instrument", anchor=False)
    with right:
        _look_for(asked)
    if instrument is None:
        _nothing(user, asked)
        return
    watched = instrument.token in resources.store().watchlist(user)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.text(" · ".join(part for part in (instrument.name, instrument.segment) if part), width="stretch")
        _buttons(user, instrument, is_watched=watched)
    wide, narrow = st.columns([3, 1], gap="medium")
    with wide:
        _chart(instrument)
    with narrow:
        _quote(instrument)
    _rules(instrument)
    _alerts(instrument)


def _look_for(asked: str) -> None:
    found = instruments.pick("instrument")
    if found and found.symbol != st.session_state.get(_LOOKED):
        # Once for each choice: the address may have been changed since.
        st.session_state[_LOOKED] = found.symbol
        if found.symbol != asked:
            st.query_params["symbol"] = found.symbol
            st.rerun()


def _nothing(user: str, asked: str) -> None:
    if asked:
        st.warning("Kite lists no such instrument. A symbol is exchange and name, such as NSE:INFY; find one above.")
    else:
        st.info("Find an instrument above, by its symbol or its name.")
    watched = list(instruments.symbols(resources.store().watchlist(user)[:20]).values())
    if watched:
        links = [(f"/instrument?symbol={quote(it)}", it) for it in watched]
        st.html(render("links.html", lead="On your watchlist:", links=links))


def _buttons(user: str, instrument: Instrument, *, is_watched: bool) -> None:
    if st.button("New rule", type="primary", icon=":material/add:"):
        # What the form's search begins with.
        st.session_state["rule-search"] = instrument.symbol
        dialog.make(user)
    label, icon = ("Remove from watchlist", "remove") if is_watched else ("Add to watchlist", "visibility")
    if st.button(label, icon=f":material/{icon}:"):
        change = watchlists.remove if is_watched else watchlists.add
        done = f"{instrument.symbol} {'removed from' if is_watched else 'added to'} your watchlist."
        flash.attempt(lambda: change(resources.store(), viewer.required().user.id, [instrument.token]), done)


@st.fragment(run_every=CHART_EVERY_S)
def _chart(instrument: Instrument) -> None:
    user = viewer.required().user.id
    try:
        found = bars.newest(instrument.token)
        rules = rules_on(user, instrument)
        lines = levels.lines(rules, status.read(resources.thread_redis(), resources.config().shards, rules))
    except REDIS_ERRORS:
        st.error(_AWAY)
        return
    only = AlertFilter(token=instrument.token, since_ms=found[0].time_ms if found else 0)
    alerts = resources.store().alerts_of(user, None, MOST_MARKS, only) if found else []
    marks = [Mark(it.time_ms, _side(it), texts.what_happened(it)) for it in alerts]
    chart(f"instrument-{instrument.token}", found, lines, marks, height_px=420, live_token=instrument.token)


@st.fragment(run_every=FIGURES_EVERY_S)
def _quote(instrument: Instrument) -> None:
    viewer.required()
    try:
        shard = shard_of(instrument.token, resources.config().shards)
        fields = cast(dict[str, str], resources.thread_redis().hgetall(shard.quote(instrument.token)))
    except REDIS_ERRORS:
        st.error(_AWAY)
        return
    st.html(quoted(fields))


@st.fragment(run_every=RULES_EVERY_S)
def _rules(instrument: Instrument) -> None:
    user = viewer.required().user.id
    st.subheader("Your rules on it", anchor=False)
    rules = rules_on(user, instrument)
    if not rules:
        st.info("None of your rules is on it. Make one with **New rule** above.")
        return
    statuses: dict[str, RuleStatus] = {}
    try:
        statuses = status.read(resources.thread_redis(), resources.config().shards, rules)
    except REDIS_ERRORS:
        st.warning(_AWAY)
    told = [_rule_row(rule, statuses.get(rule.id, RuleStatus())) for rule in rules]
    st.html(render("instrument/rules.html", rules=told))


@st.fragment(run_every=RULES_EVERY_S)
def _alerts(instrument: Instrument) -> None:
    user = viewer.required().user.id
    st.subheader("Its newest alerts", anchor=False)
    found = resources.store().alerts_of(user, None, ALERTS_SHOWN, AlertFilter(token=instrument.token))
    if not found:
        st.caption("None of your rules has fired on it yet.")
        return
    st.html(render("instrument/alerts.html", alerts=map(_alert_row, found), symbol=instrument.symbol))


def rules_on(user: str, instrument: Instrument) -> list[Rule]:
    """The user's own: those on it, and those on the watchlist if it is there, as their parts on it."""
    store = resources.store()
    # By symbol, so that they lie together.
    behind = store.rules_by_symbol(user, (instrument.symbol, ""), MOST_RULES)
    rules = [rule for rule in takewhile(lambda it: it.symbol == instrument.symbol, behind) if rule.token == instrument.token]
    if instrument.token in store.watchlist(user):
        shared = takewhile(lambda it: it.symbol == WATCHLIST, store.rules_by_symbol(user, (WATCHLIST, ""), MOST_RULES))
        rules += [rule.on(instrument) for rule in shared if rule.is_on_watchlist]
    return rules


def quoted(fields: Mapping[str, str]) -> str:
    """The quote as ingest keeps it for screens, as HTML."""
    change = fields.get("change", "")
    facts = [
        ("Previous close" if name == "close" else name.capitalize(), _rupees(fields[name]))
        for name in ("open", "high", "low", "close")
        if fields.get(name)
    ]
    if fields.get("volume", "").isdigit():
        facts.append(("Volume", words.grouped(int(fields["volume"]))))
    if fields.get("time", "").isdigit():
        facts.append(("Last price at", f"{words.moment(int(fields['time']))} IST"))
    last = _rupees(fields["last"]) if fields.get("last") else ""
    side = "down" if change.startswith("-") else "up" if change.strip("0.") else ""
    return render("instrument/quote.html", last=last, change=change, side=side, facts=facts)


def _rupees(price: str) -> str:
    try:
        return texts.rupees(parse_price_e4(price))
    except InputError:
        return "–"


def _rule_row(rule: Rule, at: RuleStatus) -> dict[str, object]:
    return {**status.row(rule, at, None, ()), "is_of_watchlist": rule.id.endswith(f"_{rule.token}")}


def _alert_row(alert: Alert) -> dict[str, object]:
    return {
        "id": alert.id,
        "time_ms": alert.time_ms,
        "side": _side(alert),
        "happened": texts.what_happened(alert),
        "price": texts.rupees(alert.price_e4),
        "reference": texts.rupees(alert.reference_e4),
    }


def _side(alert: Alert) -> str:
    return "down" if alert.direction is Direction.DOWN else "up"
