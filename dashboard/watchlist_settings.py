"""Which instruments a user sees live."""

import pandas as pd
import streamlit as st

from dashboard import flash, instruments, resources, viewer
from stormalert import words
from stormalert.errors import InputError
from stormalert.sessions import SignedIn

# What three Kite sockets carry.
MOST = 9_000


def show(who: SignedIn) -> None:
    tokens = resources.store().watchlist(who.user.id)
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    with left:
        instrument = instruments.pick("watch")
    if right.button("Add to watchlist", type="primary", disabled=instrument is None, width="stretch") and instrument:
        _change(add=instrument.token, done=f"{instrument.symbol} added.")
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
            _change(remove=marked, done=f"{words.grouped(len(marked))} removed.")
        st.caption(f"{words.grouped(len(tokens))} watched. Mark rows at their left edge to remove them.")


def _change(*, done: str, add: int | None = None, remove: frozenset[int] | set[int] = frozenset()) -> None:
    user = viewer.required().user.id
    # As it is now: another tab may have changed it.
    tokens = [token for token in resources.store().watchlist(user) if token not in remove]
    try:
        if add is not None:
            tokens = _with(tokens, add)
    except InputError as error:
        st.error(str(error))
        return
    resources.store().save_watchlist(user, tokens)
    flash.leave(done)
    st.rerun()


def _with(tokens: list[int], token: int) -> list[int]:
    if token in tokens:
        raise InputError("It is on the watchlist already.")
    if len(tokens) >= MOST:
        raise InputError(f"A watchlist holds at most {words.grouped(MOST)} instruments.")
    return [*tokens, token]
