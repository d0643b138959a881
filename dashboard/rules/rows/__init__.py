"""The table of rules: a component of real rows and boxes, so that keys, screen readers and phones can work it.

It is drawn anew in place when states and distances change; marks, focus and scrolling stay.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import streamlit as st
from streamlit.components import v2

_HERE = Path(__file__).parent
_mount = v2.component("rules", js=(_HERE / "rows.js").read_text(), css=(_HERE / "rows.css").read_text())


class MarkedRows(NamedTuple):
    """Ids: of the marked rows, and of the one that is to be opened, empty when none is."""

    marked: frozenset[str]
    opened: str


def rule_rows(rows: Sequence[dict[str, str]], key: str) -> MarkedRows:
    """`rows` as `dashboard.rules.status.row` makes them. Another key is another table, without marks."""
    known = st.session_state.get(key) or {}
    found = _mount(
        key=key,
        # The browser may mount the table anew, as when a click ends a run half-way: it begins with the marks that count here.
        data={"rows": list(rows), "marked": list(known.get("marked") or ())},
        default={"marked": []},
        on_marked_change=lambda: None,
        on_opened_change=lambda: None,
    )
    return MarkedRows(frozenset(found.get("marked") or ()), found.get("opened") or "")
