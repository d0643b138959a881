"""/api/alerts: what fired, and what became of each message."""

import csv
import io
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import Field

from dashboard import resources
from dashboard.alerts.resend import resend
from dashboard.api.guard import Guarded, Who, access
from dashboard.api.models import (
    IDS,
    LATEST_MS,
    AlertId,
    AlertOut,
    CursorText,
    DeliveryOut,
    Limit,
    Page,
    not_found,
    read_cursor,
    write_cursor,
)
from dashboard.web.access_rules import AccessRule
from stormalert import words
from stormalert.access.sessions import SignedIn
from stormalert.model import Alert, AlertFilter, DeliveryState, Direction, Kind, Scope
from stormalert.notify import arrival
from stormalert.rules.table import defused
from stormalert.units import now_ms

router = APIRouter(prefix="/alerts", tags=["alerts"], route_class=Guarded)

_PAGE = 500
COLUMNS = (
    "id", "time_ms", "time_ist", "symbol", "rule", "kind", "direction", "price", "reference", "percent", "threshold_percent",
    "window",
)  # fmt: skip
Ms = Annotated[int, Query(ge=0, le=LATEST_MS)]


class FullAlert(AlertOut):
    deliveries: list[DeliveryOut]


class Resent(FullAlert):
    resent: int = Field(description="how many messages are on their way again")


def _asked(
    rule: Annotated[str, Query(pattern=IDS.replace("{1,64}", "{0,64}"))] = "",
    symbol: Annotated[str, Query(max_length=64)] = "",
    text: Annotated[str, Query(max_length=128, description="a part of the symbol or of the instrument's name")] = "",
    has_failed: Annotated[bool, Query(description="only those of which a message failed")] = False,
    kind: Kind | None = None,
    direction: Direction | None = None,
    since_ms: Ms = 0,
    until_ms: Annotated[int, Query(ge=0, le=LATEST_MS, description="not included; 0: now")] = 0,
) -> AlertFilter | None:
    """None when nothing can match."""
    instrument = resources.store().instrument_by_symbol(symbol) if symbol else None
    if symbol and instrument is None:
        return None
    token = instrument.token if instrument else 0
    return AlertFilter(
        text=text, has_failed=has_failed, rule=rule, token=token, kind=kind, direction=direction, since_ms=since_ms,
        until_ms=until_ms,
    )  # fmt: skip


Only = Annotated[AlertFilter | None, Depends(_asked)]


@router.get("", **access(AccessRule.MEMBER, Scope.READ))
def list_alerts(who: Who, only: Only, limit: Limit = 50, cursor: CursorText = "") -> Page[AlertOut]:
    """One's alerts, newest first."""
    found = resources.store().alerts_of(who.user.id, read_cursor(cursor), limit + 1, only) if only else []
    page = found[:limit]
    following = write_cursor(page[-1].time_ms, page[-1].id) if len(found) > limit else None
    return Page(items=[AlertOut.of(alert) for alert in page], next=following)


@router.get("/export", response_class=StreamingResponse, **access(AccessRule.MEMBER, Scope.READ))
def export_alerts(who: Who, only: Only) -> StreamingResponse:
    """The same as CSV, all of them."""
    headers = {"Content-Disposition": 'attachment; filename="alerts.csv"', "Cache-Control": "no-store"}
    return StreamingResponse(_table(who, only), headers=headers, media_type="text/csv")


@router.get("/{alert}", **access(AccessRule.MEMBER, Scope.READ, 404))
def get_alert(who: Who, alert: AlertId) -> FullAlert:
    """With what became of its messages."""
    return _full(_own(who, alert))


@router.post("/{alert}/resend", **access(AccessRule.MEMBER, Scope.WRITE, 404))
def resend_alert(who: Who, alert: AlertId) -> Resent:
    """Send again what failed, unless it is more than an hour old: then it is no news any more, and stays failed."""
    found = _own(who, alert)
    failed = [it for it in resources.store().deliveries_of(found.id) if it.state is DeliveryState.FAILED]
    count = resend(resources.store(), resources.thread_redis(), failed)
    return Resent.model_validate(_full(found).model_dump() | {"resent": count})


def _own(who: SignedIn, alert_id: str) -> Alert:
    alert = resources.store().alert(alert_id)
    if alert is None or alert.user != who.user.id:
        raise not_found("alert")
    return alert


def _full(alert: Alert) -> FullAlert:
    deliveries = [DeliveryOut.of(arrival.told(delivery, now_ms())) for delivery in resources.store().deliveries_of(alert.id)]
    return FullAlert.model_validate(AlertOut.of(alert).model_dump() | {"deliveries": deliveries})


def _table(who: SignedIn, only: AlertFilter | None) -> Iterator[str]:
    yield _line(COLUMNS)
    after = None
    while only and (page := resources.store().alerts_of(who.user.id, after, _PAGE, only)):
        yield "".join(_line(_cells(alert)) for alert in page)
        after = (page[-1].time_ms, page[-1].id)


def _cells(alert: Alert) -> tuple[Any, ...]:
    told = AlertOut.of(alert)
    fields = told.model_dump(mode="json") | {"time_ist": words.moment(alert.time_ms)}
    return tuple(defused(str(fields[column] or "")) for column in COLUMNS)


def _line(cells: tuple[Any, ...]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()
