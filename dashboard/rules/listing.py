"""Which rules the page shows: what is looked for, in which order, from which rule on; all of it in the address.

So a view can be bookmarked and sent on.
"""

from collections.abc import Sequence
from typing import NamedTuple

import streamlit as st

from dashboard import texts
from dashboard.paging import Paging
from stormalert.model import Direction, Rule, RuleFilter, RuleState
from stormalert.store import Store

PAGE = 50
BY_SYMBOL, NEWEST = "By instrument", "Newest change"
STATES = {"Watching": RuleState.ACTIVE, "Paused": RuleState.PAUSED, "Fired, done": RuleState.SPENT}
_KINDS = {name: kind for kind, name in texts.KIND_NAMES.items()}
_DIRECTIONS = {"Rises": Direction.UP, "Falls": Direction.DOWN, "Either way": Direction.BOTH}
_PAGING = Paging("rules")
_LONGEST = 64


class Looked(NamedTuple):
    only: RuleFilter
    is_by_symbol: bool

    @property
    def is_narrow(self) -> bool:
        return self.only != RuleFilter()


def draw() -> Looked:
    """The fields of what is looked for."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="rules-filter"):
        text = st.text_input(
            "Find", key="find", type="search", max_chars=_LONGEST, placeholder="Find a symbol", live=True, bind="query-params",
            on_change=_PAGING.restart, width=190, label_visibility="collapsed",
        )  # fmt: skip
        kind = _choice("Kind", "kind", "All kinds", list(_KINDS), 200)
        direction = _choice("Direction", "direction", "All directions", list(_DIRECTIONS), 150)
        state = _choice("State", "state", "All states", list(STATES), 140)
        order = st.selectbox(
            "Order", [BY_SYMBOL, NEWEST], key="order", bind="query-params", on_change=_PAGING.restart, width=160,
            label_visibility="collapsed",
        )  # fmt: skip
    only = RuleFilter(
        text=(text or "").strip(),
        kind=_KINDS.get(kind or ""),
        direction=_DIRECTIONS.get(direction or ""),
        state=STATES.get(state or ""),
    )
    return Looked(only, order == BY_SYMBOL)


def page(store: Store, user: str, looked: Looked) -> tuple[list[Rule], bool]:
    """The rules from the address's place on, and whether there are more behind them."""
    after = _read(_PAGING.after)
    # One more than shown says whether there is a next page.
    if looked.is_by_symbol:
        found = store.rules_by_symbol(user, after, PAGE + 1, looked.only)
    else:
        found = store.rules_of(user, _moment(after), PAGE + 1, looked.only)
    return found[:PAGE], len(found) > PAGE


def turn(shown: Sequence[Rule], looked: Looked, *, has_more: bool, count: str) -> None:
    """The way to other pages."""
    is_first = not _PAGING.after
    with st.container(horizontal=True, vertical_alignment="center", key="rules-pages"):
        if not is_first or has_more:
            st.button("First", icon=":material/first_page:", disabled=is_first, on_click=_PAGING.restart)
            st.button("Previous", icon=":material/chevron_left:", disabled=is_first, on_click=_PAGING.back)
            st.button(
                "Next",
                icon=":material/chevron_right:",
                disabled=not has_more,
                on_click=_PAGING.on,
                args=(_written(shown[-1], looked) if shown else "",),
            )
        st.caption(count)


def place() -> str:
    """Of the page in the list, for what is kept page by page."""
    return _PAGING.after


def _choice(label: str, key: str, none: str, options: list[str], width: int) -> str | None:
    return st.selectbox(
        label, options, index=None, key=key, placeholder=none, bind="query-params", on_change=_PAGING.restart, width=width,
        label_visibility="collapsed",
    )  # fmt: skip


def _written(rule: Rule, looked: Looked) -> str:
    return f"{rule.symbol if looked.is_by_symbol else rule.updated_ms}~{rule.id}"


def _read(text: str) -> tuple[str, str] | None:
    head, separator, rule = text.rpartition("~")
    return (head, rule) if separator else None


def _moment(after: tuple[str, str] | None) -> tuple[int, str] | None:
    """None for what somebody typed into the address that is none."""
    if after is None or not after[0].isascii() or not after[0].isdigit() or len(after[0]) > 15:
        return None
    return int(after[0]), after[1]
