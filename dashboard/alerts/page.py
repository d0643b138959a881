"""Alerts: what fired, newest first, and what became of each message; and one of them as a whole."""

from html import escape
from urllib.parse import quote

import streamlit as st

from dashboard import flash, resources, texts, viewer
from dashboard.alerts import detail, listing
from stormalert import words
from stormalert.model import Alert, AlertFilter, Channel, Delivery, DeliveryState

_STYLE = """<style>
.alerts{width:100%;border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
.alerts th{text-align:left;font-weight:500;opacity:.65;font-size:.8rem}
.alerts th,.alerts td{padding:.5rem .7rem .5rem 0;border-bottom:1px solid color-mix(in srgb,currentColor 13%,transparent);
vertical-align:top}
.alerts .n{white-space:nowrap}.alerts .w{min-width:13rem}.alerts .soft{opacity:.65}
.alerts a{color:inherit;text-decoration:none}.alerts a:hover{text-decoration:underline}
.alerts b{font-weight:600}
.alerts .up{color:color-mix(in srgb,#009e73 80%,currentColor)}.alerts .down{color:color-mix(in srgb,#d55e00 85%,currentColor)}
.alerts ul{list-style:none;margin:0;padding:0;display:flex;flex-wrap:wrap;gap:.25rem .9rem}
.alerts li{margin:0;font-size:.82rem}
.alerts li::before{content:"○";margin-right:.35rem}
.alerts .sent::before,.alerts .delivered::before{content:"✓";color:#009e73}.alerts .read::before{content:"✓✓";color:#009e73}
.alerts .failed::before{content:"✕";color:#d55e00}.alerts .suppressed::before{content:"–"}
@media(max-width:640px){.alerts thead{display:none}
.alerts,.alerts tbody{display:block}
.alerts tr{display:block;padding:.6rem 0;border-bottom:1px solid color-mix(in srgb,currentColor 13%,transparent)}
.alerts td{display:inline;min-width:0;border:0;padding:0 .4rem 0 0}.alerts td.d{display:block;padding:.25rem 0 0}}
</style>"""


def show() -> None:
    who = viewer.required()
    flash.show()
    if asked := st.query_params.get("alert"):
        detail.show(who.user.id, asked)
        return
    st.title("Alerts", anchor=False)
    only = listing.draw()
    page, has_more = listing.page(resources.store(), who.user.id, only)
    if not page:
        _nothing(only)
        return
    deliveries = {alert.id: resources.store().deliveries_of(alert.id) for alert in page}
    st.html(_STYLE + _table(page, deliveries))
    if failed := [it for each in deliveries.values() for it in each if it.state is DeliveryState.FAILED]:
        detail.offer_again(failed)
    listing.turn(page, has_more=has_more)


def _nothing(only: AlertFilter) -> None:
    if not listing.is_first():
        st.info("There are no older ones.")
        listing.turn([], has_more=False)
    elif only != AlertFilter():
        st.info("No alert is like that. Look for something else, or clear the fields above.")
    else:
        st.info("No alerts yet. They appear here as soon as a rule fires; look at **Rules** whether some are armed.")


def _table(alerts: list[Alert], deliveries: dict[str, list[Delivery]]) -> str:
    channels = resources.store().channels_of(alerts[0].user)
    rows = "".join(_row(alert, deliveries[alert.id], channels) for alert in alerts)
    heads = "".join(f"<th>{head}</th>" for head in ("Time", "Instrument", "What happened", "Price", "Deliveries"))
    return f'<table class="alerts"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>'


def _row(alert: Alert, deliveries: list[Delivery], channels: list[Channel]) -> str:
    side = texts.side(alert)
    arrow = "▼" if side == "down" else "▲"
    sent = "".join([*map(_delivery, deliveries), *map(_absence, texts.without(deliveries, channels))])
    none = '<span class="soft">There was no channel</span>'
    opened = f'href="/alerts?alert={quote(alert.id)}" target="_self"'
    return (
        f'<tr><td class="n soft">{words.moment(alert.time_ms)}</td>'
        f'<td class="n"><a {opened}><b>{escape(alert.symbol)}</b></a></td>'
        f'<td class="w"><span class="{side}">{arrow}</span> {escape(texts.what_happened(alert))}</td>'
        f'<td class="n">{texts.rupees(alert.price_e4)} <span class="soft">from {texts.rupees(alert.reference_e4)}</span></td>'
        f'<td class="d">{f"<ul>{sent}</ul>" if sent else none}</td></tr>'
    )


def _delivery(it: Delivery) -> str:
    title = f"queued {words.moment(it.queued_ms)}, last change {words.moment(it.updated_ms)}"
    name = texts.CHANNEL_NAMES[it.channel_kind]
    return f'<li class="{it.state.value}" title="{escape(title)}">{name} {escape(texts.delivery(it))}</li>'


def _absence(channel: Channel) -> str:
    return f'<li class="suppressed">{texts.CHANNEL_NAMES[channel.kind]} not sent: {escape(texts.why_not_sent(channel))}</li>'
