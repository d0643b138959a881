"""Every finding in every view: one level and one sentence, or the reason why it is not seen there.

Each row is one thing that is wrong. SEEN: the view says it, as bad and in the same words. A text: the view says nothing of it,
because ... A `Expr`: the alert of deploy/prometheus/alerts.yml, whose expression has these parts.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from dashboard.relay.strip import health_report
from dashboard.system import depth, tables
from ops.doctor import running
from stormalert import channels
from stormalert.health import limits
from stormalert.health.checks import CHECKS
from stormalert.health.checks.servers import NODE_CHECKS, of_server
from stormalert.health.facts import HOT, QUEUE, Facts, FeedGap, OpenNotice, ServerReading, StoreAnswer, Tries, Waiting
from stormalert.health.finding import Level
from stormalert.health.reading import notices_of
from stormalert.health.report import not_good, report
from stormalert.model import ChannelKind
from stormalert.notify.alarms import Alarm
from stormalert.units import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from tests.health.well import NOW_MS, feed, processes, redis, silent, streams, well
from workers import notice_policy, notices

WAIT, BAD = Level.WAIT, Level.BAD
ALERTS = Path(__file__).resolve().parents[2] / "deploy" / "prometheus" / "alerts.yml"
RULES = {rule["alert"]: rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]}


class Seen(NamedTuple):
    """By this view too."""


class Expr(NamedTuple):
    name: str
    parts: tuple[str, ...] = ()


class Row(NamedTuple):
    finding: str
    level: Level
    what: str
    facts: dict[str, Any]
    strip: Seen | str
    notice: Seen | str
    prometheus: Expr | str
    doctor: Seen | str = Seen()
    system: Seen | str = Seen()


SEEN = Seen()
# Why not.
INSIDE = "it changes nothing for members"
NOT_NOW = "it can wait until the market is about to open"
NO_METRIC = "no metric tells it"
SETUP = "it is seen to when something is set up or upgraded, and nothing is late for it"
NO_HASTE = "it wakes nobody, and the pages and Prometheus tell it"
OTHERS_TELL = "the doctor's own check tells it, with the reason"
NOT_ASKED = "it does not ask that server"


def s(duration_ms: int) -> str:
    """In seconds, as Prometheus counts."""
    return f"{duration_ms / SECOND_MS:g}"


def at_percent(percent: float) -> ServerReading:
    return redis(used_memory=int(percent * 10**7), maxmemory=10**9)


def trouble(subject: str, told: str) -> dict[str, Any]:
    return feed(troubles=json.dumps({subject: told}))


OPENS_LATE_MS = NOW_MS + limits.LOGIN_AHEAD_MS + SECOND_MS
GAPS = [FeedGap(NOW_MS - (60 - at) * SECOND_MS, NOW_MS - (50 - at) * SECOND_MS, "mute", 4) for at in (0, 20, 40)]
TELEGRAM_REFUSES = [Alarm(ChannelKind.TELEGRAM, "token refused: check TELEGRAM_BOT_TOKEN", NOW_MS - MINUTE_MS)]
NTFY_REFUSES = [Alarm(ChannelKind("ntfy"), "token sealed with another secret", NOW_MS - MINUTE_MS)]
QUEUED = {"queued": limits.MESSAGES_MANY_WAIT + 1}
QUEUE_OLD = {"queued": 2, "queued_since_ms": NOW_MS - limits.MESSAGES_LATE_BAD_MS}
REFUSED = {ChannelKind.EMAIL: Tries(taken=2, refused=limits.REFUSED_BAD)}
IN_TIME = f"[{limits.REFUSED_WITHIN_MS // MINUTE_MS}m]"
# Servers that owners chose are theirs to mend.
OWNERS = "|".join(sorted(kind for kind in ChannelKind if channels.of(kind).is_owners_server))
ANSWERS = f'(increase(stormalert_provider_answers_total{{outcome="%s",channel!~"{OWNERS}"}}{IN_TIME}))'
MEMORY = "stormalert_redis_memory_used_bytes >= {} * stormalert_redis_memory_limit_bytes"

HELPER_MISSING = Expr("StormAlertHelperMissing", ('process!~"ingest|evaluator|dispatch|worker"',))

# fmt: off
TABLE = (
    # Processes
    Row("missing-ingest", BAD, "ingest is not running: no prices come", {"processes": processes(without="ingest")},
        strip=SEEN, notice=SEEN, prometheus=Expr("StormAlertProcessMissing", ('process=~"ingest|evaluator|dispatch|worker"',))),
    Row("missing-evaluator", BAD, "evaluator is not running: no rule is looked at",
        {"processes": processes(without="evaluator")},
        strip=SEEN, notice=SEEN, prometheus=Expr("StormAlertProcessMissing")),
    Row("missing-dispatch", BAD, "dispatch is not running: alerts do not become messages",
        {"processes": processes(without="dispatch")},
        strip=SEEN, notice=SEEN, prometheus=Expr("StormAlertProcessMissing")),
    Row("missing-worker", BAD, "worker is not running: messages are not sent", {"processes": processes(without="worker")},
        strip=SEEN, notice=SEEN, prometheus=Expr("StormAlertProcessMissing")),
    Row("missing-relay", WAIT, "relay is not running: the Live page does not move", {"processes": processes(without="relay")},
        strip="it is the relay that tells the strip", notice=SEEN, prometheus=HELPER_MISSING),
    Row("missing-dashboard", WAIT, "dashboard is not running: there is no page", {"processes": processes(without="dashboard")},
        strip=INSIDE, notice=SEEN, prometheus=HELPER_MISSING),
    Row("missing-board", WAIT, "board is not running: the queue's board is not there",
        {"processes": processes(without="board")},
        strip=INSIDE, notice=SEEN, prometheus=HELPER_MISSING),
    Row("missing-bot", WAIT,
        "bot is not running: codes, test messages, Telegram's commands and notices to admins are not sent",
        {"processes": processes(without="bot")},
        strip=INSIDE, notice=SEEN, prometheus=HELPER_MISSING),
    Row("versions", WAIT, "Of another version than 0.1.0 run: worker 0.0.9",
        {"processes": processes(worker={"version": "0.0.9"})},
        strip=INSIDE, notice=SETUP, prometheus=Expr("StormAlertVersionsDiffer")),
    Row("busy", WAIT, "bot (host-1) wakes 1.0 s too late", {"processes": processes(bot={"late_ms": limits.LOOP_LATE_WAIT_MS})},
        strip=INSIDE, notice=NO_HASTE,
        prometheus=Expr("StormAlertProcessBusy", (f"stormalert_process_loop_lag_seconds) >= {s(limits.LOOP_LATE_WAIT_MS)}",))),
    # Feed
    Row("login", BAD, "Kite login needed: no prices come (nobody has logged in)",
        {"feed": silent("login_needed", reason="nobody has logged in.")},
        strip=SEEN, notice=SEEN,
        prometheus=Expr("StormAlertLoginNeeded", (f"opens_timestamp_seconds - time() <= {s(limits.LOGIN_AHEAD_MS)}",))),
    Row("login", BAD, "Kite login needed: prices come only while the open connection lasts", {"feed": feed("login_needed")},
        strip=SEEN, notice=SEEN, prometheus=Expr("StormAlertLoginNeeded")),
    Row("login", WAIT, "Kite login needed: no prices come", {"feed": silent("login_needed", opens_ms=OPENS_LATE_MS)},
        strip=SEEN, notice=NOT_NOW, prometheus=NOT_NOW),
    Row("feed", BAD, "No prices come: no frame for 5 s", {"feed": silent("stale", reason="no frame for 5 s")},
        strip=SEEN, notice=SEEN, prometheus=Expr("StormAlertFeedDown", ("stale", "stormalert_feed_market_open == 1"))),
    Row("feed", BAD, "No prices come: no connection", {"feed": silent("connecting")},
        strip=SEEN, notice=SEEN, prometheus=Expr("StormAlertFeedDown", ("connecting",))),
    Row("feed", BAD, "Some prices do not come: socket 2 of 3: it broke",
        {"feed": feed("connecting", sockets=3, reason="socket 2 of 3: it broke")},
        strip=SEEN, notice=SEEN, prometheus=Expr("StormAlertFeedDown")),
    Row("feed", WAIT, "The feed is not connected yet: it broke",
        {"feed": silent("connecting", reason="it broke", opens_ms=NOW_MS + HOUR_MS)},
        strip=SEEN, notice=NOT_NOW, prometheus=NOT_NOW),
    Row("feed", WAIT, "The feed is starting", {"feed": silent("starting", since_ms=NOW_MS - SECOND_MS)},
        strip=SEEN, notice="it takes some seconds", prometheus="it takes some seconds"),
    Row("feed", BAD, "No prices come: no connection",
        {"feed": silent("starting", since_ms=NOW_MS - limits.FEED_STARTS_BAD_MS)},
        strip=SEEN, notice=SEEN, prometheus=Expr("StormAlertFeedDown", ("starting",))),
    Row("feed", BAD, "No prices come: the newest frame is 10 s old",
        {"feed": feed(frame_ms=NOW_MS - limits.FRAME_SILENT_BAD_MS)},
        strip=SEEN, notice=SEEN, prometheus=Expr("StormAlertNoFrames", (f">= {s(limits.FRAME_SILENT_BAD_MS)}",))),
    Row("trouble-store", WAIT, "The store is away", {"feed": trouble("store", "the store is away")},
        strip=INSIDE, notice=SEEN, prometheus=Expr("StormAlertFeedTrouble")),
    Row("trouble-left_out", WAIT, "12 instruments are left out: Kite takes 9,000",
        {"feed": trouble("left_out", "12 instruments are left out: Kite takes 9,000")},
        strip=SEEN, notice=SEEN, prometheus=Expr("StormAlertInstrumentsLeftOut")),
    Row("gaps", WAIT, "The feed has gaps: 30 s without prices in the last 10 min, 12 prices lost", {"gaps": GAPS},
        strip="it is over", notice=SEEN,
        prometheus=Expr("StormAlertFeedGaps", (f"[{limits.GAPS_WITHIN_MS // MINUTE_MS}m]) > {limits.GAPS_MANY_WAIT}",))),
    # From tick to message
    Row("evaluator", BAD, "Alerts are late: the evaluator is 10 s behind",
        {"streams": streams(ticks_wait_ms=limits.TICKS_LATE_BAD_MS)},
        strip=SEEN, notice=SEEN, prometheus=Expr("StormAlertEvaluatorBehind", (f">= {s(limits.TICKS_LATE_BAD_MS)}",))),
    Row("dispatch", BAD, "Alerts are late: dispatch is 1 min behind",
        {"streams": streams(alerts_wait_ms=limits.ALERTS_LATE_BAD_MS)},
        strip=SEEN, notice=SEEN, prometheus=Expr("StormAlertDispatchBehind", (f">= {s(limits.ALERTS_LATE_BAD_MS)}",))),
    Row("delay", WAIT, "From tick to alert it takes 1.0 s",
        {"processes": processes(evaluator={"delay_ms": limits.DELAY_WAIT_MS})},
        strip=SEEN, notice="what lasts is told as the evaluator's being behind",
        prometheus=Expr("StormAlertAlertsSlow", (f">= {s(limits.DELAY_WAIT_MS)}",))),
    Row("delay", BAD, "From tick to alert it takes 5.0 s",
        {"processes": processes(evaluator={"delay_ms": limits.DELAY_BAD_MS})},
        strip=SEEN, notice="what lasts is told as the evaluator's being behind",
        prometheus=Expr("StormAlertAlertsVerySlow", (f">= {s(limits.DELAY_BAD_MS)}",))),
    Row("malformed", WAIT, "Entries of the ticks' streams that are no ticks: 3", {"malformed": 3},
        strip=INSIDE, notice=NO_HASTE, prometheus=Expr("StormAlertMalformedTicks")),
    Row("queue", BAD, "The queue grows: 2 messages wait, the oldest for 2 min", {"processes": processes(dispatch=QUEUE_OLD)},
        strip=SEEN, notice=SEEN, prometheus=Expr("StormAlertQueueOld", (f">= {s(limits.MESSAGES_LATE_BAD_MS)}",))),
    Row("queue", BAD, "The queue grows: 1,234 messages wait, the oldest for 10 min",
        {"waiting": Waiting(1_234, NOW_MS - 10 * MINUTE_MS)},
        strip=SEEN, notice=SEEN, prometheus="no metric counts the deliveries in the store that are in no queue"),
    Row("queued", WAIT, "501 messages wait for a worker", {"processes": processes(dispatch=QUEUED)},
        strip=SEEN, notice="what moves is no news",
        prometheus=Expr("StormAlertQueueLong", (f"> {limits.MESSAGES_MANY_WAIT}",))),
    Row("failed", WAIT, "2 jobs failed", {"processes": processes(dispatch={"failed": 2})},
        strip=INSIDE, notice="whose message it was is told by its history", prometheus=Expr("StormAlertJobsFailed")),
    Row("alarm-telegram", BAD, "Telegram takes no messages from us", {"alarms": TELEGRAM_REFUSES},
        strip=SEEN, notice=SEEN, prometheus=Expr("StormAlertChannelAlarm")),
    Row("alarm-ntfy", BAD, "ntfy takes no messages from us", {"alarms": NTFY_REFUSES},
        strip=SEEN, notice=SEEN, prometheus=Expr("StormAlertChannelAlarm")),
    Row("refusing-email", BAD, "E-mail messages fail: 5 of the last 7 tries", {"tries": REFUSED},
        strip=SEEN, notice=SEEN,
        prometheus=Expr("StormAlertProviderRefuses",
                        (f"{ANSWERS % 'refused'} >= {limits.REFUSED_BAD}", f">= sum by (channel) {ANSWERS % 'taken'}"))),
    # Servers
    Row("memory", WAIT, "Redis is nearly full: 850 of 1,000 MB", {"servers": [at_percent(limits.MEMORY_WAIT_PERCENT)]},
        strip=SEEN, notice=SEEN,
        prometheus=Expr("StormAlertRedisMemory", (MEMORY.format(limits.MEMORY_WAIT_PERCENT / 100),))),
    Row("memory", BAD, "Redis is nearly full: 950 of 1,000 MB", {"servers": [at_percent(limits.MEMORY_BAD_PERCENT)]},
        strip=SEEN, notice=SEEN,
        prometheus=Expr("StormAlertRedisFull", (MEMORY.format(limits.MEMORY_BAD_PERCENT / 100),))),
    Row("memory", BAD, "Redis is full: no new prices are evaluated, and alerts are late",
        {"servers": [at_percent(limits.MEMORY_FULL_PERCENT)]},
        strip=SEEN, notice=SEEN, prometheus=Expr("StormAlertRedisFull")),
    Row("disk", BAD, "Redis cannot write to its disk: no new prices are evaluated, and alerts are late",
        {"servers": [redis(aof_last_write_status="err")]},
        strip=SEEN, notice="it takes no notice: bot/full.py tells it, in the same words",
        prometheus=Expr("StormAlertRedisNotDurable", ("stormalert_redis_aof_ok == 0",))),
    Row("durability", BAD, "Redis keeps nothing over a crash: its append-only file is off", {"servers": [redis(aof_enabled=0)]},
        strip=INSIDE, notice=SEEN, prometheus=Expr("StormAlertRedisNotDurable", ("stormalert_redis_aof_enabled == 0",))),
    Row("durability", BAD, "Redis cannot rewrite its append-only file, which grows",
        {"servers": [redis(aof_last_bgrewrite_status="err")]},
        strip=INSIDE, notice=SEEN, prometheus=Expr("StormAlertRedisNotDurable")),
    Row("durability", WAIT, "Redis reads its file after a start: 40 % done, about 9 s more",
        {"servers": [redis(loading=1, loading_loaded_perc="40.12", loading_eta_seconds=9)]},
        strip=INSIDE, notice=SETUP, prometheus=NO_METRIC),
    Row("policy", BAD, "Redis throws keys away when it is full (maxmemory-policy allkeys-lru)",
        {"servers": [redis(maxmemory_policy="allkeys-lru")]},
        strip=INSIDE, notice=SEEN, prometheus=NO_METRIC),
    Row("policy", WAIT, "Redis throws keys away when it is full (maxmemory-policy allkeys-lru)",
        {"servers": [redis(maxmemory_policy="allkeys-lru", maxmemory=0)]},
        strip=INSIDE, notice=SETUP, prometheus=NO_METRIC),
    Row("evicted", BAD, "Redis has thrown 7 keys away for want of memory since it was started",
        {"servers": [redis(evicted_keys=7)]},
        strip=INSIDE, notice=SEEN, prometheus=Expr("StormAlertRedisEvicts")),
    Row("old", BAD, "Redis is of a version that is too old: Valkey 6.2.0", {"servers": [redis(valkey_version="6.2.0")]},
        strip=INSIDE, notice=SEEN, prometheus="a query cannot compare versions"),
    Row("rejected", WAIT, "Redis turned 1 connection away since it was started", {"servers": [redis(rejected_connections=1)]},
        strip=INSIDE, notice=NO_HASTE, prometheus=NO_METRIC),
    Row("silent", WAIT, "Redis does not tell of itself", {"servers": [ServerReading(HOT, {})]},
        strip=INSIDE, notice=SETUP, prometheus=NO_METRIC),
    Row("away", BAD, "Redis does not answer: nothing is known now", {"servers": [ServerReading(HOT, None)]},
        strip=SEEN, notice="notices lie in Redis, and go out through it", prometheus=Expr("StormAlertRedisDown")),
    Row("away-queue", BAD, "The queue's Redis does not answer: messages wait",
        {"servers": [redis(), ServerReading(QUEUE, None)]},
        strip=NOT_ASKED, notice=NOT_ASKED, prometheus=Expr("StormAlertRedisDown")),
    Row("memory-queue", BAD, "The queue's Redis is full: messages are not sent",
        {"servers": [redis(), redis(QUEUE, used_memory=10**9, maxmemory=10**9)]},
        strip=NOT_ASKED, notice=NOT_ASKED, prometheus=Expr("StormAlertRedisFull")),
    Row("certificate", WAIT, "The dashboard's certificate ends in 13 days", {"certificate_ends_ms": NOW_MS + 14 * DAY_MS - 1},
        strip=INSIDE, notice=SEEN, prometheus=NO_METRIC),
    Row("certificate", BAD, "The dashboard's certificate has ended", {"certificate_ends_ms": NOW_MS - 1},
        strip=INSIDE, notice=SEEN, prometheus=NO_METRIC),
    # Store
    Row("store", BAD, "The store does not answer: nobody can sign in, and messages wait", {"store": StoreAnswer(None)},
        strip=NOT_ASKED, notice=SEEN, prometheus=Expr("StormAlertStoreDown"),
        doctor=OTHERS_TELL),
    Row("store", BAD, "The store's disk is full: nobody can sign in, and messages wait",
        {"store": StoreAnswer(None, "The store's disk is full")},
        strip=NOT_ASKED, notice=SEEN, prometheus=Expr("StormAlertStoreDown"),
        doctor=OTHERS_TELL),
    Row("store", WAIT, "The store takes 500 ms to answer", {"store": StoreAnswer(limits.STORE_SLOW_WAIT_MS / SECOND_MS)},
        strip=NOT_ASKED, notice=NO_HASTE,
        prometheus=Expr("StormAlertStoreSlow", (f">= {s(limits.STORE_SLOW_WAIT_MS)}",))),
)
# What changes with time only Prometheus remembers: it alone tells how often within minutes.
PROMETHEUS_ONLY = {
    "StormAlertNotScraped", "StormAlertProcessRestarts", "StormAlertTicksConflated", "StormAlertDeliveriesFail",
    "StormAlertStoreErrors", "StormAlertListenersDropped", "StormAlertSignInsRefused",
}
# fmt: on
ROWS = pytest.mark.parametrize("row", TABLE, ids=[f"{row.finding}: {row.what}" for row in TABLE])


@ROWS
def test_it_is_found_and_nothing_else_is(row: Row) -> None:
    (found,) = not_good(report(well(**row.facts)))
    assert (found.name, found.level, found.what) == (row.finding, row.level, row.what)
    assert found.todo.endswith((".", "?"))


@ROWS
def test_the_doctor_says_it(row: Row) -> None:
    facts = as_read_by_pages(row)
    asked = [finding for server in facts.servers for finding in of_server(server)]
    check(row, row.doctor, [(it.level, it.what) for it in not_good([*asked, *running.told(report(facts))])])


@ROWS
def test_the_system_page_says_it(row: Row) -> None:
    system = depth.system_of(as_read_by_pages(row)) | {"latency_ms": 1, "store": {"kind": "SQLite", "is_there": False}}
    found = [(Level(it["level"]), it["what"].partition(", since")[0].rstrip(".")) for it in system["findings"]]
    check(row, row.system, found)
    assert f'role="status"><span class="mark {row.level}">' in tables.page(system)


@ROWS
def test_the_strip_says_it(row: Row) -> None:
    facts = replace(as_read_by_pages(row), malformed=None, store=None, alarms=None, roll=frozenset())
    told = health_report(report(replace(facts, servers=facts.servers[:1])))
    check(row, row.strip, [(told["level"], reason.rstrip(".")) for reason in told["reasons"]])
    assert told["level"] == (row.level if isinstance(row.strip, Seen) else Level.GOOD)


@ROWS
def test_a_notice_says_it_with_a_sound_when_it_is_bad(row: Row) -> None:
    told = list(notices_told(as_read_by_the_bot(row)))
    check(row, row.notice, [(it.level, it.headline.removeprefix("⚠ ")) for it in told])


@ROWS
def test_prometheus_alerts_of_it_and_pages_when_it_is_bad(row: Row) -> None:
    if isinstance(row.prometheus, str):
        return
    rule = RULES[row.prometheus.name]
    assert rule["labels"]["severity"] == {BAD: "page", WAIT: "ticket"}[row.level]
    for part in row.prometheus.parts:
        assert part in rule["expr"]


def test_every_alert_of_prometheus_is_in_the_table_or_needs_its_memory() -> None:
    seen = {row.prometheus.name for row in TABLE if isinstance(row.prometheus, Expr)}
    assert seen | PROMETHEUS_ONLY == RULES.keys() and not seen & PROMETHEUS_ONLY


def test_every_check_is_in_the_table() -> None:
    all_facts = [well(**row.facts) for row in TABLE]
    for each in CHECKS:
        assert any(not_good(each(facts)) for facts in all_facts), each
    infos = [info for facts in all_facts for server in facts.servers for info in (server.nodes or {}).values()]
    for look in NODE_CHECKS:
        assert any(found and found.level is not Level.GOOD for info in infos for found in [look("Redis", info, False)]), look


def test_every_policy_of_a_notice_is_in_the_table() -> None:
    assert {row.finding.partition("-")[0] for row in TABLE if isinstance(row.notice, Seen)} == set(notice_policy.POLICIES)


def test_where_all_is_well_every_view_says_so() -> None:
    facts = well(waiting=Waiting(), tries={ChannelKind.EMAIL: Tries(9, 0)}, certificate_ends_ms=NOW_MS + 60 * DAY_MS)
    assert not_good(report(facts)) == []
    assert {it.level for it in running.told(report(facts))} == {Level.GOOD}
    assert depth.system_of(facts)["findings"] == []
    assert health_report(report(facts)) == {"level": "good", "reasons": []}
    assert list(notices_told(facts)) == []


def check(row: Row, seen: Seen | str, found: list[tuple[Level, str]]) -> None:
    if isinstance(seen, Seen):
        assert found == [(row.level, row.what)]
    else:
        assert seen and found == []


def as_read_by_the_bot(row: Row) -> Facts:
    """It asks neither the counters of the streams nor the queue's server."""
    facts = well(**row.facts)
    return replace(facts, malformed=None, servers=facts.servers[:1])


def as_read_by_pages(row: Row) -> Facts:
    """What only the bot looks at, they know from its notices."""
    facts = well(**row.facts)
    kept = notices_of({name: it.text for name, it in after_a_while(as_read_by_the_bot(row)).items()})
    assert all(isinstance(it, OpenNotice) for it in kept)
    return replace(facts, waiting=None, tries=None, certificate_ends_ms=0, notices=kept)


def notices_told(facts: Facts) -> Iterator[notices.Notice]:
    yield from looked(facts)[1]


def after_a_while(facts: Facts) -> dict[str, notices.Incident]:
    return looked(facts)[0]


def looked(facts: Facts) -> tuple[dict[str, notices.Incident], list[notices.Notice]]:
    """From now on until every notice has lasted long enough."""
    known: dict[str, notices.Incident] = {}
    told: list[notices.Notice] = []
    readings = list(notice_policy.readings(facts, report(facts), "https://storm.example"))
    for at_ms in range(NOW_MS, NOW_MS + 6 * MINUTE_MS, 10 * SECOND_MS):
        known, due = notices.look(known, readings, at_ms)
        told += due
    return known, told
