"""How a user's alerts are worded, with a preview."""

import streamlit as st

from dashboard import flash, resources, viewer
from dashboard.sessions import SignedIn
from stormalert import templates
from stormalert.errors import InputError
from stormalert.units import now_ms

_KEY = "message-template"


def show(who: SignedIn) -> None:
    st.subheader("Wording", anchor=False)
    stored = templates.template_of(resources.store(), who.user.id)
    text = st.text_area(
        "Your own message",
        value=stored,
        max_chars=templates.LONGEST,
        key=f"{_KEY}-{hash(stored)}",
        placeholder=templates.DEFAULTS[next(iter(templates.DEFAULTS))],
        help="In any language; the first line is the headline. Empty: the usual message.",
    )
    with st.expander("Placeholders"):
        st.table([{"Write": f"{{{name}}}", "It becomes": meaning} for name, meaning in templates.PLACEHOLDERS.items()])
    try:
        example = templates.preview(text or "", now_ms())
    except InputError as error:
        st.error(str(error).replace("{", "\\{"))
        return
    st.caption("An example:")
    st.code(example, language=None, wrap_lines=True)
    if st.button("Save wording", disabled=(text or "").strip() == stored):
        _save(text or "")


def _save(text: str) -> None:
    user = viewer.required().user.id
    templates.save_template(resources.store(), user, text)
    flash.leave("The wording is saved." if text.strip() else "Your messages are the usual ones again.")
    st.rerun()
