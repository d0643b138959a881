"""Who may be on the page Admin, asked when it is drawn and again before each change; and the way to another page from it."""

from collections.abc import Callable
from html import escape

import streamlit as st

from dashboard import flash, viewer
from stormalert.access.sessions import SignedIn

_LINK = """<style>.go{display:inline-block;padding:.45rem .9rem;border-radius:.5rem;font-weight:600;
text-decoration:none!important;border:1px solid color-mix(in srgb,currentColor 30%,transparent);color:inherit!important}
.go:hover{background:color-mix(in srgb,currentColor 8%,transparent)}</style>"""


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
    st.html(f'{_LINK}<a class="go" href="{escape(path)}" target="_self">{escape(text)}</a>', width="content")
