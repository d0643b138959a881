"""The way through a list that is shown page by page: where it begins stands in the address, the way back in the session.

So a page of the list can be bookmarked and sent on; who came by a bookmark goes back to the first page.
"""

import streamlit as st

_AFTER = "after"


class Paging:
    """Of one list; `name` tells it from others of the session."""

    def __init__(self, name: str) -> None:
        self._key = f"{name}-trail"

    @property
    def after(self) -> str:
        """The row behind which the page begins, as `on` was given it or as somebody typed it; empty on the first page."""
        return st.query_params.get(_AFTER, "")

    def restart(self) -> None:
        st.session_state.pop(self._key, None)
        st.query_params.pop(_AFTER, None)

    def on(self, last: str) -> None:
        st.session_state.setdefault(self._key, []).append(self.after)
        st.query_params[_AFTER] = last

    def back(self) -> None:
        before: list[str] = st.session_state.get(self._key, [])
        if after := before.pop() if before else "":
            st.query_params[_AFTER] = after
        else:
            st.query_params.pop(_AFTER, None)
