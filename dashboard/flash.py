"""A word that survives the rerun after a change."""

from collections.abc import Callable

import streamlit as st

from stormalert.errors import Conflict, InputError, StormError
from stormalert.process import REDIS_ERRORS

_KEY = "flash"


def leave(text: str) -> None:
    st.session_state[_KEY] = text


def show() -> None:
    if text := st.session_state.pop(_KEY, None):
        st.toast(text, icon=":material/check_circle:")


def attempt(work: Callable[[], object], done: str) -> None:
    """Does it and draws the page anew with a word of it, or says why not."""
    try:
        work()
    except (InputError, Conflict) as error:
        st.error(str(error))
    except (*REDIS_ERRORS, StormError):
        st.error("Redis or the store does not answer; try again in a moment.")
    else:
        leave(done)
        st.rerun()
