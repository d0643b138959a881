"""Settings: what is watched, and one's account."""

import streamlit as st

from dashboard import flash, viewer
from dashboard.accounts import settings
from dashboard.settings import watchlist as watchlist_settings


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
