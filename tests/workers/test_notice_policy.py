"""What of the health report admins are told of. How bad it is, and in which words: tests/health."""

import json
from typing import Any

import pytest

from stormalert.health.facts import Waiting
from stormalert.health.finding import Level
from stormalert.health.report import report
from stormalert.units import HOUR_MS
from tests.health.well import NOW_MS, feed, processes, redis, silent, streams, well
from workers.notice_policy import readings
from workers.notices import Reading

BAD, WELL, UNTOLD = True, False, None
CALENDAR = {"troubles": json.dumps({"calendar": "the calendar is not used"})}


def read(name: str, dashboard: str = "", **changes: Any) -> Reading | None:
    facts = well(**changes)
    found = {it.name: it for it in readings(facts, report(facts), dashboard)}
    return found.get(name)


@pytest.mark.parametrize(
    ("name", "changes", "is_bad"),
    [
        ("login", {"feed": silent("login_needed")}, BAD),
        ("login", {}, WELL),
        # On a day without trading, and before the market opens, nobody is told.
        ("login", {"feed": silent("login_needed", opens_ms=NOW_MS + 4 * HOUR_MS)}, UNTOLD),
        ("feed", {"feed": silent("stale", opens_ms=NOW_MS + 1)}, UNTOLD),
        ("trouble-calendar", {"feed": feed(**CALENDAR)}, BAD),
        ("trouble-calendar", {"feed": feed(**CALENDAR, opens_ms=NOW_MS + 4 * HOUR_MS)}, UNTOLD),
        ("missing-relay", {"processes": processes(without="relay")}, BAD),
        # What never ran is not missed; but there are ticks to evaluate.
        ("missing-relay", {"processes": processes(without="relay"), "roll": frozenset()}, UNTOLD),
        ("missing-evaluator", {"processes": processes(without="evaluator"), "roll": frozenset()}, UNTOLD),
        (
            "missing-evaluator",
            {"processes": processes(without="evaluator"), "roll": frozenset(), "streams": streams(ticks_wait_ms=1)},
            BAD,
        ),
    ],
)
def test_what_does_not_matter_now_is_not_told(name: str, changes: dict[str, Any], is_bad: bool | None) -> None:
    found = read(name, **changes)
    assert found and found.is_bad is is_bad


def test_of_several_nodes_the_worst_is_told() -> None:
    nodes = [redis(used_memory=used, maxmemory=100) for used in (10, 96, 86)]
    found = read("memory", servers=nodes)
    assert found and (found.is_bad, found.level) == (BAD, Level.BAD)


def test_notices_say_what_to_do_and_where_more_is_shown() -> None:
    queue = read("queue", "https://storm.example", waiting=Waiting(7, NOW_MS - HOUR_MS))
    assert queue and queue.details == (
        "Are the workers well? More of them help: STORM_WORKERS. See https://storm.example/admin?part=Queue"
    )
    login = read("login", feed=silent("login_needed"))
    assert login and login.details == "Log in under Admin, Kite. See StormAlert, page Admin, Kite"
    missing = read("missing-relay", processes=processes(without="relay"))
    assert missing and missing.details.endswith("python -m dashboard.relay. See StormAlert")


def test_the_end_of_each_is_said_by_its_name() -> None:
    ends = {name: found.over for name in ("missing-worker", "alarm-email", "login") if (found := read(name))}
    assert ends == {
        "missing-worker": "worker is running again",
        "alarm-email": "E-mail: marked as mended",
        "login": "Logged in to Kite again",
    }
    trouble = read("trouble-calendar", feed=feed(**CALENDAR))
    assert trouble and trouble.over == "Over: the calendar is not used,"
