from typing import Any

import pytest

from dashboard.system.verdict import figures, verdict
from stormalert.units import HOUR_MS

WELL = {
    "feed": {"state": "streaming", "delay_p99_ms": 3},
    "waiting": {"ticks": 0, "alerts": 0},
    "missing": [],
    "memory": {"percent": 40, "words": "400 of 1,000 MB"},
    "is_disk_full": False,
    "figures": {"workers": 2, "queued": 0, "latency_ms": 12},
    "notices": [],
}
DEAD_FEED = {"state": "unknown", "reason": "ingest is not running"}
NOTICE = {
    "name": "refusing-whatsapp",
    "headline": "WhatsApp messages fail: 5 of 8",
    "since_ms": 1,
    "is_told": True,
    "well_ms": 0,
}
OPEN, CLOSED = {"is_open": True, "turn_ms": 0}, {"is_open": False, "turn_ms": 10 * HOUR_MS}


def test_all_is_well() -> None:
    assert verdict(WELL, OPEN, 0) == {"level": "good", "reasons": []}


@pytest.mark.parametrize(
    ("change", "session", "level", "reason"),
    [
        ({"missing": ["worker"]}, CLOSED, "bad", "worker is not running: alerts are late or missing."),
        ({"feed": {"state": "login_needed", "reason": "it died"}}, OPEN, "bad", "Log in to Kite: it died."),
        ({"feed": {"state": "login_needed"}}, CLOSED, "wait", "Log in to Kite."),
        ({"feed": {"state": "login_needed"}}, CLOSED | {"turn_ms": HOUR_MS}, "bad", "Log in to Kite."),
        ({"feed": {"state": "stale", "reason": "mute for 6 s."}}, OPEN, "bad", "No prices come: mute for 6 s."),
        ({"feed": {}}, OPEN, "wait", "The feed is starting."),
        ({"feed": {"state": "unknown", "reason": "Redis is away"}}, OPEN, "bad", "No prices come: Redis is away."),
        ({"feed": DEAD_FEED, "missing": ["ingest"]}, OPEN, "bad", "ingest is not running: alerts are late or missing."),
        (
            # Nobody beats in a full one.
            {"memory": {"percent": 100, "words": "1,000 of 1,000 MB"}, "missing": ["ingest", "worker"], "feed": DEAD_FEED},
            CLOSED,
            "bad",
            "Redis is full, 1,000 of 1,000 MB: no new prices are evaluated, and alerts are late.",
        ),
        (
            {"is_disk_full": True, "missing": ["ingest", "worker"]},
            CLOSED,
            "bad",
            "Redis cannot write to its disk: no new prices are evaluated, and alerts are late.",
        ),
        ({"memory": {"percent": 90, "words": "900 of 1,000 MB"}}, OPEN, "wait", "Redis is nearly full: 900 of 1,000 MB."),
        ({"waiting": {"ticks": 12_345, "alerts": 0}}, OPEN, "wait", "12,345 ticks wait for the evaluator."),
        ({"waiting": {"ticks": 1_00_000, "alerts": 0}}, OPEN, "bad", "1,00,000 ticks wait for the evaluator."),
        ({"figures": {"queued": 501, "latency_ms": 0}}, OPEN, "wait", "501 messages wait for a worker."),
        ({"figures": {"queued": 0, "latency_ms": 5_400}}, OPEN, "bad", "From tick to alert it takes 5.4 s."),
        ({"feed": {"state": "streaming", "left_out": 12}}, OPEN, "wait", "12 instruments are left out: Kite takes 9,000."),
        ({"notices": [NOTICE]}, OPEN, "wait", "WhatsApp messages fail: 5 of 8."),
        (
            {"notices": [NOTICE | {"name": "alarm-telegram", "headline": "Telegram is shut"}]},
            CLOSED,
            "bad",
            "Telegram is shut.",
        ),
    ],
)
def test_what_is_wrong_is_said_in_words(change: dict[str, Any], session: dict[str, Any], level: str, reason: str) -> None:
    assert verdict(WELL | change, session, 0) == {"level": level, "reasons": [reason]}


def test_what_is_over_or_told_by_the_figures_is_not_said() -> None:
    notices = [NOTICE | {"well_ms": 9}, NOTICE | {"is_told": False}, NOTICE | {"name": "login"}]
    assert verdict(WELL | {"notices": notices}, OPEN, 0)["level"] == "good"


def test_the_worst_comes_first() -> None:
    found = verdict(WELL | {"waiting": {"ticks": 0, "alerts": 101}, "missing": ["ingest"]}, OPEN, 0)
    assert found["level"] == "bad"
    assert found["reasons"][0].startswith("ingest") and len(found["reasons"]) == 2


def test_figures_are_of_all_processes() -> None:
    processes = [
        {"name": "worker"}, {"name": "worker"}, {"name": "dispatch", "queued": 7},
        {"name": "evaluator", "delay_ms": 4}, {"name": "evaluator", "delay_ms": 9},
    ]  # fmt: skip
    assert figures(WELL | {"processes": processes}) == {"workers": 2, "queued": 7, "latency_ms": 12}
