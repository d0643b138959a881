"""Settings: what is watched, and one's account."""

import streamlit as st

from dashboard import flash, viewer, watchlist_settings
from dashboard.accounts import settings


def show() -> None:
    who = viewer.required()
    flash.show()
    st.title("Settings", anchor=False)
    watchlist, account = st.tabs(["Watchlist", "Account"], key="part", bind="query-params")
    # Only what is looked at is made.
    if watchlist.open:
        with watchlist:
            watchlist_settings.show(who)
    if account.open:
        with account:
            settings.show(who)
