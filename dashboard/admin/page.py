"""Admin: is all well inside, and everything that only admins may see and change."""

from collections.abc import Callable

import streamlit as st

from dashboard import flash
from dashboard.admin import audit, calendar, keys, kite, limits, onboarding, queue, system, users
from dashboard.admin.access import admin

_PARTS: dict[str, Callable[[], None]] = {
    "System": system.show,
    "First steps": onboarding.show,
    "Kite": kite.show,
    "Keys": keys.show,
    "Users": users.show,
    "Policy": limits.show,
    "Calendar": calendar.show,
    "Queue": queue.show,
    "Audit log": audit.show,
}


def show() -> None:
    admin()
    if st.query_params.get("kite") == "received":
        flash.leave("Kite confirmed the login; ticks follow within seconds.")
        del st.query_params["kite"]
    flash.show()
    st.title("Admin", anchor=False)
    # Which one it is stands in the address, and only that one is made.
    for tab, part in zip(st.tabs(list(_PARTS), key="part", bind="query-params"), _PARTS.values(), strict=True):
        if tab.open:
            with tab:
                part()
