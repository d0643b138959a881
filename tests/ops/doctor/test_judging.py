"""What the checks make of what they are told: tables, without a server."""

from datetime import date
from pathlib import Path

import pytest

from ops.doctor import configuration, machine
from ops.doctor.clock import judge_clock
from ops.doctor.keeping import judge_schema
from ops.doctor.market import judge_calendar
from ops.doctor.report import as_text, summary
from ops.doctor.secrets import secrets_of, without_secrets
from stormalert.config import settings
from stormalert.health.finding import Level, bad, good, wait
from stormalert.market.calendar import BUILT_IN, read_calendar
from stormalert.store import Schema

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
    assert found.level is level and bool(found.todo) == (level is not GOOD)
    assert level is GOOD or ("behind" if ours_ms > 0 else "ahead of") in found.what


@pytest.mark.parametrize(("free", "level"), [(300, GOOD), (199, WAIT), (99, BAD), (0, BAD)])
def test_disks(free: int, level: Level) -> None:
    assert machine.judge_space("STORM_VAR", Path("/x"), free, little=200, none=100).level is level


def test_packages_are_held_against_their_pins() -> None:
    pins = 'pydantic==0.0.1 \\\n    --hash=sha256:00\nnothing-of-ours==2.0\nwinsome==1.0 ; sys_platform == "win32" \\\n'
    found = machine.judge_packages(pins)
    assert found.level is WAIT and "nothing-of-ours missing (pinned 2.0)" in found.what
    assert "pydantic" in found.what and "winsome" not in found.what
    assert machine.judge_packages(machine.REQUIREMENTS.read_text()).level is GOOD
    assert machine.judge_packages("").level is GOOD


@pytest.mark.parametrize(
    ("today", "level", "told"),
    [
        (date(2026, 11, 26), GOOD, "NSE trades 09:15-15:30 IST"),
        (date(2026, 11, 24), GOOD, "NSE does not trade"),
        (date(2026, 11, 8), GOOD, "NSE trades 18:00-19:00 IST"),
        (date(2026, 12, 1), WAIT, "no holidays of 2027 are known yet"),
        (date(2027, 1, 4), WAIT, "no holidays of 2027 are known;"),
    ],
)
def test_calendars(today: date, level: Level, told: str) -> None:
    found = judge_calendar(BUILT_IN, today)
    assert found.level is level and told in found.what


def test_a_year_that_an_admin_entered_is_known() -> None:
    assert judge_calendar(read_calendar('{"holidays": ["2027-01-26"]}'), date(2027, 1, 4)).level is GOOD


@pytest.mark.parametrize(("schema", "level"), [((0, 4), WAIT), ((3, 4), WAIT), ((4, 4), GOOD), ((5, 4), BAD)])
def test_schemas(schema: tuple[int, int], level: Level) -> None:
    assert [each.level for each in judge_schema("SQLite", Schema(*schema))] == [level]


def test_every_setting_that_cannot_be_used_is_told_with_its_help() -> None:
    found = list(configuration.problems(("STORM_PORT: expected a number", "STORM_COLOUR is not a setting")))
    assert [each.level for each in found] == [BAD, BAD]
    assert found[0].todo == "STORM_PORT: port of the dashboard" and ".env.example" in found[1].todo


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
    assert cleaned == bad("x", " ".join(["***"] * 7), " ".join(["***"] * 7))


def test_the_report_says_what_to_do() -> None:
    fine, soon, wrong = good("disk", "300 GB free"), wait("calendar", "no 2027", "enter it"), bad("redis", "away", "start it")
    assert as_text([fine, wrong]).splitlines() == [
        "✓ disk   300 GB free",
        "✗ redis  away",
        "         → start it",
        "",
        "1 wrong, 1 good.",
    ]
    assert (summary([fine]), summary([fine, soon])) == ("All is good.", "1 can wait, 1 good.")
