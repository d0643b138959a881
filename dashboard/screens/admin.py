"""Admin: users and their invitations, keys, what the house allows, the calendar, and who did what."""

from collections.abc import Callable

import pandas as pd
import streamlit as st

from dashboard import authentication, flash, resources, tickets, viewer
from stormalert import house, panel, settings, words
from stormalert.calendar import CALENDAR_SETTING, read_calendar
from stormalert.errors import InputError
from stormalert.house import USUAL_PLAN, House, Plan, SecondFactor
from stormalert.model import Role, Ticket, TicketKind, User
from stormalert.sessions import SignedIn
from stormalert.store import Cursor
from stormalert.units import now_ms

_LINK, _TRAIL = "admin-link", "admin-audit"
_PAGE = 50
_FACTOR_NAMES = {
    SecondFactor.OPTIONAL: "Whoever wants one",
    SecondFactor.ADMINS: "Admins must have one",
    SecondFactor.EVERYONE: "Everybody must have one",
}
_CALENDAR_HELP = (
    '`{"holidays": ["2027-01-26"], "special": [{"day": "2027-10-29", "opens": "18:00", "closes": "19:00"}], "hours": []}` '
    "– the holidays of a year stand in the place of those built in; special sessions and hours are added."
)


def show() -> None:
    who = _admin()
    flash.show()
    st.title("Admin", anchor=False)
    people, keys, rules, calendar, audit = st.tabs(["Users", "Keys", "House", "Calendar", "Audit log"])
    with people:
        _users(who)
    with keys:
        _keys()
    with rules:
        _house()
    with calendar:
        _calendar()
    with audit:
        _audit()


def _admin() -> SignedIn:
    who = viewer.required()
    if not who.is_admin:
        st.error("Only admins may see this.")
        st.stop()
    return who


def _users(who: SignedIn) -> None:
    if link := st.session_state.pop(_LINK, None):
        st.success("Give this link to whom it is for. It is good once and is not shown again.")
        st.code(link, language=None, wrap_lines=True)
    plans = list(house.read(resources.store()).plans)
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
        _attempt(lambda: _invite(role, plan), "The invitation is made.")
    for ticket in (it for it in resources.store().tickets() if it.expires_ms > now_ms()):
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            what = f"new {ticket.role}" if ticket.kind is TicketKind.INVITATION else "new password"
            st.text(f"{what} · until {words.moment(ticket.expires_ms)} IST", width="stretch")
            if st.button("Withdraw", key=f"withdraw-{ticket.id}"):
                _attempt(lambda gone=ticket: _withdraw(gone), "The link is not good any more.")  # type: ignore[misc]


def _change_user(who: SignedIn, user: User, plans: list[str]) -> None:
    role = st.selectbox("Role", list(Role), index=list(Role).index(user.role), format_func=str, key=f"role-{user.id}")
    current = user.plan or USUAL_PLAN
    plan = st.selectbox("Plan", plans, index=plans.index(current) if current in plans else 0, key=f"plan-{user.id}")
    is_off = st.toggle("Switched off", value=user.is_off, key=f"off-{user.id}", help="Cannot sign in and gets no alerts.")
    if st.button("Save", key=f"save-{user.id}", type="primary", width="stretch") and role and plan:
        changes = {"role": role, "plan": "" if plan == USUAL_PLAN else plan, "is_off": is_off}
        _attempt(lambda: authentication.change_user(_admin().user, user, changes), f"{user.name} is changed.")
    if st.button("Make a link for a new password", key=f"reset-{user.id}", width="stretch"):
        _attempt(lambda: _offer_reset(user), "The link is made.")
    if user.has_second_factor and st.button("Remove the second factor", key=f"factor-{user.id}", width="stretch"):
        _attempt(lambda: authentication.drop_second_factor(user), "The second factor is removed.")
    if user.id != who.user.id and st.button("Erase …", key=f"erase-{user.id}", width="stretch", icon=":material/delete:"):
        _confirm_erasure(user)


@st.dialog("Erase account")
def _confirm_erasure(user: User) -> None:
    st.write("The account goes with all its rules, channels and alerts. There is no way back.")
    if st.text_input("Type the name to confirm", placeholder=user.name) == user.name and st.button("Erase", type="primary"):
        _attempt(lambda: authentication.erase(user, _admin().user), f"{user.name} is erased.")


def _invite(role: Role, plan: str) -> None:
    own_plan = "" if plan == USUAL_PLAN else plan
    _show_link(tickets.make(resources.store(), TicketKind.INVITATION, _admin().user.id, role=role, plan=own_plan)[1])
    authentication.record(_admin().user.id, "invited", role)


def _offer_reset(user: User) -> None:
    _show_link(tickets.make(resources.store(), TicketKind.RESET, _admin().user.id, user=user.id)[1])
    authentication.record(_admin().user.id, "password reset offered", user.name)


def _withdraw(ticket: Ticket) -> None:
    resources.store().take_ticket(ticket.id)
    authentication.record(_admin().user.id, "invitation withdrawn", ticket.id[:8])


def _show_link(path: str) -> None:
    root = resources.config().public_url.rstrip("/") or (st.context.url or "").rstrip("/").removesuffix("/admin")
    st.session_state[_LINK] = f"{root}{path}"


def _keys() -> None:
    st.caption("What is set here goes before the environment; the processes take it up within seconds.")
    for key in panel.shown(settings.load(), resources.store()):
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


def _change_key(key: panel.Shown) -> None:
    with st.form(f"key-{key.name}", border=False, clear_on_submit=True):
        text = st.text_input(key.name, type="password", autocomplete="off")
        is_sent = st.form_submit_button("Save", type="primary", width="stretch")
    if is_sent:
        _attempt(lambda: _set_key(key.name, text), f"{key.name} is set.")
    if key.source == "panel" and st.button("Forget", key=f"forget-{key.name}", width="stretch"):
        _attempt(lambda: _forget_key(key.name), f"{key.name} is as the environment has it.")


def _set_key(name: str, text: str) -> None:
    who = _admin()
    panel.save(resources.config(), resources.store(), name, text)
    resources.refresh_panel()
    authentication.record(who.user.id, "key set", name)


def _forget_key(name: str) -> None:
    who = _admin()
    panel.forget(resources.store(), name)
    resources.refresh_panel()
    authentication.record(who.user.id, "key forgotten", name)


def _house() -> None:
    now = house.read(resources.store())
    with st.form("house", border=False):
        factor = st.radio(
            "Second factor", list(SecondFactor), index=list(SecondFactor).index(now.second_factor),
            format_func=_FACTOR_NAMES.__getitem__, horizontal=True,
        )  # fmt: skip
        left, right = st.columns(2)
        keep = left.number_input("Days that alerts are kept", min_value=1, max_value=3650, value=now.keep_days)
        keep_audit = right.number_input(
            "Days that the audit log is kept", min_value=1, max_value=3650, value=now.keep_audit_days
        )
        st.caption(f"Plans. `{USUAL_PLAN}` is for whoever has no other; 0 alerts an hour: as STORM_ALERTS_PER_HOUR says.")
        rows = pd.DataFrame([{"plan": name, **plan.model_dump()} for name, plan in now.plans.items()])
        edited = st.data_editor(rows, num_rows="dynamic", hide_index=True, key="plans")
        is_sent = st.form_submit_button("Save", type="primary")
    if is_sent and factor:
        _attempt(lambda: _save_house(factor, int(keep), int(keep_audit), edited), "The house's rules are saved.")


def _save_house(factor: SecondFactor, keep_days: int, keep_audit_days: int, table: pd.DataFrame) -> None:
    plans: dict[str, Plan] = {}
    for row in table.to_dict("records"):
        name = str(row.pop("plan") or "").strip()
        if name in plans:
            raise InputError(f"There are two plans called {name}.")
        # A cell that is empty is not a number, not even itself.
        plans[name] = house.checked(Plan, {str(column): int(found) for column, found in row.items() if found == found})
    fields = {"plans": plans, "second_factor": factor, "keep_days": keep_days, "keep_audit_days": keep_audit_days}
    house.change(resources.store(), house.checked(House, fields))
    authentication.record(_admin().user.id, "house changed", f"plans {', '.join(plans)}; second factor {factor}")


def _calendar() -> None:
    stored = resources.store().setting(CALENDAR_SETTING) or ""
    st.caption(_CALENDAR_HELP)
    text = st.text_area("What is added to the built-in calendar", value=stored, height=220, key=f"calendar-{hash(stored)}")
    if st.button("Save the calendar", disabled=text.strip() == stored):
        _attempt(lambda: _save_calendar(text.strip()), "The calendar is saved; ingest follows within seconds.")


def _save_calendar(text: str) -> None:
    read_calendar(text)
    resources.store().save_setting(CALENDAR_SETTING, text)
    authentication.record(_admin().user.id, "calendar changed", f"{len(text)} characters")


def _audit() -> None:
    trail: list[Cursor] = st.session_state.setdefault(_TRAIL, [])
    found = resources.store().audit(trail[-1] if trail else None, _PAGE + 1)
    page = found[:_PAGE]
    names = {user.id: user.name for user in resources.store().users()}
    rows = pd.DataFrame(
        {
            "Time (IST)": [words.moment(it.time_ms) for it in page],
            "Who": [names.get(it.user, it.user or "nobody") for it in page],
            "What": [it.action for it in page],
            "Detail": [it.detail for it in page],
        }
    )
    st.dataframe(rows, hide_index=True, width="stretch")
    with st.container(horizontal=True):
        if st.button("Newest", key="audit-newest", disabled=not trail):
            trail.clear()
            st.rerun()
        if st.button("Older", key="audit-older", disabled=len(found) <= _PAGE):
            trail.append((page[-1].time_ms, page[-1].id))
            st.rerun()


def _attempt(work: Callable[[], object], done: str) -> None:
    # Again: the page may have been drawn before the role was taken away.
    _admin()
    flash.attempt(work, done)
