"""A word that survives the rerun after a change."""

from collections.abc import Callable
from typing import TypeVar

import streamlit as st

from stormalert.away import what_is_away
from stormalert.errors import Conflict, InputError, StormError
from stormalert.process import REDIS_ERRORS

_KEY = "flash"

Made = TypeVar("Made")


def leave(text: str) -> None:
    st.session_state[_KEY] = text


def show() -> None:
    if text := st.session_state.pop(_KEY, None):
        st.toast(text, icon=":material/check_circle:")


def attempt(work: Callable[[], Made], done: str | Callable[[Made], str]) -> None:
    """Does it and draws the page anew with a word of it, which may depend on what came of it, or says why not."""
    try:
        made = work()
    except (InputError, Conflict) as error:
        st.error(str(error))
    except (*REDIS_ERRORS, StormError) as error:
        st.error(f"{what_is_away(error)}; try again in a moment.")
    else:
        leave(done if isinstance(done, str) else done(made))
        st.rerun()
