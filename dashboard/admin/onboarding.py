"""First steps: from an empty installation to the first alert, each done here or one link away."""

import streamlit as st

from dashboard import resources, watchlists
from dashboard.accounts import authentication
from dashboard.admin import keys as overrides_form
from dashboard.admin import kite
from dashboard.admin.access import admin, attempt, link
from dashboard.channels import verification
from dashboard.system import onboarding, onboarding_steps
from stormalert.config import overrides
from stormalert.notify.send_requests import SendKind

_EVERY_S = 3
_ICONS = {True: ":material/check_circle:", False: ":material/radio_button_unchecked:"}


def show() -> None:
    who = admin()
    found = onboarding.look(who.user.id)
    done = sum(step.is_done for step in found)
    st.progress(done / len(found), text=f"{done} of {len(found)} steps are done.")
    _follow(done)
    bodies = (_key, _log_in, _watch, _channel, _rule)
    following = onboarding_steps.next_step(found)
    for number, (step, body) in enumerate(zip(found, bodies, strict=True), 1):
        with st.container(border=True):
            state = "done" if step.is_done else "next" if step is following else "to do"
            st.markdown(f"{_ICONS[step.is_done]} **{number}. {step.name}** · {state}")
            st.caption(step.told)
            # What is done is out of the way, and can be looked at on the part that it belongs to.
            if not step.is_done and step.is_possible:
                body()
    if following is None:
        st.success("All is set up: prices come, rules are looked at, and alerts find their way to you.")
    _closing()


@st.fragment(run_every=_EVERY_S)
def _follow(done: int) -> None:
    """What ingest does is seen without a reload."""
    if sum(step.is_done for step in onboarding.look(admin().user.id)) != done:
        st.rerun()


def hint(user: str) -> None:
    """On the first page, for an admin who is not through yet."""
    step = onboarding.open_step(user)
    if step is None:
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(f":material/flag: **First steps.** Next: {step.name}.", width="stretch")
        link("/admin?part=First+steps", "Go on")


def _key() -> None:
    kite.redirect_url()
    overrides_form.ask(overrides.KITE)


def _log_in() -> None:
    kite.log_in()


def _watch() -> None:
    offered = onboarding.offered()
    with st.container(horizontal=True, vertical_alignment="center"):
        if offered and st.button(f"Watch {len(offered)} well-known ones", type="primary", icon=":material/visibility:"):
            attempt(_watch_offered, f"{len(offered)} instruments are watched.")
        link("/settings?part=Watchlist", "Choose under Settings, Watchlist")
    if offered:
        st.caption(", ".join(it.symbol.partition(":")[2] for it in offered))


def _watch_offered() -> None:
    watchlists.add(resources.store(), admin().user.id, [it.token for it in onboarding.offered()])


def _channel() -> None:
    link("/channels", "Add one under Channels")
    st.caption("Its code, or the bot's greeting, is the first message that arrives there.")


def _rule() -> None:
    link("/rules", "Make one under Rules")
    st.caption("For example: tell me when an instrument of my watchlist moves 2 % within 5 min.")


def _closing() -> None:
    user = admin().user.id
    for channel in resources.store().channels_of(user):
        if channel.takes_alerts:
            if st.button("Send a test message", icon=":material/send:", help="To your first channel."):
                verification.ask(channel, SendKind.TEST)
            verification.show_request(channel)
            break
    if onboarding.is_closed():
        if st.button("Lead me again", help="Shows the next step on the Live page until all are done."):
            attempt(_reopen, "You are led again.")
    elif st.button("Close for good", help="Does not lead to it from the Live page any more; it stays here."):
        attempt(_close, "Closed; it stays here, under Admin.")


def _close() -> None:
    onboarding.close()
    authentication.record(admin().user.id, "first steps closed")


def _reopen() -> None:
    onboarding.reopen()
    authentication.record(admin().user.id, "first steps opened")
