"""The script that Streamlit runs at each rerun: who is it, then the page they asked for."""

import streamlit as st

from dashboard import viewer
from dashboard.admin import page as admin
from dashboard.alerts import page as alerts
from dashboard.backtest import page as backtest
from dashboard.channels import page as channels
from dashboard.instrument import page as instrument
from dashboard.live import page as live
from dashboard.rules import page as rules
from dashboard.settings import page as settings

st.set_page_config(page_title="StormAlert", page_icon="⚡", layout="wide", initial_sidebar_state="collapsed")
who = viewer.required()
# Others do not see it by its address either.
admins_only = [st.Page(admin.show, title="Admin", icon=":material/shield_person:", url_path="admin")] if who.is_admin else []
page = st.navigation(
    [
        st.Page(live.show, title="Live", icon=":material/monitoring:", default=True),
        st.Page(rules.show, title="Rules", icon=":material/rule:", url_path="rules"),
        st.Page(alerts.show, title="Alerts", icon=":material/notifications:", url_path="alerts"),
        st.Page(instrument.show, title="Instrument", icon=":material/candlestick_chart:", url_path="instrument"),
        st.Page(backtest.show, title="Backtest", icon=":material/history:", url_path="backtest"),
        st.Page(channels.show, title="Channels", icon=":material/send:", url_path="channels"),
        st.Page(settings.show, title="Settings", icon=":material/tune:", url_path="settings"),
        *admins_only,
    ],
    position="top",
)
viewer.frame(who)
page.run()
