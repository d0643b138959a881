"""Which instruments a user sees live."""

import pandas as pd
import streamlit as st

from dashboard import flash, instruments, resources, viewer, watchlists
from stormalert import words
from stormalert.access.sessions import SignedIn


def show(who: SignedIn) -> None:
    tokens = resources.store().watchlist(who.user.id)
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    with left:
        instrument = instruments.pick("watch")
    if right.button("Add to watchlist", type="primary", disabled=instrument is None, width="stretch") and instrument:
        flash.attempt(lambda: watchlists.add(resources.store(), _user(), [instrument.token]), f"{instrument.symbol} added.")
    if not tokens:
        st.info("Nothing is watched yet. Find an instrument above and add it; its price then runs on the Live page.")
        return
    names = instruments.symbols(tokens)
    event = st.dataframe(
        pd.DataFrame({"Instrument": [names.get(token, f"token {token}") for token in tokens]}),
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        key=f"watchlist-{hash(tuple(tokens))}",
        height=min(38 * (len(tokens) + 1) + 2, 420),
    )
    marked = {tokens[row] for row in event["selection"]["rows"]}
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Remove marked", icon=":material/delete:", disabled=not marked):
            done = f"{words.grouped(len(marked))} removed."
            flash.attempt(lambda: watchlists.remove(resources.store(), _user(), marked), done)
        st.caption(f"{words.grouped(len(tokens))} watched. Mark rows at their left edge to remove them.")


def _user() -> str:
    return viewer.required().user.id
