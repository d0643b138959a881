"""A new rule in one line: what it means is said while it is typed, and what does not fit is said in one sentence."""

from collections.abc import Sequence

import streamlit as st

from dashboard import flash, resources, texts, viewer
from dashboard.rules import preview
from dashboard.web.html import render
from stormalert import words
from stormalert.access.security import new_id
from stormalert.config import policy
from stormalert.errors import Conflict, InputError
from stormalert.model import Kind, Rule
from stormalert.rules import line as rule_line
from stormalert.rules.condition import listed
from stormalert.rules.kinds import KINDS
from stormalert.rules.line import UnknownInstrument
from stormalert.store import Store

_LINE = "rule-line"
_IS_MADE = "rule-line-made"
# Named in a sentence; more are counted.
_NAMED = 5
_SUGGESTED = 5
_KINDS = listed([f"**{kind}** ({KINDS[kind].short})" for kind in Kind])
_HELP = (
    f"An instrument (or several with commas, or `watchlist`), then {_KINDS}. "
    "Behind that in any order: a percent or a price, a time such as 5m, **up**, **down** or **both**, **once** or **every**, "
    "and `cooldown 10m`."
)


def read(line: str, store: Store, user: str) -> list[Rule]:
    """The rules that the line describes, one for each of its instruments. Raises InputError."""
    subjects, fields = rule_line.read_several(line)
    find = store.instrument_by_symbol
    rules = [rule_line.rule_on(subject, fields, find, id=new_id(), user=user) for subject in subjects]
    if twice := next((rule.symbol for place, rule in enumerate(rules) if rule.token in [it.token for it in rules[:place]]), ""):
        raise InputError(f"found {twice} twice, expected each instrument once")
    return rules


def meaning(rules: Sequence[Rule]) -> tuple[str, str]:
    """Rises 2 % within 5 min; on NSE:INFY. Every time, pause 5 min."""
    named = ", ".join(rule.symbol for rule in rules[:_NAMED])
    more = f" and {len(rules) - _NAMED} more" if len(rules) > _NAMED else ""
    where = "every instrument of your watchlist" if rules[0].is_on_watchlist else named + more
    count = f" {len(rules)} rules." if len(rules) > 1 else ""
    return texts.condition(rules[0]), f"on {where}. {texts.repetition(rules[0])}.{count}"


def suggestions(symbol: str, store: Store) -> list[str]:
    """Symbols that begin as this one does; the longer the beginning that they share, the better."""
    bare = symbol.rpartition(":")[2].strip()
    for length in range(len(bare), 1, -1):
        if found := store.search_instruments(bare[:length], _SUGGESTED):
            return [it.symbol for it in found]
    return []


def examples(watched: Sequence[str]) -> list[str]:
    """Lines to begin with, on an instrument of one's own where there is one."""
    symbol = watched[0] if watched else "NSE:INFY"
    lines = [f"{symbol} rolling up 2% 5m", f"{symbol} trailing down 1.5%", f"{symbol} day both 3% once"]
    return [*lines, "watchlist rolling down 2% 10m"] if watched else lines


@st.fragment
def offer(watched: Sequence[str], *, has_preview: bool) -> None:
    """Draws the line, its meaning, how often it would have fired, and the way to make it.

    A fragment: typing draws nothing else anew. A dialog over it has a preview of its own.
    """
    user = viewer.required().user.id
    if st.session_state.pop(_IS_MADE, False):
        st.session_state[_LINE] = ""
    with st.container(border=True, key="rule-entry"):
        left, right = st.columns([5, 1], vertical_alignment="bottom")
        line = left.text_input(
            "A rule in one line",
            key=_LINE,
            placeholder=rule_line.EXAMPLE,
            max_chars=rule_line.LONGEST,
            autocomplete="off",
            live=True,
            help=_HELP,
        )
        is_wanted = right.button("Make rule", type="primary", icon=":material/add:", width="stretch", disabled=not line)
        if not (line or "").strip():
            _offer_lines(examples(watched))
            return
        try:
            rules = read(line or "", resources.store(), user)
            if is_wanted:
                _make(rules)
        except UnknownInstrument as error:
            _say(str(error))
            _offer_symbols(error.symbol)
        except (InputError, Conflict) as error:
            _say(str(error))
            _offer_symbols(_begun(line or ""))
        else:
            what, where = meaning(rules)
            st.html(render("rules/meaning.html", level="good", what=what, more=where))
            if has_preview:
                preview.show(rules)


def _make(rules: list[Rule]) -> None:
    policy.check_rules(resources.store(), viewer.required().user.id, len(rules))
    resources.store().save_rules(rules[::-1])
    st.session_state[_IS_MADE] = True
    what, _ = meaning(rules)
    flash.leave(f"{rules[0].symbol if len(rules) == 1 else f'{words.grouped(len(rules))} rules'}: {what} – saved.")
    st.rerun()


def _say(sentence: str) -> None:
    told = f"{sentence[0].upper()}{sentence[1:]}."
    st.html(render("rules/meaning.html", level="bad", what="", more=told))


def _begun(line: str) -> str:
    """What may become the symbol, while nothing follows it; empty when it is one already."""
    text = line.strip()
    return "" if " " in text or resources.store().instrument_by_symbol(text) else text


def _offer_symbols(symbol: str) -> None:
    found = suggestions(symbol, resources.store()) if symbol else []
    if found:
        with st.container(horizontal=True, vertical_alignment="center", key="rule-symbols"):
            st.caption("Do you mean", width="content")
            for each in found:
                st.button(each, key=f"symbol-{each}", type="tertiary", on_click=_replace, args=(symbol, each))


def _offer_lines(lines: Sequence[str]) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="rule-examples"):
        st.caption("For example", width="content")
        for each in lines:
            st.button(each, key=f"example-{each}", type="tertiary", on_click=_replace, args=("", each))


def _replace(symbol: str, by: str) -> None:
    line = str(st.session_state.get(_LINE) or "")
    st.session_state[_LINE] = line.replace(symbol, by, 1) if symbol else by
