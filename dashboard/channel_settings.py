"""Where a user's alerts go: add and verify, switch on and off, test, remove."""

import streamlit as st

from dashboard import addresses, channel_book, channel_wishes, flash, message_settings, proofs, resources, texts, viewer
from stormalert.errands import ErrandKind
from stormalert.errors import Conflict, InputError
from stormalert.model import Channel, ChannelKind
from stormalert.sessions import SignedIn
from stormalert.settings import Settings


def show(who: SignedIn) -> None:
    channels = resources.store().channels_of(who.user.id)
    if not channels:
        st.info("Alerts go nowhere yet. Add a channel below: Telegram, WhatsApp, e-mail or a webhook.")
    for channel in channels:
        _row(channel, channels)
    st.subheader("Add a channel", anchor=False)
    if ChannelKind.TELEGRAM in working_kinds(resources.config()):
        proofs.link_telegram()
    _addition()
    message_settings.show(who)


def _row(channel: Channel, channels: list[Channel]) -> None:
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{texts.CHANNEL_NAMES[channel.kind]}**", width=90)
        with st.container(width="stretch", gap=None):
            # As code: an address is never read as Markdown.
            st.code(channel.address, language=None, wrap_lines=True)
            if channel.reason:
                st.caption(f"Switched off: {channel.reason}")
            if told := channel_wishes.told(channel, channels):
                st.caption(told)
            if channel.kind not in working_kinds(resources.config()):
                st.caption("This server is not set up for it; see the installation notes.")
        if channel.kind is ChannelKind.WEBHOOK and channel.kind in working_kinds(resources.config()):
            with st.popover("Secret", icon=":material/key:"):
                st.caption("Each message is signed with it, as standardwebhooks.com says, so that you know that it is ours.")
                st.code(channel_book.secret_of(channel, resources.config()), language=None)
        if channel.is_verified:
            _switch(channel, channels)
        else:
            st.badge("Not verified", color="orange")
        if st.button("Remove", icon=":material/delete:", key=f"remove-{channel.id}"):
            _confirm_removal(channel)
    if channel.is_verified:
        proofs.show_errand(channel)
    else:
        proofs.enter_code(channel)


def _switch(channel: Channel, channels: list[Channel]) -> None:
    # Only Telegram sends without a sound.
    choices = ["On", "Silent", "Off"] if channel.kind is ChannelKind.TELEGRAM else ["On", "Off"]
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
        _save(channel.model_copy(update=changes), "is silent now" if choice == "Silent" else f"switched {choice.lower()}")
    if changed := channel_wishes.ask(channel, channels):
        _save(changed, "saved")
    if st.button("Test", icon=":material/send:", key=f"test-{channel.id}", help="Sends a message there now"):
        proofs.ask(channel, ErrandKind.TEST)


@st.dialog("Remove channel")
def _confirm_removal(channel: Channel) -> None:
    st.write("No more alerts go to this address. What was sent stays in the history.")
    st.code(channel.address, language=None, wrap_lines=True)
    if st.button("Remove", type="primary", key="confirm-removal"):
        who = viewer.required()
        if channel.user == who.user.id:
            resources.store().delete_channel(channel.id)
            flash.leave(f"{texts.CHANNEL_NAMES[channel.kind]} removed.")
        st.rerun()


def _addition() -> None:
    with st.form("channel", clear_on_submit=False, border=False):
        left, right, button = st.columns([1, 2, 1], vertical_alignment="bottom")
        kind = left.selectbox("Channel", list(ChannelKind), format_func=texts.CHANNEL_NAMES.__getitem__)
        address = right.text_input("Address", max_chars=254)
        is_sent = button.form_submit_button("Add channel", type="primary", width="stretch")
    st.caption("  \n".join(f"**{texts.CHANNEL_NAMES[it]}** – {text}" for it, text in addresses.HELP.items()))
    if not is_sent or kind is None:
        return
    try:
        channel = channel_book.add(resources.store(), viewer.required().user, kind, address, resources.config())
    except InputError as error:
        st.error(str(error))
        return
    proofs.ask(channel, ErrandKind.CODE)
    flash.leave(f"{texts.CHANNEL_NAMES[kind]} added; a code is on its way to it.")
    st.rerun()


def _save(channel: Channel, done: str) -> None:
    who = viewer.required()
    if channel.user != who.user.id:
        return
    try:
        resources.store().save_channel(channel)
        flash.leave(f"{texts.CHANNEL_NAMES[channel.kind]} {done}.")
    except Conflict:
        flash.leave("It changed meanwhile; please look again.")
    st.rerun()


def working_kinds(config: Settings) -> set[ChannelKind]:
    """What this server has an account for."""
    accounts = {
        ChannelKind.TELEGRAM: config.telegram_bot_token.get_secret_value(),
        ChannelKind.WHATSAPP: config.twilio_sid and config.twilio_auth_token.get_secret_value(),
        ChannelKind.EMAIL: config.smtp_url,
        ChannelKind.WEBHOOK: config.master_secret.get_secret_value(),
    }
    return {kind for kind, account in accounts.items() if account}
