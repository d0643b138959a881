"""Another password."""

import streamlit as st

from dashboard import authentication, flash, passwords, resources, viewer
from stormalert.errors import Conflict, InputError
from stormalert.security import hash_password, is_password
from stormalert.sessions import SignedIn


def show(who: SignedIn) -> None:
    with st.form("password", clear_on_submit=True, border=False, width=420):
        st.markdown(f"You are signed in as **{who.user.name}**.")
        current = st.text_input("Current password", type="password", autocomplete="current-password")
        new = st.text_input("New password", type="password", autocomplete="new-password", help=passwords.RULE)
        again = st.text_input("New password again", type="password", autocomplete="new-password")
        is_sent = st.form_submit_button("Change password", type="primary")
    if not is_sent:
        return
    who = viewer.required()
    try:
        passwords.check_new(new, again, current)
        if not is_password(current, who.user.password_hash):
            authentication.record(who.user.id, "password change refused")
            raise InputError("The current password is wrong.")
        resources.store().save_user(who.user.model_copy(update={"password_hash": hash_password(new)}))
    except InputError as error:
        st.error(str(error))
        return
    except Conflict:
        st.error("Your account changed meanwhile. Please try again.")
        return
    authentication.record(who.user.id, "password changed")
    flash.leave("The password is changed.")
    st.rerun()
