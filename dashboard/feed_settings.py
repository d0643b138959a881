"""For admins: the Kite feed with its daily login, and the queue of deliveries."""

import re
from html import escape
from typing import cast
from urllib.parse import urlsplit

import streamlit as st

from dashboard import authentication, resources, status, texts, viewer
from stormalert import alarms, keys, words
from stormalert.process import REDIS_ERRORS

_LINK = """<style>.go{display:inline-block;padding:.45rem .9rem;border-radius:.5rem;font-weight:600;
text-decoration:none!important;border:1px solid color-mix(in srgb,currentColor 30%,transparent);color:inherit!important}
.go:hover{background:color-mix(in srgb,currentColor 8%,transparent)}</style>"""
_COLORS = {"streaming": "green", "connecting": "orange", "starting": "orange", "login_needed": "red", "stale": "red"}


def show() -> None:
    st.subheader("Kite feed", anchor=False)
    _feed()
    config = resources.config()
    if config.kite_api_key:
        st.caption("Kite's access ends at 06:00 every day; one login with this button starts it again.")
        st.html(f'{_LINK}<a class="go" href="/kite/login" target="_self">Log in to Kite</a>')
    else:
        st.info("There is no Kite API key. Set KITE_API_KEY and KITE_API_SECRET, then start StormAlert again.")
    st.subheader("Deliveries", anchor=False)
    _alarms()
    host = urlsplit(st.context.url or "").hostname or config.host
    host = f"[{host}]" if ":" in host else host
    address = config.queue_board_url or f"http://{host}:{config.queue_board_port}/"
    st.caption("The queue board shows what waits, runs and failed.")
    st.html(f'{_LINK}<a class="go" href="{escape(address)}" target="_blank" rel="noopener">Open the queue board</a>')


def _alarms() -> None:
    """What only an admin can mend."""
    store = resources.store()
    for alarm in alarms.alarms(store):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.error(f"{texts.CHANNEL_NAMES[alarm.kind]}, {words.moment(alarm.time_ms)}: {_plain(alarm.reason)}")
            if st.button("Mended", key=f"alarm-{alarm.kind}") and (who := viewer.required()).is_admin:
                alarms.clear_alarm(store, alarm.kind)
                authentication.record(who.user.id, "alarm cleared", alarm.kind)
                st.rerun()


def _plain(text: str) -> str:
    """A provider's words without a meaning in Markdown."""
    return re.sub(r"([\\\[\]()*_`$~#<>:!|])", r"\\\1", text)


@st.fragment(run_every=2)
def _feed() -> None:
    viewer.required()
    try:
        redis = resources.thread_redis()
        feed = cast(dict[str, str], redis.hgetall(keys.FEED))
        gaps = status.gaps(cast(list[status.Entry], redis.xrevrange(keys.GAPS, count=status.GAPS_SHOWN)))
    except REDIS_ERRORS:
        st.error("Redis does not answer: the feed's state is not known now.")
        return
    if not feed:
        st.info("The feed has not reported yet: ingest is not running, or has just been started.")
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
    if gaps:
        rows = "".join(f"<li>{escape(texts.gap(gap))}</li>" for gap in gaps)
        with st.expander(f"Gaps: newest {texts.gap(gaps[0])}"):
            st.html(f"<ul>{rows}</ul>")
