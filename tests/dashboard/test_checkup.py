from typing import Any

import pytest

from dashboard.system.checkup import Finding, checkup
from dashboard.system.tables import page
from stormalert.units import HOUR_MS, MINUTE_MS

NOW_MS = 1_764_130_000_000
NAMES = ("ingest", "evaluator", "dispatch", "worker", "relay", "bot", "board", "dashboard")


STREAM = {"shard": "s1", "stream": "ticks", "length": 9, "lag": 9, "waits_ms": 400}


def beating(name: str, **facts: Any) -> dict[str, Any]:
    usual = {"process": "host-1", "version": "0.1.0", "rss_bytes": 50_000_000, "late_ms": 1}
    return {"name": name, "started_ms": NOW_MS - HOUR_MS, "beat_ms": NOW_MS - 500, **usual, **facts}


def server(**facts: Any) -> dict[str, Any]:
    usual = {"role": "ticks", "is_there": True, "is_told": True, "server": "valkey", "version": "9.0.1", "is_logged": True}
    more = {"is_log_well": True, "used_bytes": 2**20, "max_bytes": 0, "policy": "noeviction", "evicted": 0}
    return usual | more | {"clients": 9, "rejected": 0, "uptime_s": 60, "commands_per_s": 5} | facts


def well(**changes: Any) -> dict[str, Any]:
    return {
        "time_ms": NOW_MS,
        "feed": {"state": "streaming", "reason": "", "opens_ms": NOW_MS - HOUR_MS, "since_ms": NOW_MS - HOUR_MS},
        "gaps": [],
        "missing": [],
        "processes": [beating(name) for name in NAMES],
        "streams": [STREAM],
        "malformed": 0,
        "latency_ms": 0.4,
        "servers": [server()],
        "queue": {"queued": 1, "oldest_ms": 20, "waiting_to_retry": 0, "failed": 0},
        "notices": [],
        "store": {"kind": "SQLite", "is_there": True, "users": 2, "latency_ms": 1.2, "size_bytes": 4096},
    } | changes


def without(name: str, missing: list[str]) -> dict[str, Any]:
    return well(processes=[beating(it) for it in NAMES if it != name], missing=missing)


def test_nothing_is_found_where_all_is_well() -> None:
    assert checkup(well()) == []


GAP = {"from_ms": NOW_MS - 2 * MINUTE_MS, "to_ms": NOW_MS - MINUTE_MS, "reason": "mute", "lost": 1_200}
NOTICE = {"name": "login", "headline": "Kite login needed", "since_ms": NOW_MS, "is_told": True, "well_ms": 0}


@pytest.mark.parametrize(
    ("system", "level", "part", "words"),
    [
        (without("worker", ["worker"]), "bad", "processes", "worker is not running: messages are not sent"),
        (without("bot", []), "wait", "processes", "bot is not running"),
        (well(processes=[*well()["processes"], beating("worker", version="0.0.9")]), "wait", "processes", "0.0.9, 0.1.0"),
        (well(processes=[beating(it, late_ms=2_500 * (it == "bot")) for it in NAMES]), "wait", "processes", "2.5 s too late"),
        (well(feed={"state": "login_needed", "opens_ms": NOW_MS}), "bad", "feed", "Kite login needed"),
        (well(feed={"state": "login_needed", "opens_ms": NOW_MS + 9 * HOUR_MS}), "wait", "feed", "Kite login needed"),
        (well(feed={"state": "stale", "reason": "no frame for 5 s"}), "bad", "feed", "No prices come: no frame for 5 s."),
        (well(feed={"state": "streaming", "trouble": "no holidays"}), "wait", "feed", "no holidays."),
        (well(gaps=[GAP, GAP | {"to_ms": NOW_MS - 2 * HOUR_MS}]), "wait", "feed", "1 gap in the last hour, 1,200 prices lost."),
        (well(streams=[STREAM | {"lag": 6_000}]), "wait", "streams", "6,000 ticks of shard s1 wait for evaluator."),
        (well(streams=[STREAM | {"lag": 60_000}]), "bad", "streams", "60,000 ticks"),
        (well(malformed=3), "wait", "streams", "that are no ticks: 3"),
        (well(queue={"queued": 900, "oldest_ms": 3 * MINUTE_MS}), "bad", "queue", "has waited for 3 min"),
        (well(queue={"queued": 900, "oldest_ms": 10}), "wait", "queue", "wait for a worker: 900."),
        (well(queue={"failed": 2}), "wait", "queue", "2 jobs failed."),
        (well(servers=[server(version="6.2.0")]), "bad", "servers", "is version 6.2.0"),
        (well(servers=[server(used_bytes=85, max_bytes=100)]), "wait", "servers", "uses 85% of the memory"),
        (well(servers=[server(used_bytes=99, max_bytes=100)]), "bad", "servers", "uses 99% of the memory"),
        (well(servers=[server(max_bytes=2**40, policy="allkeys-lru")]), "bad", "servers", "throws keys away"),
        (well(servers=[server(evicted=7)]), "bad", "servers", "thrown 7 keys away"),
        (well(servers=[server(is_logged=False)]), "wait", "servers", "append-only file is off"),
        (well(servers=[server(is_log_well=False)]), "bad", "servers", "cannot write"),
        (well(servers=[{"role": "queue", "is_there": False, "is_told": False}]), "bad", "servers", "does not answer"),
        (well(servers=[{"role": "queue", "is_there": True, "is_told": False}]), "wait", "servers", "does not tell"),
        (well(store={"kind": "MongoDB", "is_there": False}), "bad", "store", "does not answer"),
        (well(store={"kind": "MongoDB", "is_there": True, "users": 1, "latency_ms": 900.0}), "wait", "store", "takes 900 ms"),
        (well(notices=[NOTICE]), "bad", "notices", "Kite login needed, since "),
    ],
)  # fmt: skip
def test_each_trouble_is_told_with_what_to_do_and_shown_on_the_page(
    system: dict[str, Any], level: str, part: str, words: str
) -> None:
    (found,) = checkup(system)
    assert (found.level, found.part) == (level, part)
    assert words in found.what and found.todo.endswith((".", "?"))
    html = page(system | {"findings": [found.as_dict()]})
    assert f'role="status"><span class="mark {level}">' in html


def test_what_is_not_told_to_admins_yet_or_is_well_again_is_no_trouble() -> None:
    assert checkup(well(notices=[NOTICE | {"is_told": False}, NOTICE | {"well_ms": NOW_MS}])) == []


def test_without_ingest_the_feed_is_neither_streaming_nor_starting() -> None:
    dead = {"state": "unknown", "reason": "ingest is not running"}
    system = without("ingest", ["ingest"]) | {"feed": dead}
    assert [(it.level, it.part) for it in checkup(system)] == [("bad", "processes")]
    assert "Unknown: ingest is not running" in page(system | {"findings": []})


def test_the_worst_comes_first() -> None:
    system = well(queue={"failed": 2}, store={"kind": "MongoDB", "is_there": False})
    assert [it.level for it in checkup(system)] == ["bad", "wait"]


def test_what_comes_from_outside_is_text_on_the_page() -> None:
    bad = "<script>alert(1)</script>"
    system = well(
        processes=[beating(bad, process=bad, version=bad, worker=bad)],
        gaps=[GAP | {"reason": bad}],
        streams=[STREAM | {"shard": bad}],
        servers=[server(role=bad, server=bad, version=bad), {"role": bad, "is_there": False, "is_told": False}],
        notices=[NOTICE | {"headline": bad}],
    )
    html = page(system | {"findings": [Finding("bad", "feed", bad, bad).as_dict()]})
    assert "<script>" not in html and html.count("&lt;script&gt;") >= 10
