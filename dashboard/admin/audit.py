"""Audit log: who did what, newest first, of one user or one action when asked."""

import pandas as pd
import streamlit as st

from dashboard import resources
from stormalert import words
from stormalert.store import Cursor

_SHOWN = "admin-audit"
_PAGE = 50
# From which the actions are taken that can be asked for.
_RECENT = 500


def show() -> None:
    store = resources.store()
    names = {user.id: user.name for user in store.users()}
    actions = sorted({entry.action for entry in store.audit(limit=_RECENT)})
    left, right = st.columns(2)
    user = left.selectbox("Who", ["", *names], format_func=lambda it: names.get(it, "Everybody"), key="audit-who")
    action = right.selectbox("What", ["", *actions], format_func=lambda it: it or "Everything", key="audit-what")
    asked, shown = st.session_state.get(_SHOWN, (None, []))
    if asked != (user, action):
        shown = []
    st.session_state[_SHOWN] = ((user, action), shown)
    found = store.audit(shown[-1] if shown else None, _PAGE + 1, user or "", action or "")
    page = found[:_PAGE]
    if not page:
        st.info("Nothing was done that fits.")
        return
    rows = pd.DataFrame(
        {
            "Time (IST)": [words.moment(it.time_ms) for it in page],
            "Who": [names.get(it.user, it.user or "nobody") for it in page],
            "What": [it.action for it in page],
            "Detail": [it.detail for it in page],
        }
    )
    st.dataframe(rows, hide_index=True, width="stretch")
    last = page[-1]
    _turn(shown, (last.time_ms, last.id) if len(found) > _PAGE else None)


def _turn(shown: list[Cursor], older: Cursor | None) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Newer", icon=":material/chevron_left:", key="audit-newer", disabled=not shown):
            shown.pop()
            st.rerun()
        if st.button("Older", icon=":material/chevron_right:", key="audit-older", disabled=older is None) and older:
            shown.append(older)
            st.rerun()
        st.caption(f"Page {len(shown) + 1}")
