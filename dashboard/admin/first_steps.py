"""First steps: from an empty installation to the first alert, each done here or one link away."""

import streamlit as st

from dashboard import resources, watchlists
from dashboard.accounts import authentication
from dashboard.admin import keys as panel_keys
from dashboard.admin import kite
from dashboard.admin.access import admin, attempt, link
from dashboard.channels import proofs
from dashboard.system import first_steps, steps
from stormalert import panel
from stormalert.errands import ErrandKind

_EVERY_S = 3
_ICONS = {True: ":material/check_circle:", False: ":material/radio_button_unchecked:"}


def show() -> None:
    who = admin()
    found = first_steps.look(who.user.id)
    done = sum(step.is_done for step in found)
    st.progress(done / len(found), text=f"{done} of {len(found)} steps are done.")
    _follow(done)
    bodies = (_key, _log_in, _watch, _channel, _rule)
    following = steps.next_step(found)
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
    if sum(step.is_done for step in first_steps.look(admin().user.id)) != done:
        st.rerun()


def hint(user: str) -> None:
    """On the first page, for an admin who is not through yet."""
    step = first_steps.open_step(user)
    if step is None:
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(f":material/flag: **First steps.** Next: {step.name}.", width="stretch")
        link("/admin?part=First+steps", "Go on")


def _key() -> None:
    kite.redirect_url()
    panel_keys.ask(panel.KITE)


def _log_in() -> None:
    kite.log_in()


def _watch() -> None:
    offered = first_steps.offered()
    with st.container(horizontal=True, vertical_alignment="center"):
        if offered and st.button(f"Watch {len(offered)} well-known ones", type="primary", icon=":material/visibility:"):
            attempt(_watch_offered, f"{len(offered)} instruments are watched.")
        link("/settings?part=Watchlist", "Choose under Settings, Watchlist")
    if offered:
        st.caption(", ".join(it.symbol.partition(":")[2] for it in offered))


def _watch_offered() -> None:
    watchlists.add(resources.store(), admin().user.id, [it.token for it in first_steps.offered()])


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
                proofs.ask(channel, ErrandKind.TEST)
            proofs.show_errand(channel)
            break
    if first_steps.is_closed():
        if st.button("Lead me again", help="Shows the next step on the Live page until all are done."):
            attempt(_reopen, "You are led again.")
    elif st.button("Close for good", help="Does not lead to it from the Live page any more; it stays here."):
        attempt(_close, "Closed; it stays here, under Admin.")


def _close() -> None:
    first_steps.close()
    authentication.record(admin().user.id, "first steps closed")


def _reopen() -> None:
    first_steps.reopen()
    authentication.record(admin().user.id, "first steps opened")
