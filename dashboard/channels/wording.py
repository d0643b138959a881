"""How a user's alerts are worded, with a preview, and when many are told together."""

import streamlit as st

from dashboard import flash, resources, viewer
from dashboard.channels.looks import looks, notes
from stormalert.access.sessions import SignedIn
from stormalert.errors import InputError
from stormalert.notify import preferences, templates
from stormalert.notify.preferences import Burst
from stormalert.units import now_ms

_KEY = "message-template"


def show(who: SignedIn) -> None:
    _wording(who)
    _bursts(who)


def _wording(who: SignedIn) -> None:
    st.subheader("Wording", anchor=False)
    stored = templates.template_of(resources.store(), who.user.id)
    text = st.text_area(
        "Your own message",
        value=stored,
        max_chars=templates.LONGEST,
        key=f"{_KEY}-{hash(stored)}",
        placeholder=templates.DEFAULTS[next(iter(templates.DEFAULTS))],
        help="In any language; the first line is the headline. Empty: the usual message. Ctrl+Enter shows it below.",
    )
    with st.expander("Placeholders"):
        st.table([{"Write": f"{{{name}}}", "It becomes": meaning} for name, meaning in templates.PLACEHOLDERS.items()])
    try:
        example = templates.preview(text or "", now_ms())
    except InputError as error:
        st.error(str(error).replace("{", "\\{"))
        return
    st.html(looks(example, resources.config().mail_from))
    st.caption(" ".join(["An example.", *notes()]))
    if st.button("Save wording", disabled=(text or "").strip() == stored):
        _save(text or "")


def _bursts(who: SignedIn) -> None:
    st.subheader("Many at once", anchor=False)
    config = resources.config()
    stored = preferences.burst(resources.store(), who.user.id)
    before = stored or Burst(most=config.burst_alerts, within_s=config.burst_s)
    st.caption("When the whole market moves, what is too much is told in one message a channel, the top movers first.")
    with st.form("bursts", border=False):
        left, right, button = st.columns([1, 1, 1], vertical_alignment="bottom")
        most = left.number_input("Alerts one by one, at most", min_value=1, max_value=100_000, value=before.most)
        within_s = right.number_input("In any seconds", min_value=1, max_value=300, value=before.within_s)
        is_sent = button.form_submit_button("Save", width="stretch")
    if is_sent:
        user = viewer.required().user.id
        preferences.save_burst(resources.store(), user, Burst(most=int(most), within_s=int(within_s)))
        flash.leave("Saved; it counts within some seconds.")
        st.rerun()


def _save(text: str) -> None:
    user = viewer.required().user.id
    templates.save_template(resources.store(), user, text)
    flash.leave("The wording is saved." if text.strip() else "Your messages are the usual ones again.")
    st.rerun()
