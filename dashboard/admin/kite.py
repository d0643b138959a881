"""Kite: its key, the daily login, the instruments it lists, and the feed that comes from it."""

from datetime import datetime, timedelta
from typing import cast

import streamlit as st

from dashboard import resources, texts, viewer
from dashboard.accounts import authentication
from dashboard.admin import keys as overrides_form
from dashboard.admin.access import admin, attempt, link
from dashboard.system import status
from dashboard.web.html import render
from stormalert import words
from stormalert.config import overrides
from stormalert.config.stored import INSTRUMENTS_REFRESH
from stormalert.health.reading import Entry, gaps_of
from stormalert.process import REDIS_ERRORS, silence_of
from stormalert.redis import keys
from stormalert.units import IST, now_ms

# As ingest reads it: another value has it list the instruments anew.
# By Kite's own rule.
TOKEN_ENDS_AT_H = 6
_COLORS = {
    "streaming": "green", "connecting": "orange", "starting": "orange", "login_needed": "red", "stale": "red", "unknown": "red",
}  # fmt: skip


def show() -> None:
    st.subheader("Kite feed", anchor=False)
    _feed()
    log_in()
    st.subheader("Instruments", anchor=False)
    _instruments()
    st.subheader("Key", anchor=False)
    redirect_url()
    overrides_form.ask(overrides.KITE)


def log_in() -> None:
    """The way to Kite's page, where there is a key for it."""
    if resources.config().kite_api_key:
        link("/kite/login", "Log in to Kite")
        st.caption(f"Kite's access ends {token_ends(datetime.now(IST))}; one login with this button starts it again.")
    else:
        st.info("There is no Kite API key yet: set KITE_API_KEY and KITE_API_SECRET below.")


def token_ends(now: datetime) -> str:
    """tomorrow at 06:00 IST"""
    today = now.replace(hour=TOKEN_ENDS_AT_H, minute=0, second=0, microsecond=0)
    ends = today if now < today else today + timedelta(days=1)
    return f"{'today' if ends.date() == now.date() else 'tomorrow'} at {ends:%H:%M} IST"


def redirect_url() -> None:
    st.caption("The redirect URL of your app at developers.kite.trade, to which Kite's login comes back:")
    st.code(f"{viewer.root()}/kite/callback", language=None, wrap_lines=True)


def read_feed() -> dict[str, str]:
    """As ingest tells it; empty when it has not yet. Raises RedisError."""
    told = cast(dict[str, str], resources.thread_redis().hgetall(keys.FEED))
    return status.feed_of(told, silence_of(resources.thread_redis(), "ingest"))


def _instruments() -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Refresh now", icon=":material/refresh:", help="Besides 08:30 every day, when Kite lists them anew."):
            attempt(_refresh, "Asked for; ingest lists them within seconds.")
        _listed()


@st.fragment(run_every=2)
def _listed() -> None:
    try:
        feed = read_feed()
    except REDIS_ERRORS:
        st.caption("Redis does not answer.")
        return
    count, listed_ms = feed.get("listed", "0"), feed.get("listed_ms", "0")
    if count.isdigit() and int(count):
        st.caption(f"{words.grouped(int(count))} listed at {words.moment(int(listed_ms))} IST.")
    else:
        st.caption("Not listed since ingest was started; they come after the Kite login.")


def _refresh() -> None:
    resources.store().save_setting(INSTRUMENTS_REFRESH.name, str(now_ms()))
    authentication.record(admin().user.id, "instruments refreshed")


@st.fragment(run_every=2)
def _feed() -> None:
    admin()
    try:
        feed = read_feed()
        entries = cast(list[Entry], resources.thread_redis().xrevrange(keys.GAPS, count=status.GAPS_SHOWN))
    except REDIS_ERRORS:
        st.error("Redis does not answer: the feed's state is not known now.")
        return
    if not feed:
        st.info("The feed has not reported yet: ingest has just been started.")
        return
    state = feed.get("state", "")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(texts.feed_state(state), color=_COLORS.get(state, "gray"))  # type: ignore[arg-type]
        since = f"since {words.moment(int(feed['since_ms']))} IST" if feed.get("since_ms", "").isdigit() else ""
        st.text(" · ".join(part for part in (feed.get("reason", ""), since) if part))
    facts = [
        (words.grouped(int(feed[name])), noun)
        for name, noun in (("instruments", "instruments"), ("ticks", "ticks"), ("ticks_per_s", "ticks/s"))
        if feed.get(name, "").isdigit()
    ]
    if facts:
        st.caption(" · ".join(f"{number} {noun}" for number, noun in facts))
    if feed.get("trouble"):
        st.warning(feed["trouble"].replace("`", "'"))
    if refused := texts.refusals(feed):
        st.caption(f"Packets that are no ticks: {refused}.")
    if gaps := [status.gap_of(gap) for gap in gaps_of(entries)]:
        with st.expander(f"Gaps: newest {texts.gap(gaps[0])}"):
            st.html(render("list.html", texts=map(texts.gap, gaps)))
