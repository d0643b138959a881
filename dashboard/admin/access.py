"""Who may be on the page Admin, asked when it is drawn and again before each change; and the way to another page from it."""

from collections.abc import Callable

import streamlit as st

from dashboard import flash, viewer
from dashboard.web.html import render
from stormalert.access.sessions import SignedIn


def admin() -> SignedIn:
    """Stops the script for everybody else."""
    who = viewer.required()
    if not who.is_admin:
        st.error("Only admins may see this.")
        st.stop()
    return who


def attempt(work: Callable[[], object], done: str) -> None:
    # Again: the page may have been drawn before the role was taken away.
    admin()
    flash.attempt(work, done)


def link(path: str, text: str) -> None:
    """A page of ours, opened anew: Streamlit's own links know no route of ours and no part of a page."""
    st.html(render("link_button.html", path=path, text=text), width="content")
