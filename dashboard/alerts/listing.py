"""Which alerts the page shows: what is looked for, and from which alert on; all of it in the address.

So a view can be bookmarked and sent on.
"""

import re
from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from dashboard import texts
from dashboard.paging import Paging
from stormalert import words
from stormalert.model import Alert, AlertFilter, Direction
from stormalert.store import Cursor, Store
from stormalert.units import IST

PAGE = 25
_KINDS = {name: kind for kind, name in texts.KIND_NAMES.items()}
_DIRECTIONS = {"Rose": Direction.UP, "Fell": Direction.DOWN}
_RULE = "rule"
_PAGING = Paging("alerts")
_LONGEST = 64
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CURSOR = re.compile(r"([0-9]{1,15})~([A-Za-z0-9_-]{1,130})")


def draw() -> AlertFilter:
    """The fields of what is looked for."""
    rule = asked_rule(st.query_params.get(_RULE, ""))
    with st.container(horizontal=True, vertical_alignment="bottom", key="alerts-filter"):
        text = st.text_input(
            "Find", key="find", type="search", max_chars=_LONGEST, placeholder="Symbol or name", live=True,
            bind="query-params", on_change=_PAGING.restart, width=190,
        )  # fmt: skip
        kind = _choice("Kind", "kind", list(_KINDS), 190)
        direction = _choice("Direction", "direction", list(_DIRECTIONS), 120)
        since = _moment("From (IST)", "from")
        until = _moment("Before (IST)", "to")
        has_failed = st.toggle("A message failed", key="failed", bind="query-params", on_change=_PAGING.restart)
        if rule:
            st.button("Of any rule", icon=":material/close:", on_click=_of_any_rule, help="Now only those of one rule.")
    return AlertFilter(
        text=(text or "").strip(),
        kind=_KINDS.get(kind or ""),
        direction=_DIRECTIONS.get(direction or ""),
        since_ms=moment_ms(since),
        until_ms=moment_ms(until),
        has_failed=bool(has_failed),
        rule=rule,
    )


def page(store: Store, user: str, only: AlertFilter) -> tuple[list[Alert], bool]:
    """The alerts from the address's place on, and whether there are more behind them."""
    # One more than shown says whether there is a next page.
    found = store.alerts_of(user, asked_cursor(_PAGING.after), PAGE + 1, only)
    return found[:PAGE], len(found) > PAGE


def turn(shown: Sequence[Alert], *, has_more: bool) -> None:
    """The way to other pages."""
    is_newest = not _PAGING.after
    with st.container(horizontal=True, vertical_alignment="center", key="alerts-pages"):
        st.button("Newest", icon=":material/first_page:", disabled=is_newest, on_click=_PAGING.restart)
        st.button("Newer", icon=":material/chevron_left:", disabled=is_newest, on_click=_PAGING.back)
        last = f"{shown[-1].time_ms}~{shown[-1].id}" if shown else ""
        st.button("Older", icon=":material/chevron_right:", disabled=not has_more, on_click=_PAGING.on, args=(last,))
        if shown:
            st.caption(f"{words.moment(shown[0].time_ms)} back to {words.moment(shown[-1].time_ms)} IST")


def is_first() -> bool:
    return not _PAGING.after


def moment_ms(clock: datetime | None) -> int:
    """The moment at which clocks in India show that; 0 for none."""
    return max(0, int(clock.replace(tzinfo=IST).timestamp() * 1000)) if clock else 0


def asked_rule(text: str) -> str:
    """Empty for what somebody typed into the address that is none."""
    return text if _ID.fullmatch(text) else ""


def asked_cursor(text: str) -> Cursor | None:
    found = _CURSOR.fullmatch(text)
    return (int(found[1]), found[2]) if found else None


def _choice(label: str, key: str, options: list[str], width: int) -> str | None:
    return st.selectbox(
        label, options, index=None, key=key, placeholder="All", bind="query-params", on_change=_PAGING.restart, width=width
    )


def _moment(label: str, key: str) -> datetime | None:
    return st.datetime_input(
        label, None, key=key, bind="query-params", on_change=_PAGING.restart, width=200, format="DD/MM/YYYY"
    )


def _of_any_rule() -> None:
    _PAGING.restart()
    st.query_params.pop(_RULE, None)
