"""What the checks make of what they are told: tables, without a server."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from ops.doctor import configuration, machine, running, servers
from ops.doctor.certificates import judge_end
from ops.doctor.clock import judge_clock
from ops.doctor.finding import Finding, Level, bad, good, secrets_of, wait, without_secrets, worst
from ops.doctor.keeping import judge_schema
from ops.doctor.market import judge_calendar
from ops.doctor.report import as_text, summary
from stormalert import VERSION
from stormalert.config import settings
from stormalert.market.calendar import BUILT_IN, read_calendar
from stormalert.store import Schema
from stormalert.units import HOUR_MS, format_ist

GOOD, WAIT, BAD = Level.GOOD, Level.WAIT, Level.BAD


@pytest.mark.parametrize(
    ("ours_ms", "exact_ms", "level"),
    [
        (0, 1, GOOD), (900, 1, GOOD), (-900, 1, GOOD), (1_500, 1, WAIT), (-1_500, 1, WAIT), (5_500, 1, BAD), (-60_000, 1, BAD),
        # Within the second that an HTTP date does not tell, both agree.
        (1_900, 1_000, GOOD), (2_100, 1_000, WAIT), (6_100, 1_000, BAD), (-1_100, 1_000, WAIT),
    ],
)  # fmt: skip
def test_clocks(ours_ms: int, exact_ms: int, level: Level) -> None:
    found = judge_clock("clock", 1_700_000_000_000 + ours_ms, 1_700_000_000_000, exact_ms=exact_ms)
    assert found.level is level and bool(found.advice) == (level is not GOOD)
    assert level is GOOD or ("behind" if ours_ms > 0 else "ahead of") in found.found


@pytest.mark.parametrize(
    ("info", "level"),
    [
        ({"redis_version": "7.0.15"}, GOOD),
        ({"redis_version": "8.2.1"}, GOOD),
        ({"redis_version": "7.2.4", "valkey_version": "9.1.2"}, GOOD),
        ({"redis_version": "6.2.14"}, BAD),
        ({"redis_version": "10.0.0"}, GOOD),
        ({}, BAD),
    ],
)
def test_servers_that_are_too_old(info: dict[str, str], level: Level) -> None:
    assert servers.judge_version("redis", info).level is level


@pytest.mark.parametrize(
    ("info", "level"),
    [
        ({"aof_enabled": 1}, GOOD),
        ({"aof_enabled": 0}, BAD),
        ({"aof_enabled": 1, "aof_last_write_status": "err"}, BAD),
        ({"aof_enabled": 1, "aof_last_bgrewrite_status": "err"}, BAD),
        ({"aof_enabled": 1, "loading": 1}, WAIT),
    ],
)
def test_servers_that_forget(info: dict[str, object], level: Level) -> None:
    assert servers.judge_durability("redis", info).level is level


@pytest.mark.parametrize(
    ("info", "level"),
    [
        ({"maxmemory_policy": "noeviction", "maxmemory": 100}, GOOD),
        ({"maxmemory_policy": "allkeys-lru", "maxmemory": 100}, BAD),
        ({"maxmemory_policy": "allkeys-lru", "maxmemory": 0}, WAIT),
        ({"maxmemory_policy": "noeviction", "evicted_keys": 3}, BAD),
    ],
)
def test_servers_that_throw_away(info: dict[str, object], level: Level) -> None:
    assert servers.judge_policy("redis", info).level is level


@pytest.mark.parametrize(
    ("used", "limit", "machines", "level"),
    [(10, 100, 500, GOOD), (86, 100, 500, WAIT), (96, 100, 500, BAD), (96, 0, 500, GOOD), (490, 0, 500, BAD), (1, 0, 0, GOOD)],
)
def test_servers_that_are_full(used: int, limit: int, machines: int, level: Level) -> None:
    info = {"used_memory": used, "maxmemory": limit, "total_system_memory": machines}
    assert servers.judge_memory("redis", info).level is level


@pytest.mark.parametrize(("free", "level"), [(300, GOOD), (199, WAIT), (99, BAD), (0, BAD)])
def test_disks(free: int, level: Level) -> None:
    assert machine.judge_space("STORM_VAR", Path("/x"), free, little=200, none=100).level is level


def test_packages_are_held_against_their_pins() -> None:
    pins = 'pydantic==0.0.1 \\\n    --hash=sha256:00\nnothing-of-ours==2.0\nwinsome==1.0 ; sys_platform == "win32" \\\n'
    found = machine.judge_packages(pins)
    assert found.level is WAIT and "nothing-of-ours missing (pinned 2.0)" in found.found
    assert "pydantic" in found.found and "winsome" not in found.found
    assert machine.judge_packages(machine.REQUIREMENTS.read_text()).level is GOOD
    assert machine.judge_packages("").level is GOOD


@pytest.mark.parametrize(
    ("left", "level"), [(timedelta(days=60), GOOD), (timedelta(days=13), WAIT), (timedelta(hours=-1), BAD)]
)
def test_certificates(left: timedelta, level: Level) -> None:
    now = datetime(2026, 11, 26, tzinfo=UTC)
    assert judge_end("certificate", "storm.example", now + left, now).level is level


@pytest.mark.parametrize(
    ("today", "level", "told"),
    [
        (date(2026, 11, 26), GOOD, "NSE trades 09:15-15:30 IST"),
        (date(2026, 11, 24), GOOD, "NSE does not trade"),
        (date(2026, 11, 8), GOOD, "NSE trades 18:00-19:00 IST"),
        (date(2026, 12, 1), WAIT, "no holidays of 2027 are known yet"),
        (date(2027, 1, 4), BAD, "no holidays of 2027 are known"),
    ],
)
def test_calendars(today: date, level: Level, told: str) -> None:
    found = judge_calendar(BUILT_IN, today)
    assert found.level is level and told in found.found


def test_a_year_that_an_admin_entered_is_known() -> None:
    assert judge_calendar(read_calendar('{"holidays": ["2027-01-26"]}'), date(2027, 1, 4)).level is GOOD


NOW_MS = 1_800_000_000_000


@pytest.mark.parametrize(
    ("feed", "level"),
    [
        ({"state": "streaming", "opens_ms": "0", "frame_ms": str(NOW_MS - 1_000)}, GOOD),
        ({"state": "streaming", "opens_ms": "0", "frame_ms": str(NOW_MS - 40_000)}, BAD),
        ({"state": "streaming", "opens_ms": str(NOW_MS + HOUR_MS), "frame_ms": "1"}, GOOD),
        ({"state": "login_needed", "opens_ms": str(NOW_MS + HOUR_MS)}, BAD),
        ({"state": "login_needed", "opens_ms": str(NOW_MS + 9 * HOUR_MS)}, WAIT),
        ({"state": "stale", "reason": "nothing came", "opens_ms": "0"}, BAD),
        ({"state": "connecting", "opens_ms": str(NOW_MS + HOUR_MS)}, WAIT),
    ],
)
def test_feeds(feed: dict[str, str], level: Level) -> None:
    (found,) = running.judge_feed(feed, NOW_MS, is_ingest_there=True)
    assert found.level is level
    assert list(running.judge_feed(feed, NOW_MS, is_ingest_there=False)) == []


def test_a_login_is_wanted_before_the_market_opens() -> None:
    def advice(opens_ms: int) -> str:
        return next(
            running.judge_feed({"state": "login_needed", "opens_ms": str(opens_ms)}, NOW_MS, is_ingest_there=True)
        ).advice

    assert advice(NOW_MS + HOUR_MS) == f"in the dashboard: Admin, Kite, before {format_ist(NOW_MS + HOUR_MS)}"
    assert advice(NOW_MS - HOUR_MS) == "in the dashboard: Admin, Kite"


def test_troubles_of_the_feed_are_told_beside_its_state() -> None:
    feed = {"state": "streaming", "frame_ms": str(NOW_MS), "troubles": '{"year": "no holidays are known for 2027"}'}
    found = list(running.judge_feed(feed, NOW_MS, is_ingest_there=True))
    assert [each.level for each in found] == [GOOD, WAIT] and found[1].found == "no holidays are known for 2027"


def test_processes() -> None:
    (none,) = running.judge_processes([])
    assert none.level is WAIT
    all_of_them = [(name, {"version": VERSION}) for name in (*running.EXPECTED, "worker")]
    (well,) = running.judge_processes(all_of_them)
    assert well.level is GOOD and "worker x2" in well.found
    found = list(running.judge_processes([it for it in all_of_them if it[0] not in ("worker", "relay")]))
    assert {each.found.split()[0]: each.level for each in found[1:]} == {"worker": BAD, "relay": WAIT}
    *_, old = running.judge_processes([*all_of_them, ("worker", {"version": "0.0.9"})])
    assert old.level is WAIT and "worker 0.0.9" in old.found


def test_streams() -> None:
    assert running.judge_lag("ticks", {"s0": 0, "s1": NOW_MS - 9_000}, NOW_MS, 10_000).level is GOOD
    late = running.judge_lag("ticks", {"s0": NOW_MS - 11_000, "s1": NOW_MS - 90_000}, NOW_MS, 10_000)
    assert late.level is BAD and "of s1 wait for 90 s, as do 1 more" in late.found and "evaluator" in late.advice


@pytest.mark.parametrize(("schema", "level"), [((0, 4), WAIT), ((3, 4), WAIT), ((4, 4), GOOD), ((5, 4), BAD)])
def test_schemas(schema: tuple[int, int], level: Level) -> None:
    assert [each.level for each in judge_schema("SQLite", Schema(*schema))] == [level]


def test_every_setting_that_cannot_be_used_is_told_with_its_help() -> None:
    found = list(configuration.problems(("STORM_PORT: expected a number", "STORM_COLOUR is not a setting")))
    assert [each.level for each in found] == [BAD, BAD]
    assert found[0].advice == "STORM_PORT: port of the dashboard" and ".env.example" in found[1].advice


def test_secrets_of_every_kind_are_known_and_taken_out() -> None:
    config = settings.parse(
        {
            "JWT_SECRET": "j" * 32,
            "KITE_API_KEY": "kite-key",
            "TELEGRAM_BOT_TOKEN": "7:token",
            "STORM_REDIS_URL": "redis://:redis%2Dpass@h:1/0",
            "SMTP_URL": "smtp://me:mail@pass@h:25",
            "MONGODB_URI": "mongodb://me:mongo-pass@h/x",
        }
    )
    secrets = ["j" * 32, "kite-key", "7:token", "redis%2Dpass", "redis-pass", "mail@pass", "mongo-pass"]
    assert set(secrets_of(config)) == set(secrets)
    cleaned = without_secrets(bad("x", " ".join(secrets), " ".join(secrets)), secrets_of(config))
    assert cleaned == Finding("x", BAD, " ".join(["***"] * 7), " ".join(["***"] * 7))


def test_the_worst_decides_and_the_report_says_what_to_do() -> None:
    fine, soon, wrong = good("disk", "300 GB free"), wait("calendar", "no 2027", "enter it"), bad("redis", "away", "start it")
    assert [worst(found) for found in ([fine], [fine, soon], [soon, wrong, fine], [])] == [GOOD, WAIT, BAD, GOOD]
    assert as_text([fine, wrong]).splitlines() == [
        "✓ disk   300 GB free",
        "✗ redis  away",
        "         → start it",
        "",
        "1 wrong, 1 good.",
    ]
    assert (summary([fine]), summary([fine, soon])) == ("All is good.", "1 can wait, 1 good.")
