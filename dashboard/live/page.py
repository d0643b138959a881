"""Live: is everything well, what do the prices do, what just fired."""

import streamlit as st

from dashboard import flash, instruments, resources, viewer
from dashboard.admin import onboarding
from dashboard.live import live


def show() -> None:
    who = viewer.required()
    flash.show()
    st.title("Live", anchor=False)
    if who.is_admin:
        onboarding.hint(who.user.id)
    symbols = instruments.symbols(resources.store().watchlist(who.user.id))
    if not symbols:
        st.info("Nothing is watched yet. Add instruments under **Settings → Watchlist**, and rules under **Rules**.")
    live(symbols)
