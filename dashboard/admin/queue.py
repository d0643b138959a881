"""Queue: what waits, runs and failed, on the queue's own board in a frame."""

import streamlit as st

from dashboard import resources, texts
from dashboard.accounts import authentication
from dashboard.admin.access import admin, attempt
from dashboard.system.queue_board import AWAY
from stormalert import words
from stormalert.model import ChannelKind
from stormalert.notify import alarms, queue_board
from stormalert.process import REDIS_ERRORS, is_beating

_HEIGHT = 900


def show() -> None:
    _alarms()
    try:
        is_there = is_beating(resources.thread_redis(), "board")
    except REDIS_ERRORS:
        st.error("Redis does not answer: nothing is known of the queue now.")
        return
    if not is_there:
        st.warning(f"{AWAY} Deliveries go out all the same.")
        return
    st.caption("What waits, runs and failed. What is emptied or deleted here is made again as long as an alert is news.")
    st.iframe(f"{queue_board.PATH}/", height=_HEIGHT)


def _alarms() -> None:
    """What only an admin can mend."""
    for alarm in alarms.alarms(resources.store()):
        with st.container(horizontal=True, vertical_alignment="center"):
            # As text: a provider's words have no meaning in Markdown.
            st.badge("Provider", color="red", icon=":material/error:")
            st.text(f"{texts.CHANNEL_NAMES[alarm.kind]}, {words.moment(alarm.time_ms)} IST: {alarm.reason}", width="stretch")
            if st.button("Mended", key=f"alarm-{alarm.kind}"):
                attempt(lambda kind=alarm.kind: _clear(kind), "It is taken for mended.")  # type: ignore[misc]


def _clear(kind: ChannelKind) -> None:
    alarms.clear_alarm(resources.store(), kind)
    authentication.record(admin().user.id, "alarm cleared", kind)
