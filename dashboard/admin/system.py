"""System: is all well, and every part in depth; it looks anew by itself."""

import streamlit as st

from dashboard import resources
from dashboard.admin.access import admin
from dashboard.system import depth, tables
from stormalert.process import REDIS_ERRORS

_EVERY_S = 3


def show() -> None:
    _status()
    st.caption(f"Looked at anew every {_EVERY_S} s. The same as JSON: /api/admin/system-status; for Prometheus: /metrics.")


@st.fragment(run_every=_EVERY_S)
def _status() -> None:
    admin()
    asked = depth.read_system(resources.loop_redis(), resources.store(), resources.config())
    try:
        found = resources.in_loop(asked)
    except REDIS_ERRORS:
        st.error("Redis does not answer, so nothing is known of the processes. Start it; they go on by themselves then.")
        return
    st.html(tables.page(found))
