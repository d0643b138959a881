"""One's channels one by one: what each gets, and the ways to change, test and remove it."""

from collections.abc import Sequence

import streamlit as st

from dashboard import flash, resources, texts, viewer
from dashboard.channels import book, health, order, preferences, verification
from dashboard.web.html import render
from stormalert import channels as kinds
from stormalert.errors import Conflict
from stormalert.model import Channel, Delivery
from stormalert.notify import alarms
from stormalert.notify.send_requests import SendKind


def show(channels: Sequence[Channel]) -> None:
    """In their order."""
    last = health.newest(resources.store(), viewer.required().user.id)
    raised = alarms.alarms(resources.store())
    for channel in order.in_order(channels):
        _row(channel, channels, last.get(channel.id), raised)


def _row(channel: Channel, channels: Sequence[Channel], last: Delivery | None, raised: Sequence[alarms.Alarm]) -> None:
    kind = kinds.of(channel.kind)
    is_set_up = kind.is_set_up(resources.config())
    with st.container(border=True, key=f"channel-{channel.id}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"{kind.icon} **{kind.name}**", width="content")
            # As code: an address is never read as Markdown.
            st.code(kinds.shown(channel), language=None, wrap_lines=True)
        if not channel.is_verified:
            st.badge("Not verified", color="orange", icon=":material/hourglass_top:")
        elif channel.is_on:
            _soft(" ".join([order.told(channel, channels), preferences.told(channel)]))
        if wrong := health.trouble(channel, last, raised):
            # As text: the reason may be a provider's words.
            st.badge("Needs you", color="red", icon=":material/error:")
            st.text(wrong)
        elif told := health.last_message(last):
            _soft(told)
        if not is_set_up:
            st.caption("This server has no account for it; an admin sets one up under Admin, Keys.")
        with st.container(horizontal=True, vertical_alignment="center"):
            _actions(channel, channels, is_set_up)
        if channel.is_verified:
            verification.show_request(channel)
        else:
            verification.enter_code(channel)


def _soft(text: str) -> None:
    """Addresses and providers' words are never read as Markdown."""
    st.html(render("note.html", text=text))


def _actions(channel: Channel, channels: Sequence[Channel], is_set_up: bool) -> None:
    if channel.is_verified:
        _switch(channel)
        if st.button("Test", icon=":material/send:", key=f"test-{channel.id}", help="Sends a message there now"):
            verification.ask(channel, SendKind.TEST)
        if changed := preferences.ask(channel, channels):
            _save([changed], "saved")
        _moves(channel, channels)
    if kinds.of(channel.kind).is_signed and is_set_up:
        with st.popover("Secret", icon=":material/key:"):
            st.caption("Each message is signed with it, as standardwebhooks.com says, so that you know that it is ours.")
            st.code(book.secret_of(channel, resources.config()), language=None)
    if st.button("Remove", icon=":material/delete:", key=f"remove-{channel.id}"):
        _confirm_removal(channel)


def _switch(channel: Channel) -> None:
    choices = ["On", "Silent", "Off"] if kinds.of(channel.kind).can_be_silent else ["On", "Off"]
    before = "Off" if not channel.is_on else "Silent" if channel.is_silent and "Silent" in choices else "On"
    choice = st.segmented_control(
        "Messages",
        choices,
        default=before,
        required=True,
        label_visibility="collapsed",
        key=f"on-{channel.id}-{channel.revision}",
    )
    if choice and choice != before:
        # Who switches it on again takes the reason for read.
        changes = {"is_on": choice != "Off", "is_silent": choice == "Silent", "reason": ""}
        _save([channel.model_copy(update=changes)], "is silent now" if choice == "Silent" else f"switched {choice.lower()}")


def _moves(channel: Channel, channels: Sequence[Channel]) -> None:
    """Where it has a place before or behind another one."""
    up, down = order.moved_up(channel, channels), order.moved_down(channel, channels)
    if not (up or down):
        return
    if st.button("Earlier", icon=":material/arrow_upward:", key=f"up-{channel.id}", disabled=not up):
        _save(up, "comes earlier now")
    if st.button("Later", icon=":material/arrow_downward:", key=f"down-{channel.id}", disabled=not down):
        _save(down, "comes later now")


@st.dialog("Remove channel")
def _confirm_removal(channel: Channel) -> None:
    st.write("No more alerts go to this address. What was sent stays in the history.")
    st.code(kinds.shown(channel), language=None, wrap_lines=True)
    if st.button("Remove", type="primary", key="confirm-removal"):
        who = viewer.required()
        if channel.user == who.user.id:
            resources.store().delete_channel(channel.id)
            flash.leave(f"{texts.CHANNEL_NAMES[channel.kind]} removed.")
        st.rerun()


def _save(changed: Sequence[Channel], done: str) -> None:
    who = viewer.required()
    if any(channel.user != who.user.id for channel in changed):
        return
    try:
        for channel in changed:
            resources.store().save_channel(channel)
        flash.leave(f"{texts.CHANNEL_NAMES[changed[0].kind]} {done}.")
    except Conflict:
        flash.leave("It changed meanwhile; please look again.")
    st.rerun()
