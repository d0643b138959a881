"""What is read off the facts: wrong, well, or not to be told now."""

import json
from typing import Any

import pytest

from stormalert.health.capacity import Capacity
from stormalert.model import ChannelKind
from stormalert.notify.alarms import Alarm
from stormalert.units import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from workers import notice_policy
from workers.notice_policy import DELIVERY_WAITS_MS, REFUSED_MIN, TICK_WAITS_MS, Facts, Gap, Tries
from workers.notices import Level, Reading

# 2026-11-23 10:00:00 in India, a trading day since 09:15.
TEN_MS = 1_795_408_200_000
OPENED_MS = TEN_MS - 45 * MINUTE_MS
ALL = ("ingest", "evaluator", "dispatch", "worker", "bot", "relay")
BAD, WELL, UNTOLD = True, False, None


def facts(feed: dict[str, Any] | None = None, **changes: Any) -> Facts:
    usual = {"state": "streaming", "reason": "", "since_ms": TEN_MS - HOUR_MS, "opens_ms": OPENED_MS, "troubles": "{}"}
    told = {name: str(value) for name, value in (usual | (feed or {})).items()}
    return Facts(**{"now_ms": TEN_MS, "feed": told, "beating": ALL, "roll": ALL} | changes)


def read(name: str, told: tuple[str, ...] = (), **changes: Any) -> Reading:
    (found,) = [each for each in notice_policy.readings(facts(**changes), told) if each.name == name]
    return found


def test_when_all_is_well_nothing_is_wrong() -> None:
    assert [each.name for each in notice_policy.readings(facts(), ()) if each.is_bad] == []


@pytest.mark.parametrize(
    ("name", "changes", "is_bad"),
    [
        ("login", {"feed": {"state": "login_needed"}}, BAD),
        ("login", {}, WELL),
        # At six in the morning: told when the market opens that day.
        ("login", {"feed": {"state": "login_needed", "opens_ms": TEN_MS + 3 * HOUR_MS}}, BAD),
        ("login", {"feed": {"state": "login_needed", "opens_ms": TEN_MS + 4 * HOUR_MS}}, UNTOLD),
        ("login", {"feed": {"state": "login_needed"}, "beating": ()}, UNTOLD),
        ("feed", {"feed": {"state": "stale"}}, BAD),
        ("feed", {"feed": {"state": "connecting"}}, BAD),
        ("feed", {}, WELL),
        ("feed", {"feed": {"state": "stale", "opens_ms": TEN_MS + 1}}, UNTOLD),
        ("feed", {"feed": {"state": "login_needed"}}, UNTOLD),
        ("feed", {"feed": {"state": "stale"}, "beating": ("evaluator",)}, UNTOLD),
        ("gaps", {"gaps": [Gap(TEN_MS - 60_000 - at, TEN_MS - 50_000 - at) for at in (0, 20_000, 40_000)]}, BAD),
        ("gaps", {"gaps": [Gap(TEN_MS - 60_000, TEN_MS - 40_000)]}, WELL),
        # A long one is a feed that was down, which was told.
        ("gaps", {"gaps": [Gap(TEN_MS - 5 * MINUTE_MS, TEN_MS - MINUTE_MS)]}, WELL),
        ("gaps", {"gaps": [Gap(TEN_MS - HOUR_MS, TEN_MS - HOUR_MS + 40_000)]}, WELL),
        ("trouble-store", {"feed": {"troubles": json.dumps({"store": "the store is away"})}}, BAD),
        ("memory", {"room": Capacity(90, 100)}, BAD),
        ("memory", {"room": Capacity(89, 100)}, WELL),
        ("certificate", {"certificate_ends_ms": TEN_MS + 13 * DAY_MS}, BAD),
        ("certificate", {"certificate_ends_ms": TEN_MS - 1}, BAD),
        ("certificate", {"certificate_ends_ms": TEN_MS + 14 * DAY_MS}, WELL),
        ("certificate", {"certificate_ends_ms": 0}, UNTOLD),
        ("memory", {"room": Capacity(89, 0)}, WELL),
        ("missing-worker", {"beating": tuple(name for name in ALL if name != "worker")}, BAD),
        ("missing-worker", {}, WELL),
        # What never ran is not missed; but there are ticks to evaluate.
        ("missing-evaluator", {"beating": ("ingest",), "roll": ("ingest",), "unread_ticks_ms": {"{s0}": TEN_MS}}, BAD),
        ("alarm-telegram", {"alarms": [Alarm(ChannelKind.TELEGRAM, "token refused", TEN_MS)]}, BAD),
        ("alarm-telegram", {}, WELL),
        ("refusing-email", {"tries": {ChannelKind.EMAIL: Tries(taken=2, refused=REFUSED_MIN)}}, BAD),
        ("refusing-email", {"tries": {ChannelKind.EMAIL: Tries(taken=0, refused=REFUSED_MIN - 1)}}, UNTOLD),
        ("refusing-email", {"tries": {ChannelKind.EMAIL: Tries(taken=50, refused=REFUSED_MIN)}}, WELL),
        ("refusing-email", {}, UNTOLD),
        ("evaluator", {"unread_ticks_ms": {"{s0}": TEN_MS - TICK_WAITS_MS, "{s1}": 0}}, BAD),
        ("evaluator", {"unread_ticks_ms": {"{s0}": TEN_MS - TICK_WAITS_MS + 1}}, WELL),
        # Told as missing.
        ("evaluator", {"unread_ticks_ms": {"{s0}": TEN_MS - HOUR_MS}, "beating": ("ingest",)}, UNTOLD),
        ("queue", {"waiting": 7, "waiting_since_ms": TEN_MS - HOUR_MS}, BAD),
        ("queue", {"unread_alerts_ms": {"{s0}": TEN_MS - DELIVERY_WAITS_MS}}, BAD),
        ("queue", {"unread_alerts_ms": {"{s0}": TEN_MS - DELIVERY_WAITS_MS + 1}}, WELL),
    ],
)
def test_what_is_wrong_is_seen_and_what_does_not_matter_now_is_not_told(
    name: str, changes: dict[str, Any], is_bad: bool | None
) -> None:
    assert read(name, **changes).is_bad is is_bad


def test_an_alarm_is_told_instead_of_the_refusals_that_it_explains() -> None:
    tries = {ChannelKind.TELEGRAM: Tries(0, 50)}
    alarm = Alarm(ChannelKind.TELEGRAM, "token refused: check TELEGRAM_BOT_TOKEN", TEN_MS)
    assert read("refusing-telegram", tries=tries).is_bad is BAD
    assert read("refusing-telegram", tries=tries, alarms=[alarm]).is_bad is UNTOLD
    told = read("alarm-telegram", alarms=[alarm])
    assert told.headline == "Telegram takes no messages from us"
    assert told.details.startswith("Token refused: check TELEGRAM_BOT_TOKEN. Mend it, then say so: ")
    assert told.details.endswith("Admin, Queue")


def test_a_trouble_that_was_told_is_read_until_it_is_over() -> None:
    assert read("trouble-store", told=("trouble-store",)).is_bad is WELL
    assert [each for each in notice_policy.readings(facts(), ()) if each.name == "trouble-store"] == []


def test_a_silence_before_the_market_opened_counts_from_its_opening() -> None:
    found = read("feed", feed={"state": "stale", "since_ms": TEN_MS - 9 * HOUR_MS})
    assert found.since_ms == OPENED_MS


def test_notices_say_what_is_late_and_where_to_look() -> None:
    behind = read("evaluator", unread_ticks_ms={"{s1}": TEN_MS - 150 * SECOND_MS}, dashboard="https://storm.example")
    assert behind.headline == "Alerts are late: the evaluator is 2 min behind"
    assert behind.details.endswith("See https://storm.example")
    queue = read("queue", waiting=1_234, waiting_since_ms=TEN_MS - 10 * MINUTE_MS)
    assert queue.headline == "The queue grows: 1,234 messages wait, the oldest for 10 min"
    assert read("missing-relay", beating=("ingest",)).level is Level.QUIET
    assert read("missing-dispatch", beating=("ingest",)).level is Level.URGENT
