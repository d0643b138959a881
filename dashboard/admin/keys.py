"""Keys: accounts at Kite and at the channels' providers, set here in the place of the environment's."""

from collections.abc import Sequence

import streamlit as st

from dashboard import resources
from dashboard.accounts import authentication
from dashboard.admin.access import admin, attempt
from stormalert import channels
from stormalert.channels import ChannelKind
from stormalert.config import overrides, settings


def show() -> None:
    """Those of the channels; Kite's are on its own part."""
    st.caption("What is set here goes before the environment; the processes take it up within seconds.")
    # One that two channels need is asked for once.
    asked: set[str] = set()
    for channel in (channels.of(kind) for kind in ChannelKind):
        if names := [name for name in channel.account if name not in asked]:
            st.subheader(channel.name, anchor=False)
            st.caption(channel.set_up)
            ask(names)
            asked.update(names)


def ask(names: Sequence[str]) -> None:
    for key in overrides.shown(settings.load(), resources.store()):
        if key.name not in names:
            continue
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            with st.container(width="stretch", gap=None):
                st.text(key.name)
                st.caption(key.help)
            value = f"…{key.tail}" if key.is_secret and key.source else key.tail
            st.text(value if key.source else "not set")
            if key.source:
                st.badge(key.source, color="blue" if key.source == "panel" else "gray")
            with st.popover("Set", icon=":material/key:"):
                _change_key(key)


def _change_key(key: overrides.Shown) -> None:
    with st.form(f"key-{key.name}", border=False, clear_on_submit=True):
        text = st.text_input(key.name, type="password", autocomplete="off")
        is_sent = st.form_submit_button("Save", type="primary", width="stretch")
    if is_sent:
        attempt(lambda: _set_key(key.name, text), f"{key.name} is set.")
    if key.source == "panel" and st.button("Forget", key=f"forget-{key.name}", width="stretch"):
        attempt(lambda: _forget_key(key.name), f"{key.name} is as the environment has it.")


def _set_key(name: str, text: str) -> None:
    who = admin()
    overrides.save(resources.config(), resources.store(), name, text)
    resources.refresh_overrides()
    authentication.record(who.user.id, "key set", name)


def _forget_key(name: str) -> None:
    who = admin()
    overrides.forget(resources.store(), name)
    resources.refresh_overrides()
    authentication.record(who.user.id, "key forgotten", name)
