"""The steps of a channel that take a moment: its code, its link, a test message. The workers send; here one waits for it."""

import time

import streamlit as st

from dashboard import flash, resources, texts, viewer
from stormalert import channels as kinds
from stormalert.config import policy
from stormalert.errors import InputError, StormError
from stormalert.model import Channel
from stormalert.notify import linking, send_requests
from stormalert.notify.linking import Linking
from stormalert.notify.send_requests import SendKind, SendResult, SendState
from stormalert.process import REDIS_ERRORS
from stormalert.redis import keys

# After this it is likely that nobody runs send requests.
LONG_S = 20
_LINK = "telegram-link"
_AWAY = "Redis does not answer; try again in a moment."
_NOBODY = "Nobody sends it: is the process `python -m workers bot` running?"


def links() -> Linking:
    return Linking(resources.thread_redis(), resources.config())


def ask(channel: Channel, kind: SendKind) -> None:
    """Has it sent; `show_request` tells what became of it."""
    try:
        request = send_requests.ask(resources.thread_redis(), kind, channel.id)
    except REDIS_ERRORS:
        st.error(_AWAY)
        return
    st.session_state[_key(channel)] = (request, kind, time.monotonic())


def show_request(channel: Channel) -> None:
    """What became of the channel's newest request of this session."""
    if _key(channel) in st.session_state:
        _request(channel)


def enter_code(channel: Channel) -> None:
    """The field for the code that was sent, and the way to a new one."""
    with st.form(f"code-{channel.id}", border=False):
        field, button = st.columns([2, 1], vertical_alignment="bottom")
        code = field.text_input("Code", max_chars=16, placeholder="six digits", autocomplete="one-time-code")
        is_entered = button.form_submit_button("Verify", type="primary", width="stretch")
    if st.button("Send a new code", key=f"recode-{channel.id}"):
        ask(channel, SendKind.CODE)
    show_request(channel)
    if is_entered:
        _check(channel, code)


def link_telegram() -> None:
    """A link that makes the chat that opens it a channel."""
    link = st.session_state.get(_LINK)
    if link is None:
        if st.button("Link Telegram", icon=":material/link:", help="Opens the bot in Telegram, which then knows you."):
            _make_link()
        return
    _link(*link)


@st.fragment(run_every=1.0)
def _request(channel: Channel) -> None:
    asked = st.session_state.get(_key(channel))
    if asked is None:
        return
    request, kind, asked_s = asked
    noun = "The code" if kind is SendKind.CODE else "The test message"
    try:
        result = send_requests.result(resources.thread_redis(), request)
    except REDIS_ERRORS:
        st.caption(_AWAY)
        return
    _told(noun, result, time.monotonic() - asked_s)


def _told(noun: str, result: SendResult | None, waited_s: float) -> None:
    if result is None:
        return
    if result.state is SendState.WAITING:
        st.caption(_NOBODY if waited_s > LONG_S else f"{noun} is on its way …")
    elif result.state is SendState.SENT:
        st.caption(f"{noun} was sent.")
    else:
        # As text: the reason may be a provider's words.
        st.text(f"{noun} was not sent: {result.reason}.")


def _check(channel: Channel, code: str) -> None:
    who = viewer.required()
    # As it is now: it may have been removed, or be verified, since it was drawn.
    now = resources.store().channel(channel.id)
    if now is None or now.user != who.user.id:
        return
    try:
        links().check_code(now, code)
        linking.verify(resources.store(), now)
    except InputError as error:
        st.error(str(error))
        return
    except (*REDIS_ERRORS, StormError):
        st.error(_AWAY)
        return
    st.session_state.pop(_key(channel), None)
    flash.leave(f"{texts.CHANNEL_NAMES[now.kind]} verified: alerts go there from now on.")
    st.rerun()


def _make_link() -> None:
    who = viewer.required()
    try:
        policy.check_channels(resources.store(), who.user.id)
        st.session_state[_LINK] = links().make_link(who.user.id), _linked()
    except InputError as error:
        st.error(str(error))
        return
    except REDIS_ERRORS:
        st.error(_AWAY)
        return
    st.rerun()


@st.fragment(run_every=2.0)
def _link(token: str, before: set[tuple[str, int]]) -> None:
    try:
        left_s = links().left_s(token)
        bot = str(resources.thread_redis().get(keys.BOT_NAME) or "")
    except REDIS_ERRORS:
        st.caption(_AWAY)
        return
    if not left_s:
        del st.session_state[_LINK]
        flash.leave("Telegram is linked." if _linked() - before else "The link is too old; make a new one.")
        st.rerun()
    if not bot:
        st.warning("The bot is not listening: is `python -m workers bot` running, with a bot token?")
    else:
        st.link_button("Open Telegram", f"https://t.me/{bot}?start={token}", icon=":material/open_in_new:", type="primary")
        st.caption(f"Or write to @{bot} yourself:")
        st.code(f"/start {token}", language=None)
    st.caption(f"Waiting for the chat … the link works once, for {-(-left_s // 60)} more minutes.")


def _linked() -> set[tuple[str, int]]:
    """The user's chats, each with its revision: one that is linked again is the same channel, changed."""
    channels = resources.store().channels_of(viewer.required().user.id)
    return {(it.id, it.revision) for it in channels if kinds.of(it.kind).has_link and it.is_verified}


def _key(channel: Channel) -> str:
    return f"request-{channel.id}"
