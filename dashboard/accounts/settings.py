"""One's own account: password, second factor, who is signed in, and all that is kept."""

import streamlit as st

from dashboard import flash, resources, viewer
from dashboard.accounts import authentication, passwords
from dashboard.accounts.authentication import Caller, NotSignedIn
from dashboard.accounts.sign_in import qr
from dashboard.web.html import render
from stormalert import words
from stormalert.access import second_factor
from stormalert.access.sessions import SignedIn
from stormalert.config import policy
from stormalert.errors import Conflict, InputError
from stormalert.model import Scope, Session, SessionKind, User
from stormalert.units import DAY_MS

_OFFER, _CODES, _TOKEN = "account-offer", "account-codes", "account-token"
_SCOPES = {Scope.READ: "Read", Scope.WRITE: "Read and change", Scope.ADMIN: "Administer"}


def show(who: SignedIn) -> None:
    st.markdown(f"You are signed in as **{who.user.name}**.")
    st.subheader("Password", anchor=False)
    _password()
    st.subheader("Second factor", anchor=False)
    _second_factor(who)
    st.subheader("Signed in", anchor=False)
    _sessions(who)
    st.subheader("Tokens for scripts", anchor=False)
    _new_token(who)
    st.subheader("Your data", anchor=False)
    st.html(render("accounts/export.html"))


def _password() -> None:
    with st.form("password", clear_on_submit=True, border=False, width=420):
        current = st.text_input("Current password", type="password", autocomplete="current-password")
        new = st.text_input("New password", type="password", autocomplete="new-password", help=passwords.RULE)
        again = st.text_input("New password again", type="password", autocomplete="new-password")
        is_sent = st.form_submit_button("Change password", type="primary")
    if is_sent:
        flash.attempt(lambda: _change_password(current, new, again), "The password is changed; all other sessions are over.")


def _change_password(current: str, new: str, again: str) -> None:
    passwords.check_new(new, again, current)
    who = viewer.required()
    authentication.change_password(_check_again(who, current), who.session, new)


def _second_factor(who: SignedIn) -> None:
    if codes := st.session_state.get(_CODES):
        st.success("The second factor is on. These recovery codes let you in when the phone is lost, each once:")
        st.code("\n".join(codes), language=None)
        if st.button("I have kept them"):
            del st.session_state[_CODES]
            st.rerun()
        return
    if who.user.has_second_factor:
        count = len(who.user.recovery_digests)
        st.caption(f"On. {words.count_of(count, 'recovery code')} left.")
        if not policy.read(resources.store()).demands_second_factor(who.user):
            _removal()
        return
    secret = st.session_state.get(_OFFER)
    if not secret:
        st.caption("Off. With it, signing in needs a code from an app on your phone too.")
        if st.button("Add a second factor", icon=":material/phonelink_lock:"):
            st.session_state[_OFFER] = second_factor.new_secret()
            st.rerun()
        return
    left, right = st.columns([1, 2], vertical_alignment="center")
    left.image(str(qr(second_factor.uri(secret, who.user.name))), width=180)
    with right:
        st.write("Scan this with an authenticator app, or enter this key by hand:")
        st.code(secret, language=None)
        with st.form("second-factor", border=False):
            code = st.text_input("Code that the app shows", max_chars=8, autocomplete="one-time-code")
            is_sent = st.form_submit_button("Turn on", type="primary")
    if is_sent:
        flash.attempt(lambda: _enrol(secret, code), "The second factor is on.")


def _enrol(secret: str, code: str) -> None:
    user = viewer.required().user
    if user.has_second_factor:
        raise Conflict("there is a second factor already")
    if not authentication.has_app(user, secret, code):
        raise InputError(authentication.WRONG_CODE)
    st.session_state[_CODES] = authentication.enrol(user, secret)[1]
    del st.session_state[_OFFER]


def _removal() -> None:
    with st.popover("Turn off"), st.form("no-second-factor", border=False):
        password = st.text_input("Your password", type="password", autocomplete="current-password")
        is_sent = st.form_submit_button("Turn the second factor off")
    if is_sent:
        flash.attempt(lambda: _drop(password), "The second factor is off.")


def _drop(password: str) -> None:
    user = _check_again(viewer.required(), password)
    authentication.drop_second_factor(user, user)


def _check_again(who: SignedIn, password: str) -> User:
    """The user as they are now, when it is still they who sit there; counted as a sign-in is. Raises InputError."""
    # Streamlit names no address of this machine itself.
    caller = Caller(st.context.ip_address or "127.0.0.1", st.context.cookies.get(authentication.DEVICE_COOKIE, ""))
    try:
        return resources.in_loop(authentication.check_password(caller, who.user.name, password))
    except NotSignedIn as refusal:
        raise InputError("The password is wrong." if refusal.status == 401 else refusal.sentence) from None


def _sessions(who: SignedIn) -> None:
    for session in resources.sessions().of(who.user):
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            # As text: a browser says of itself what it likes.
            st.text(_told(session), width="stretch")
            if session.id == who.session.id:
                st.badge("This browser", color="green")
            elif st.button("End", key=f"end-{session.id}", icon=":material/logout:"):
                flash.attempt(lambda ended=session: _end(ended), "It is signed out.")  # type: ignore[misc]


def _told(session: Session) -> str:
    kind = "Token" if session.kind is SessionKind.SCRIPT else "Browser"
    until = f"until {words.moment(session.expires_ms)}"
    return f"{kind}: {session.label or 'unknown'} · {session.address} · since {words.moment(session.created_ms)}, {until} IST"


def _end(session: Session) -> None:
    who = viewer.required()
    if session.user == who.user.id:
        resources.sessions().end(session)
        authentication.record(who.user.id, "session ended", session.label)


def _new_token(who: SignedIn) -> None:
    if token := st.session_state.pop(_TOKEN, None):
        st.success("Here is the token; it is not shown again.")
        st.code(token, language=None, wrap_lines=True)
    st.caption("With `Authorization: Bearer` for the routes below /api; what there is, /api/openapi.json says.")
    scopes = [scope for scope in _SCOPES if scope is not Scope.ADMIN or who.is_admin]
    with st.form("token", border=False):
        name, may, days, button = st.columns([2, 1, 1, 1], vertical_alignment="bottom")
        label = name.text_input("What it is for", max_chars=100, placeholder="nightly backup")
        scope = may.selectbox("It may", scopes, format_func=_SCOPES.__getitem__)
        lasts = days.number_input("Days", min_value=1, max_value=365, value=90)
        is_sent = button.form_submit_button("Make a token", width="stretch")
    if is_sent and scope:
        flash.attempt(lambda: _make_token(label, scope, int(lasts)), "The token is made.")


def _make_token(label: str, scope: Scope, days: int) -> None:
    who = viewer.required()
    if not label.strip():
        raise InputError("Say what the token is for.")
    if scope is Scope.ADMIN and not who.is_admin:
        raise InputError("Only admins may make such a token.")
    begun = resources.sessions().begin_script(who.user, label.strip(), "the settings page", (scope,), days * DAY_MS)
    authentication.record(who.user.id, "token made", f"{label.strip()}: {scope}")
    st.session_state[_TOKEN] = begun.access
