"""Settings: where alerts go, what is watched, one's account; for admins the Kite login and the queue."""

import streamlit as st

from dashboard import account_settings, channel_settings, feed_settings, flash, viewer, watchlist_settings


def show() -> None:
    who = viewer.required()
    if st.query_params.get("kite") == "received":
        flash.leave("Kite confirmed the login; ticks follow within seconds.")
        st.query_params.clear()
    flash.show()
    st.title("Settings", anchor=False)
    names = ["Channels", "Watchlist", "Account"] + (["System"] if who.is_admin else [])
    tabs = st.tabs(names)
    with tabs[0]:
        channel_settings.show(who)
    with tabs[1]:
        watchlist_settings.show(who)
    with tabs[2]:
        account_settings.show(who)
    if who.is_admin:
        with tabs[3]:
            feed_settings.show()
