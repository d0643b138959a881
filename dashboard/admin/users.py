"""Users: role, plan, password and second factor; and the links by which new ones come in."""

import streamlit as st

from dashboard import resources, viewer
from dashboard.accounts import authentication, one_time_links
from dashboard.admin.access import admin, attempt
from stormalert import words
from stormalert.access.sessions import SignedIn
from stormalert.config import policy
from stormalert.config.policy import USUAL_PLAN
from stormalert.model import OneTimeToken, OneTimeTokenKind, Role, User
from stormalert.units import now_ms

_LINK = "admin-link"


def show() -> None:
    who = admin()
    if link := st.session_state.pop(_LINK, None):
        st.success("Give this link to whom it is for. It is good once and is not shown again.")
        st.code(link, language=None, wrap_lines=True)
    plans = list(policy.read(resources.store()).plans)
    for user in resources.store().users():
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.text(
                f"{user.name} · {user.role} · {user.plan or USUAL_PLAN} · since {words.moment(user.created_ms)}",
                width="stretch",
            )
            if user.has_second_factor:
                st.badge("Second factor", color="green")
            if user.is_off:
                st.badge("Off", color="red")
            with st.popover("Change", icon=":material/edit:"):
                _change_user(who, user, plans)
    st.subheader("Invitations", anchor=False)
    with st.form("invitation", border=False):
        left, right, button = st.columns([1, 1, 1], vertical_alignment="bottom")
        role = left.selectbox("Role", list(Role), index=list(Role).index(Role.MEMBER), format_func=str)
        plan = right.selectbox("Plan", plans)
        is_sent = button.form_submit_button("Make an invitation", type="primary", width="stretch")
    if is_sent and role and plan:
        attempt(lambda: _invite(role, plan), "The invitation is made.")
    for token in (it for it in resources.store().one_time_tokens() if it.expires_ms > now_ms()):
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            what = f"new {token.role}" if token.kind is OneTimeTokenKind.INVITATION else "new password"
            st.text(f"{what} · until {words.moment(token.expires_ms)} IST", width="stretch")
            if st.button("Withdraw", key=f"withdraw-{token.id}"):
                attempt(lambda gone=token: _withdraw(gone), "The link is not good any more.")  # type: ignore[misc]


def _change_user(who: SignedIn, user: User, plans: list[str]) -> None:
    # Anew when somebody saved: a field of before would put its old value back.
    key = f"{user.id}-{user.revision}"
    role = st.selectbox("Role", list(Role), index=list(Role).index(user.role), format_func=str, key=f"role-{key}")
    current = user.plan or USUAL_PLAN
    plan = st.selectbox("Plan", plans, index=plans.index(current) if current in plans else 0, key=f"plan-{key}")
    is_off = st.toggle("Switched off", value=user.is_off, key=f"off-{key}", help="Cannot sign in and gets no alerts.")
    if st.button("Save", key=f"save-{key}", type="primary", width="stretch") and role and plan:
        changes = {"role": role, "plan": "" if plan == USUAL_PLAN else plan, "is_off": is_off}
        attempt(lambda: authentication.change_user(admin().user, user, changes), f"{user.name} is changed.")
    if st.button("Make a link for a new password", key=f"reset-{user.id}", width="stretch"):
        attempt(lambda: _offer_reset(user), "The link is made.")
    if user.has_second_factor and st.button("Remove the second factor", key=f"factor-{user.id}", width="stretch"):
        attempt(lambda: authentication.drop_second_factor(user, admin().user), "The second factor is removed.")
    if user.id != who.user.id and st.button("Erase …", key=f"erase-{user.id}", width="stretch", icon=":material/delete:"):
        _confirm_erasure(user)


@st.dialog("Erase account")
def _confirm_erasure(user: User) -> None:
    st.write("The account goes with all its rules, channels and alerts. There is no way back.")
    if st.text_input("Type the name to confirm", placeholder=user.name) == user.name and st.button("Erase", type="primary"):
        attempt(lambda: authentication.erase(user, admin().user), f"{user.name} is erased.")


def _invite(role: Role, plan: str) -> None:
    own_plan = "" if plan == USUAL_PLAN else plan
    _show_link(
        one_time_links.make(resources.store(), OneTimeTokenKind.INVITATION, admin().user.id, role=role, plan=own_plan)[1]
    )
    authentication.record(admin().user.id, "invited", role)


def _offer_reset(user: User) -> None:
    _show_link(one_time_links.make(resources.store(), OneTimeTokenKind.RESET, admin().user.id, user=user.id)[1])
    authentication.record(admin().user.id, "password reset offered", user.name)


def _withdraw(token: OneTimeToken) -> None:
    resources.store().take_one_time_token(token.id)
    authentication.record(admin().user.id, "invitation withdrawn", token.id[:8])


def _show_link(path: str) -> None:
    st.session_state[_LINK] = f"{viewer.root()}{path}"
