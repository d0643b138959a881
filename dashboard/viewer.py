"""Who looks at the page, checked again at each rerun, and what surrounds every page."""

from html import escape
from urllib.parse import urlsplit

import streamlit as st

from dashboard import resources
from dashboard.web import sessions
from stormalert.access.sessions import SignedIn
from stormalert.errors import StormError
from stormalert.process import REDIS_ERRORS

_STYLE = """<style>
.stMainBlockContainer{padding-top:4.5rem;padding-bottom:4rem;max-width:1280px}
.who{display:flex;gap:.75rem;align-items:center;font-size:.85rem;opacity:.95}
.who b{font-size:1rem;font-weight:650;margin-right:auto}
.who form{margin:0}.who span{opacity:.7}
.who button{font:inherit;color:inherit;background:transparent;border:1px solid color-mix(in srgb,currentColor 25%,transparent);
border-radius:.5rem;padding:.2rem .7rem;cursor:pointer}
.who button:hover{background:color-mix(in srgb,currentColor 8%,transparent)}
h1{font-size:1.5rem!important;padding:0 0 .6rem!important;letter-spacing:-.01em}
h3{font-size:1.1rem!important}
/* The chosen one is marked by its frame and ground; in blue alone it is too dark to read in the dark. */
.stButtonGroup [data-selected=true] p{color:color-mix(in srgb,currentColor 55%,CanvasText)}
/* Where the menu leaves room beside it. */
@media(min-width:1280px){.who{position:fixed;top:0;right:1rem;height:3.75rem;z-index:999991}.who b{margin-right:.5rem}
.stMainBlockContainer{padding-top:4.2rem}}
@media(max-width:640px){.stMainBlockContainer{padding-left:1rem;padding-right:1rem}}
</style>"""


def required() -> SignedIn:
    """Stops the script when nobody is signed in any more: the cookie was read when the page was opened."""
    try:
        who = sessions.find(dict(st.context.cookies))
    except (*REDIS_ERRORS, StormError) as error:
        who_is_away = "The store" if isinstance(error, StormError) else "Redis"
        st.error(f"{who_is_away} does not answer, so your session cannot be checked. Reload the page in a moment.")
        st.stop()
    if who is None:
        st.warning("You are signed out.")
        st.html('<a href="/login" target="_self">Sign in again</a>')
        st.stop()
    return who


def root() -> str:
    """The dashboard's address as others reach it, without a slash at its end."""
    page = urlsplit(st.context.url or "")
    return resources.config().public_url.rstrip("/") or f"{page.scheme}://{page.netloc}"


def frame(who: SignedIn) -> None:
    role = " · admin" if who.is_admin else ""
    token = sessions.sign_out_token(who.session)
    st.html(
        f'{_STYLE}<div class="who"><b>⚡ StormAlert</b><span>{escape(who.user.name)}{role}</span>'
        '<form method="post" action="/logout" target="_self">'
        f'<input type="hidden" name="csrf" value="{token}"><button>Sign out</button></form></div>'
    )
