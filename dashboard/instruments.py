"""Symbols for tokens, many at a time."""

import streamlit as st

from dashboard import resources


def symbols(tokens: list[int]) -> dict[int, str]:
    """Token to symbol, in the order given; those without an instrument in the store are left out."""
    return _symbols(tuple(tokens))


# The dump changes once a day; a watchlist may have thousands.
@st.cache_data(ttl=300, max_entries=100, show_spinner=False)
def _symbols(tokens: tuple[int, ...]) -> dict[int, str]:
    found = ((token, resources.store().instrument(token)) for token in tokens)
    return {token: instrument.symbol for token, instrument in found if instrument}
