"""A word that survives the rerun after a change."""

import streamlit as st

_KEY = "flash"


def leave(text: str) -> None:
    st.session_state[_KEY] = text


def show() -> None:
    if text := st.session_state.pop(_KEY, None):
        st.toast(text, icon=":material/check_circle:")
