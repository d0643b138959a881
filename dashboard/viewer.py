"""Who looks at the page, checked again at each rerun, and what surrounds every page."""

from urllib.parse import urlsplit

import streamlit as st

from dashboard import resources
from dashboard.web import sessions
from dashboard.web.html import PAGES_STYLE, render
from stormalert.access.sessions import SignedIn
from stormalert.away import what_is_away
from stormalert.errors import StormError
from stormalert.process import REDIS_ERRORS


def required() -> SignedIn:
    """Stops the script when nobody is signed in any more: the cookie was read when the page was opened."""
    try:
        who = sessions.find(dict(st.context.cookies))
    except (*REDIS_ERRORS, StormError) as error:
        st.error(f"{what_is_away(error)}, so your session cannot be checked. Reload the page in a moment.")
        st.stop()
    if who is None:
        st.warning("You are signed out.")
        st.html(render("links.html", lead="", links=[("/login", "Sign in again")]))
        st.stop()
    return who


def root() -> str:
    """The dashboard's address as others reach it, without a slash at its end."""
    page = urlsplit(st.context.url or "")
    return resources.config().public_url.rstrip("/") or f"{page.scheme}://{page.netloc}"


def frame(who: SignedIn) -> None:
    st.html(PAGES_STYLE)
    csrf = sessions.sign_out_token(who.session)
    st.html(render("frame.html", name=who.user.name, is_admin=who.is_admin, csrf=csrf))
