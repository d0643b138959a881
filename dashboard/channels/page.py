"""Channels: where one's alerts go, in which order, how they are worded, and how many are too many."""

import streamlit as st

from dashboard import flash, resources, texts, viewer
from dashboard.channels import book, order, rows, verification, wording
from stormalert import channels as kinds
from stormalert.errors import InputError
from stormalert.model import Channel, ChannelKind
from stormalert.notify.send_requests import SendKind


def show() -> None:
    who = viewer.required()
    flash.show()
    st.title("Channels", anchor=False)
    channels = resources.store().channels_of(who.user.id)
    _way(channels)
    rows.show(channels)
    st.subheader("Add a channel", anchor=False)
    if any(kinds.of(kind).has_link for kind in kinds.set_up(resources.config())):
        verification.link_telegram()
    _addition()
    wording.show(who)


def _way(channels: list[Channel]) -> None:
    if steps := order.way(channels):
        # As text: addresses are their owners' words.
        with st.container(border=True, gap=None):
            for number, step in enumerate(steps, 1):
                st.text(f"{number}. {step}" if len(steps) > 1 else step)
    elif channels:
        st.warning("Alerts go nowhere: no channel is both verified and on. They are in the history all the same.")
    else:
        st.info(f"Alerts go nowhere yet. Add a channel below: {kinds.nouns()}.")


def _addition() -> None:
    with st.form("channel", clear_on_submit=False, border=False):
        left, right, button = st.columns([1, 2, 1], vertical_alignment="bottom")
        kind = left.selectbox("Channel", list(ChannelKind), format_func=texts.CHANNEL_NAMES.__getitem__)
        address = right.text_input("Address", max_chars=254)
        is_sent = button.form_submit_button("Add channel", type="primary", width="stretch")
    st.caption("  \n".join(f"**{texts.CHANNEL_NAMES[it]}** – {kinds.of(it).address_help}" for it in ChannelKind))
    if not is_sent or kind is None:
        return
    try:
        channel = book.add(resources.store(), viewer.required().user, kind, address, resources.config())
    except InputError as error:
        st.error(str(error))
        return
    verification.ask(channel, SendKind.CODE)
    flash.leave(f"{texts.CHANNEL_NAMES[kind]} added; a code is on its way to it.")
    st.rerun()
