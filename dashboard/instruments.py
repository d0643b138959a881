"""Instruments on the pages: their symbols, many at a time, and one found by its name."""

import streamlit as st

from dashboard import resources
from stormalert.model import Instrument


def symbols(tokens: list[int]) -> dict[int, str]:
    """Token to symbol, in the order given; those without an instrument in the store are left out."""
    return _symbols(tuple(tokens))


# The dump changes once a day; a watchlist may have thousands.
@st.cache_data(ttl=300, max_entries=100, show_spinner=False)
def _symbols(tokens: tuple[int, ...]) -> dict[int, str]:
    found = ((token, resources.store().instrument(token)) for token in tokens)
    return {token: instrument.symbol for token, instrument in found if instrument}


def pick(key: str) -> Instrument | None:
    text = st.text_input("Find an instrument", placeholder="Symbol or name, such as INFY", key=f"{key}-search").strip()
    if not text:
        return None
    found = resources.store().search_instruments(text, limit=30)
    if not found:
        st.caption(f"No instrument matches {text!r}. New ones arrive once a day, after the Kite login.".replace("`", "'"))
        return None
    return st.selectbox("Instrument", found, format_func=_label, key=f"{key}-instrument")


def _label(instrument: Instrument) -> str:
    return f"{instrument.symbol} · {instrument.name}" if instrument.name else instrument.symbol
