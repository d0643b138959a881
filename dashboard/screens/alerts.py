"""Alerts: what fired, newest first, and what became of each message."""

from html import escape

import streamlit as st

from dashboard import flash, resources, texts, viewer
from dashboard.resend import resend
from stormalert import words
from stormalert.model import Alert, Channel, Delivery, DeliveryState, Direction
from stormalert.store import Cursor

PAGE = 25
_TRAIL = "alerts-cursors"

_STYLE = """<style>
.alerts{width:100%;border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
.alerts th{text-align:left;font-weight:500;opacity:.65;font-size:.8rem}
.alerts th,.alerts td{padding:.5rem .7rem .5rem 0;border-bottom:1px solid color-mix(in srgb,currentColor 13%,transparent);
vertical-align:top}
.alerts .n{white-space:nowrap}.alerts .soft{opacity:.65}
.alerts b{font-weight:600}
.alerts .up{color:#1a9a5c}.alerts .down{color:#d9534a}
.alerts ul{list-style:none;margin:0;padding:0;display:flex;flex-wrap:wrap;gap:.25rem .9rem}
.alerts li{margin:0;font-size:.82rem}
.alerts li::before{content:"●";margin-right:.35rem;font-size:.7rem;vertical-align:.08em}
.alerts .sent::before,.alerts .delivered::before,.alerts .read::before{color:#1a9a5c}.alerts .failed::before{color:#d9534a}
.alerts .queued::before{color:#c98a00}.alerts .suppressed::before{color:#8795a6}
@media(max-width:640px){.alerts thead{display:none}
.alerts,.alerts tbody{display:block}
.alerts tr{display:block;padding:.6rem 0;border-bottom:1px solid color-mix(in srgb,currentColor 13%,transparent)}
.alerts td{display:inline;border:0;padding:0 .4rem 0 0}.alerts td.d{display:block;padding:.25rem 0 0}}
</style>"""


def show() -> None:
    who = viewer.required()
    flash.show()
    trail: list[Cursor] = st.session_state.setdefault(_TRAIL, [])
    st.title("Alerts", anchor=False)
    after = trail[-1] if trail else None
    # One more than shown says whether there is a next page.
    found = resources.store().alerts_of(who.user.id, after, PAGE + 1)
    page = found[:PAGE]
    if not page and not trail:
        st.info("No alerts yet. They appear here as soon as a rule fires; look at **Rules** whether some are armed.")
        return
    deliveries = {alert.id: resources.store().deliveries_of(alert.id) for alert in page}
    st.html(_STYLE + _table(page, deliveries))
    _offer_failed([it for each in deliveries.values() for it in each if it.state is DeliveryState.FAILED])
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Newest", icon=":material/first_page:", disabled=not trail):
            trail.clear()
            st.rerun()
        if st.button("Newer", icon=":material/chevron_left:", disabled=not trail):
            trail.pop()
            st.rerun()
        if st.button("Older", icon=":material/chevron_right:", disabled=len(found) <= PAGE):
            trail.append((page[-1].time_ms, page[-1].id))
            st.rerun()
        st.caption(f"Page {len(trail) + 1} · times in IST")


def _offer_failed(failed: list[Delivery]) -> None:
    """The way to send again what failed on this page."""
    if not failed:
        return
    noun = "message that failed" if len(failed) == 1 else f"{len(failed)} messages that failed"
    if st.button(f"Send the {noun} again", icon=":material/replay:"):
        who = viewer.required()
        count = resend(resources.store(), [it for it in failed if it.user == who.user.id])
        flash.leave(f"{count} on their way again, within some seconds.")
        st.rerun()


def _table(alerts: list[Alert], deliveries: dict[str, list[Delivery]]) -> str:
    channels = resources.store().channels_of(alerts[0].user) if alerts else []
    rows = "".join(_row(alert, deliveries[alert.id], channels) for alert in alerts)
    heads = "".join(f"<th>{head}</th>" for head in ("Time", "Instrument", "What happened", "Price", "Deliveries"))
    return f'<table class="alerts"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>'


def _row(alert: Alert, deliveries: list[Delivery], channels: list[Channel]) -> str:
    side = "down" if alert.direction is Direction.DOWN else "up"
    arrow = "▼" if side == "down" else "▲"
    sent = "".join([*map(_delivery, deliveries), *map(_absence, texts.without(deliveries, channels))])
    none = '<span class="soft">There was no channel</span>'
    return (
        f'<tr><td class="n soft">{words.moment(alert.time_ms)}</td><td class="n"><b>{escape(alert.symbol)}</b></td>'
        f'<td><span class="{side}">{arrow}</span> {escape(texts.what_happened(alert))}</td>'
        f'<td class="n">{texts.rupees(alert.price_e4)} <span class="soft">from {texts.rupees(alert.reference_e4)}</span></td>'
        f'<td class="d">{f"<ul>{sent}</ul>" if sent else none}</td></tr>'
    )


def _delivery(it: Delivery) -> str:
    title = f"queued {words.moment(it.queued_ms)}, last change {words.moment(it.updated_ms)}"
    name = texts.CHANNEL_NAMES[it.channel_kind]
    return f'<li class="{it.state.value}" title="{escape(title)}">{name} {escape(texts.delivery(it))}</li>'


def _absence(channel: Channel) -> str:
    return f'<li class="suppressed">{texts.CHANNEL_NAMES[channel.kind]} not sent: {escape(texts.why_not_sent(channel))}</li>'
