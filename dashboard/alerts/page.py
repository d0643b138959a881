"""Alerts: what fired, newest first, and what became of each message; and one of them as a whole."""

import streamlit as st

from dashboard import flash, resources, texts, viewer
from dashboard.alerts import detail, listing
from dashboard.web.html import render
from stormalert import words
from stormalert.model import Alert, AlertFilter, Channel, Delivery, DeliveryState
from stormalert.notify import arrival
from stormalert.units import now_ms


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
    st.html(render("alerts/table.html", rows=_rows(page, deliveries)))
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


def _rows(alerts: list[Alert], deliveries: dict[str, list[Delivery]]) -> list[dict[str, object]]:
    """As alerts/table.html shows them."""
    channels = resources.store().channels_of(alerts[0].user)
    return [
        {
            "id": alert.id,
            "time_ms": alert.time_ms,
            "symbol": alert.symbol,
            "side": texts.side(alert),
            "happened": texts.what_happened(alert),
            "price": texts.rupees(alert.price_e4),
            "reference": texts.rupees(alert.reference_e4),
            "sent": [
                *map(_delivery, deliveries[alert.id]),
                *map(_absence, texts.without(deliveries[alert.id], channels)),
            ],
        }
        for alert in alerts
    ]


def _delivery(it: Delivery) -> dict[str, str]:
    when = f"queued {words.moment(it.queued_ms)}, last change {words.moment(it.updated_ms)}"
    return {
        "state": it.state,
        "when": when,
        "text": f"{texts.CHANNEL_NAMES[it.channel_kind]} {texts.delivery(arrival.told(it, now_ms()))}",
    }


def _absence(channel: Channel) -> dict[str, str]:
    told = f"{texts.CHANNEL_NAMES[channel.kind]} not sent: {texts.why_not_sent(channel)}"
    return {"state": "suppressed", "when": "", "text": told}
