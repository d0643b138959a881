"""The REST lists find what the pages find, by the same filters."""

import csv
from collections.abc import Iterator

import httpx
import pytest

from stormalert.model import DeliveryState, Direction, Kind, RuleState
from tests.store.records import a_delivery, a_rule, an_alert

from .conftest import Site

TCS = 2_953_217


@pytest.fixture(scope="module")
def mina(started: Site) -> Iterator[httpx.Client]:
    rules = [
        a_rule("list-1", user="u-mina"),
        a_rule("list-2", user="u-mina", token=TCS, symbol="NSE:TCS", direction=Direction.UP),
        a_rule("list-3", user="u-mina", token=TCS, symbol="NSE:TCS", state=RuleState.PAUSED),
    ]
    for rule in rules:
        started.store.save_rule(rule)
    alerts = [
        an_alert("list-1-1", user="u-mina", time_ms=1),
        an_alert("list-2-2", user="u-mina", token=TCS, symbol="NSE:TCS", time_ms=2),
    ]
    failed = a_delivery("list-2-2-c1", alert="list-2-2", user="u-mina", state=DeliveryState.FAILED)
    started.store.record_fired(alerts, [failed])
    with started.sign_in("mina") as client:
        yield client


def ids(client: httpx.Client, route: str) -> set[str]:
    answer = client.get(f"/api/{route}")
    assert answer.status_code == 200, answer.text
    return {item["id"] for item in answer.json()["items"]}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"list-1", "list-2", "list-3"}),
        ("?text=tc", {"list-2", "list-3"}),
        ("?text=tcs&state=paused", {"list-3"}),
        ("?direction=up", {"list-2"}),
        ("?kind=trailing", set()),
    ],
)
def test_rules_are_found(mina: httpx.Client, query: str, found: set[str]) -> None:
    assert ids(mina, f"rules{query}") == found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"list-1-1", "list-2-2"}),
        ("?text=tcs", {"list-2-2"}),
        ("?text=%25", set()),
        ("?has_failed=true", {"list-2-2"}),
        ("?has_failed=true&text=infy", set()),
    ],
)
def test_alerts_are_found(mina: httpx.Client, query: str, found: set[str]) -> None:
    assert ids(mina, f"alerts{query}") == found
    lines = mina.get(f"/api/alerts/export{query}").text.splitlines()
    assert {line.split(",")[0] for line in lines[1:]} == found


def test_an_alert_tells_its_move_and_what_its_rule_asked_for(mina: httpx.Client, started: Site) -> None:
    prices = {"direction": Direction.UP, "price_e4": 10_600, "reference_e4": 10_000}
    gap = an_alert("gap-3", user="u-mina", symbol="BSE:GAP", percent_e2=300, time_ms=3, **prices)
    level = an_alert("level-4", user="u-mina", symbol="BSE:GAP", kind=Kind.LEVEL, percent_e2=0, time_ms=4, **prices)
    started.store.record_fired([gap, level], [])
    items = mina.get("/api/alerts?text=gap").json()["items"]
    assert [(it["percent"], it["threshold_percent"]) for it in items] == [("6.00", None), ("6.00", "3.00")]
    names, *rows = csv.reader(mina.get("/api/alerts/export?text=gap").text.splitlines())
    found = [dict(zip(names, row, strict=True)) for row in rows]
    assert [(it["percent"], it["threshold_percent"]) for it in found] == [("6.00", ""), ("6.00", "3.00")]


def test_a_filter_that_there_is_not_is_told(mina: httpx.Client) -> None:
    answer = mina.get("/api/rules?state=asleep")
    assert answer.status_code == 422 and "state" in answer.text and "asleep" in answer.text
