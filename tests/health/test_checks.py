"""Where each finding begins, and that its sentence is true of the facts. What each is in words: test_findings_by_view.py."""

import json
from typing import Any

import pytest

from stormalert.health import limits
from stormalert.health.capacity import Capacity
from stormalert.health.facts import QUEUE, Facts, FeedGap, OpenNotice, ServerReading, StoreAnswer, Tries, Waiting
from stormalert.health.finding import Finding, Level, sentence, worst
from stormalert.health.report import not_good, report
from stormalert.model import ChannelKind
from stormalert.notify.alarms import Alarm
from stormalert.units import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from tests.health.well import NAMES, NOW_MS, OPENED_MS, feed, processes, redis, silent, streams, well

GOOD, WAIT, BAD, UNKNOWN = Level.GOOD, Level.WAIT, Level.BAD, None


def find(name: str, **changes: Any) -> Finding | None:
    found = [it for it in report(well(**changes)) if it.name == name]
    assert len(found) <= 1
    return found[0] if found else None


def memory(percent: float) -> list[ServerReading]:
    return [redis(used_memory=int(percent * 100), maxmemory=10_000)]


def gaps(*lengths_ms: int, before_ms: int = MINUTE_MS) -> list[FeedGap]:
    return [FeedGap(NOW_MS - before_ms - length_ms, NOW_MS - before_ms) for length_ms in lengths_ms]


@pytest.mark.parametrize(
    ("name", "changes", "level"),
    [
        # At six in the morning: bad when the market opens that day.
        ("login", {"feed": silent("login_needed", opens_ms=NOW_MS + limits.LOGIN_AHEAD_MS)}, BAD),
        ("login", {"feed": silent("login_needed", opens_ms=NOW_MS + limits.LOGIN_AHEAD_MS + 1)}, WAIT),
        ("login", {"feed": silent("stale")}, GOOD),
        ("login", {"feed": silent("starting")}, UNKNOWN),
        ("login", {"feed": silent("login_needed"), "processes": processes(without="ingest")}, UNKNOWN),
        ("feed", {"feed": silent("login_needed")}, UNKNOWN),
        ("feed", {"feed": silent("stale"), "processes": processes(without="ingest")}, UNKNOWN),
        ("feed", {"feed": {}}, UNKNOWN),
        ("feed", {"feed": silent("connecting", opens_ms=NOW_MS)}, BAD),
        ("feed", {"feed": silent("connecting", opens_ms=NOW_MS + 1)}, WAIT),
        ("feed", {"feed": silent("starting", since_ms=NOW_MS - limits.FEED_STARTS_BAD_MS + 1)}, WAIT),
        ("feed", {"feed": feed(frame_ms=NOW_MS - limits.FRAME_SILENT_BAD_MS + 1)}, GOOD),
        # Nobody expects a price while the market is closed.
        ("feed", {"feed": feed(frame_ms=1, opens_ms=NOW_MS + HOUR_MS)}, GOOD),
        ("gaps", {"gaps": gaps(limits.GAPS_LOST_WAIT_MS)}, WAIT),
        ("gaps", {"gaps": gaps(limits.GAPS_LOST_WAIT_MS - 1)}, GOOD),
        ("gaps", {"gaps": gaps(*[1] * limits.GAPS_MANY_WAIT)}, GOOD),
        ("gaps", {"gaps": gaps(*[1] * (limits.GAPS_MANY_WAIT + 1))}, WAIT),
        # A long one is a feed that was down, which was told.
        ("gaps", {"gaps": gaps(limits.GAP_SHORT_MS)}, GOOD),
        ("gaps", {"gaps": gaps(limits.GAP_SHORT_MS - 1)}, WAIT),
        ("gaps", {"gaps": gaps(limits.GAPS_LOST_WAIT_MS, before_ms=limits.GAPS_WITHIN_MS)}, GOOD),
        ("gaps", {"gaps": gaps(limits.GAPS_LOST_WAIT_MS), "feed": feed(opens_ms=NOW_MS)}, GOOD),
        ("evaluator", {"streams": streams(ticks_wait_ms=limits.TICKS_LATE_BAD_MS - 1)}, GOOD),
        # Told as missing.
        ("evaluator", {"streams": streams(ticks_wait_ms=HOUR_MS), "processes": processes(without="evaluator")}, UNKNOWN),
        ("dispatch", {"streams": streams(alerts_wait_ms=limits.ALERTS_LATE_BAD_MS - 1)}, GOOD),
        ("delay", {"processes": processes(evaluator={"delay_ms": limits.DELAY_WAIT_MS - 1})}, UNKNOWN),
        ("delay", {"processes": processes(evaluator={"delay_ms": limits.DELAY_BAD_MS - 1})}, WAIT),
        ("busy", {"processes": processes(bot={"late_ms": limits.LOOP_LATE_WAIT_MS - 1})}, UNKNOWN),
        ("queue", {"waiting": Waiting()}, GOOD),
        # Who did not look at the deliveries cannot say that none waits.
        ("queue", {}, UNKNOWN),
        ("queue", {"processes": processes(dispatch={"queued": 0, "queued_since_ms": 1})}, UNKNOWN),
        ("queued", {"processes": processes(dispatch={"queued": limits.MESSAGES_MANY_WAIT})}, UNKNOWN),
        ("alarm-telegram", {}, GOOD),
        ("alarm-telegram", {"alarms": None}, UNKNOWN),
        ("refusing-email", {"tries": {ChannelKind.EMAIL: Tries(0, limits.REFUSED_BAD)}}, BAD),
        ("refusing-email", {"tries": {ChannelKind.EMAIL: Tries(0, limits.REFUSED_BAD - 1)}}, UNKNOWN),
        ("refusing-email", {"tries": {ChannelKind.EMAIL: Tries(50, limits.REFUSED_BAD)}}, GOOD),
        ("refusing-email", {}, UNKNOWN),
        # Its owner's, whom the failed messages tell.
        ("refusing-webhook", {"tries": {ChannelKind.WEBHOOK: Tries(0, 50)}}, UNKNOWN),
        ("memory", {"servers": memory(limits.MEMORY_WAIT_PERCENT - 0.01)}, GOOD),
        ("memory", {"servers": memory(limits.MEMORY_BAD_PERCENT - 0.01)}, WAIT),
        ("memory", {"servers": [redis(maxmemory=0, total_system_memory=500 * 10**6)]}, GOOD),
        ("memory", {"servers": [redis(maxmemory=0, total_system_memory=440 * 10**6)]}, WAIT),
        ("memory", {"servers": [redis(maxmemory=0)]}, GOOD),
        ("memory", {"servers": [redis(used_memory=96, mem_not_counted_for_evict=20, maxmemory=100)]}, GOOD),
        ("policy", {"servers": [redis()]}, GOOD),
        ("old", {"servers": [redis(valkey_version=None, redis_version="7.0.15")]}, GOOD),
        ("old", {"servers": [redis(valkey_version=None, redis_version="10.0.0")]}, GOOD),
        ("old", {"servers": [redis(valkey_version=None, redis_version="6.2.14")]}, BAD),
        ("old", {"servers": [redis(valkey_version=None, redis_version=None)]}, BAD),
        ("disk", {"servers": [redis(aof_enabled=0, aof_last_write_status="err")]}, UNKNOWN),
        ("store", {"store": StoreAnswer((limits.STORE_SLOW_WAIT_MS - 1) / SECOND_MS)}, GOOD),
        ("store", {"store": None}, UNKNOWN),
        ("certificate", {"certificate_ends_ms": NOW_MS + limits.CERTIFICATE_WAIT_DAYS * DAY_MS}, GOOD),
        ("certificate", {}, UNKNOWN),
    ],
)  # fmt: skip
def test_where_a_finding_begins(name: str, changes: dict[str, Any], level: Level | None) -> None:
    found = find(name, **changes)
    assert (found and found.level) == level


def test_no_prices_come_is_not_said_while_they_come() -> None:
    """A token that died ends no connection: Kite looks at it only when one is made."""
    dead = {"reason": "Kite's access ended at 06:00."}
    for facts in (well(feed=feed("login_needed", **dead)), well(feed=feed("stale", sockets=3)), well(feed=feed())):
        assert not [it.what for it in report(facts) if "No prices" in it.what or "no prices" in it.what]
    (login,) = not_good(report(well(feed=silent("login_needed", **dead))))
    assert login.what == "Kite login needed: no prices come (Kite's access ended at 06:00)"


def test_a_login_is_wanted_before_the_market_opens() -> None:
    (login,) = not_good(report(well(feed=silent("login_needed", opens_ms=NOW_MS + HOUR_MS))))
    assert login.todo == "Log in under Admin, Kite, before 2026-11-23 11:00:00 IST."


@pytest.mark.parametrize("server", [*memory(100), redis(aof_last_write_status="err")])
def test_nobody_is_called_missing_while_no_beat_can_arrive(server: ServerReading) -> None:
    (found,) = not_good(report(well(servers=[server], processes=(), streams=streams())))
    assert found.level is BAD and found.what.endswith("no new prices are evaluated, and alerts are late")


def test_a_full_redis_of_the_queue_stops_no_beat() -> None:
    full = redis(QUEUE, used_memory=10, maxmemory=10)
    found = not_good(report(well(servers=[redis(), full], processes=processes(without="worker"))))
    assert [it.name for it in found] == ["missing-worker", "memory-queue"]


def test_where_nothing_runs_that_is_one_finding() -> None:
    found = not_good(report(Facts(NOW_MS)))
    assert [(it.level, it.name) for it in found] == [(WAIT, "none")]


def test_processes_that_run_are_counted() -> None:
    found = find("missing-worker", processes=[*processes(), *processes(without="ingest")])
    assert found and (found.level, found.what) == (GOOD, "worker x2")
    assert [it.name for it in report(well()) if it.kind == "missing"] == [f"missing-{name}" for name in NAMES]


def test_an_alarm_is_told_instead_of_the_refusals_that_it_explains() -> None:
    tries = {ChannelKind.TELEGRAM: Tries(0, 50)}
    alarm = Alarm(ChannelKind.TELEGRAM, "token refused: check TELEGRAM_BOT_TOKEN", NOW_MS)
    (found,) = not_good(report(well(tries=tries, alarms=[alarm])))
    assert found.name == "alarm-telegram" and found.since_ms == NOW_MS
    assert found.todo == "Token refused: check TELEGRAM_BOT_TOKEN. Mend it, then say so under Admin, Queue."


def test_a_trouble_that_was_told_is_judged_until_it_is_over() -> None:
    notice = OpenNotice("trouble-store", "The store is away", NOW_MS, True, 0, WAIT)
    found = find("trouble-store", notices=[notice])
    assert found and found.level is GOOD
    assert find("trouble-store") is None
    several = feed(troubles=json.dumps({"year": "no holidays are known for 2027", "store": "away"}))
    assert [it.what for it in not_good(report(well(feed=several)))] == ["No holidays are known for 2027", "Away"]


def test_a_silence_before_the_market_opened_counts_from_its_opening() -> None:
    found = find("feed", feed=silent("stale", since_ms=NOW_MS - 9 * HOUR_MS))
    assert found and found.since_ms == OPENED_MS


def test_the_shard_that_waits_longest_is_named() -> None:
    late = [it._replace(shard=f"s{number}") for number in (1, 2) for it in streams(ticks_wait_ms=number * MINUTE_MS)[:1]]
    found = find("evaluator", streams=late)
    assert found and found.what == "Alerts are late: the evaluator is 2 min behind"
    assert found.todo.startswith("7 ticks of shard s2 wait, as do those of 1 more. ")


def test_every_node_of_a_cluster_is_judged_by_its_name() -> None:
    well_info, full_info = (redis(used_memory=used, maxmemory=100).nodes or {} for used in (10, 96))
    nodes = {"10.0.0.1:6379": well_info[""], "10.0.0.2:6379": full_info[""]}
    (found,) = not_good(report(well(servers=[ServerReading("hot", nodes)])))
    assert found.what.startswith("Redis 10.0.0.2:6379 is nearly full")


def test_what_only_the_bot_sees_is_known_from_its_notices_until_it_is_over() -> None:
    told = OpenNotice("refusing-email", "E-mail messages fail: 5 of the last 7 tries", NOW_MS, True, 0, BAD)
    (found,) = not_good(report(well(notices=[told])))
    assert (found.level, found.part, found.what) == (BAD, "notices", told.headline)
    for over in (told._replace(is_told=False), told._replace(well_ms=NOW_MS)):
        assert not_good(report(well(notices=[over]))) == []
    # Who looked is believed more than a notice of a moment ago.
    assert not_good(report(well(notices=[told], tries={ChannelKind.EMAIL: Tries(9, 0)}))) == []


def test_the_worst_comes_first_and_decides() -> None:
    found = not_good(report(well(malformed=3, store=StoreAnswer(None))))
    assert [it.level for it in found] == [BAD, WAIT]
    assert [worst(levels) for levels in ([GOOD], [GOOD, WAIT], [WAIT, BAD, GOOD], [])] == [GOOD, WAIT, BAD, GOOD]


def test_what_is_used_is_said_in_plain_words() -> None:
    assert Capacity(1_234_567_890, 2_000_000_000).words == "1,234 of 2,000 MB"
    assert Capacity(1_234_567_890, 0).words == ""


def test_sentences_begin_and_end_as_such() -> None:
    assert [sentence(text) for text in ("it  died", "Is it?", "")] == ["It died.", "Is it?", ""]
