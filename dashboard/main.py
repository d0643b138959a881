"""The script that Streamlit runs at each rerun: who is it, then the page they asked for."""

import streamlit as st

from dashboard import viewer
from dashboard.screens import alerts, live, rules, settings

st.set_page_config(page_title="StormAlert", page_icon="⚡", layout="wide", initial_sidebar_state="collapsed")
who = viewer.required()
page = st.navigation(
    [
        st.Page(live.show, title="Live", icon=":material/monitoring:", default=True),
        st.Page(rules.show, title="Rules", icon=":material/rule:", url_path="rules"),
        st.Page(alerts.show, title="Alerts", icon=":material/notifications:", url_path="alerts"),
        st.Page(settings.show, title="Settings", icon=":material/tune:", url_path="settings"),
    ],
    position="top",
)
viewer.frame(who)
page.run()
