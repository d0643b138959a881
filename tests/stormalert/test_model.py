import itertools
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from stormalert.model import STEPS_MAX, Alert, Direction, Kind, QuietHours, Rule, User, sentences
from tests.store.records import a_delivery, an_alert

ROLLING: dict[str, Any] = {
    "id": "r1", "user": "u1", "token": 408065, "symbol": "NSE:INFY", "kind": "rolling", "direction": "up",
    "percent_e2": 200, "window_ms": 300_000,
}  # fmt: skip
TRAILING = ROLLING | {"kind": "trailing", "window_ms": 0}
LEVEL = TRAILING | {"kind": "level", "percent_e2": 0, "price_e4": 14_505_000}


def refusal(fields: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as refused:
        Rule.model_validate(fields)
    return "; ".join(sentences(refused.value))


@pytest.mark.parametrize(
    ("fields", "cooldown_ms"),
    [(ROLLING, 300_000), (TRAILING, 60_000), (LEVEL, 60_000), (TRAILING | {"kind": "day"}, 8 * 3_600_000)],
)
def test_a_rule_pauses_as_long_as_usual_unless_it_is_told_otherwise(fields: dict[str, Any], cooldown_ms: int) -> None:
    assert Rule.model_validate(fields).cooldown_ms == cooldown_ms
    assert Rule.model_validate(fields | {"cooldown_ms": 0}).cooldown_ms == 0


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        (TRAILING | {"percent_e2": 0}, "found no percent, expected one such as 2%: a trailing rule needs it"),
        (
            LEVEL | {"percent_e2": 100, "price_e4": -5},
            "percent must be empty for a level rule, was '1%'; price must be above 0 and at most 8000000 rupees, was '-5'",
        ),
        (ROLLING | {"token": -1}, "token: input should be greater than or equal to 0, was -1"),
        (ROLLING | {"id": "a b"}, "id: string should match pattern '^[A-Za-z0-9_-]{1,64}$', was 'a b'"),
        (ROLLING | {"colour": "red"}, "colour: extra inputs are not permitted, was 'red'"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_in_a_sentence(fields: dict[str, Any], sentence: str) -> None:
    assert refusal(fields) == sentence


def test_every_problem_is_told_at_once() -> None:
    assert refusal(ROLLING | {"kind": "sideways", "direction": "north"}).count("; ") == 1


def test_a_record_never_changes() -> None:
    rule = Rule.model_validate(ROLLING)
    with pytest.raises(ValidationError):
        rule.percent_e2 = 1


def test_an_alert_knows_when_its_rule_was_armed() -> None:
    alert = Alert(
        id="a-rule-with-dashes-1700000000123", rule="a-rule-with-dashes", user="u", token=1, symbol="NSE:X", kind=Kind.ROLLING,
        direction=Direction.UP, price_e4=1, reference_e4=1, percent_e2=1, window_ms=1, time_ms=1,
    )  # fmt: skip
    assert alert.arm_epoch == 1_700_000_000_123


@pytest.mark.parametrize(
    ("price_e4", "reference_e4", "moved_e2"),
    [
        (10_200, 10_000, 2_00),
        (9_800, 10_000, 2_00),
        (1_000_005, 1_000_000, 0),
        (1_000_050, 1_000_000, 1),
        (20_000, 10_000, 100_00),
        (10_001, 30_000, 66_66),
        (80_000_000_000, 1, 7999999999900_00),
    ],
)
def test_an_alerts_move_is_exact_and_rounded_half_up(price_e4: int, reference_e4: int, moved_e2: int) -> None:
    # Whatever its rule asked for.
    assert an_alert(price_e4=price_e4, reference_e4=reference_e4, percent_e2=150).moved_e2 == moved_e2


def test_a_password_hash_is_not_shown() -> None:
    user = User(id="u", name="asha", password_hash="$argon2id$secret", created_ms=1)
    assert "argon2id" not in repr(user)


def quiet_at(text: str, **fields: Any) -> str:
    """By the clocks of the zone, until when it is quiet; the empty text when it is not."""
    quiet = QuietHours(**{"from_min": 22 * 60 + 30, "to_min": 7 * 60} | fields)
    zone = ZoneInfo(quiet.zone)
    until_ms = quiet.until_ms(round(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000))
    return f"{datetime.fromtimestamp(until_ms / 1000, zone):%d %H:%M}" if until_ms else ""


@pytest.mark.parametrize(
    ("moment", "until"),
    [
        ("2026-11-23 22:29:59", ""),
        ("2026-11-23 22:30:00", "24 07:00"),
        ("2026-11-24 00:00:00", "24 07:00"),
        ("2026-11-24 06:59:59", "24 07:00"),
        ("2026-11-24 07:00:00", ""),
    ],
)
def test_quiet_hours_go_over_midnight(moment: str, until: str) -> None:
    assert quiet_at(moment) == until


def test_quiet_hours_may_lie_within_a_day_and_keep_to_the_clocks_of_their_zone() -> None:
    noon = {"from_min": 12 * 60, "to_min": 13 * 60, "zone": "Europe/London"}
    assert quiet_at("2026-07-01 12:59", **noon) == "01 13:00"
    assert quiet_at("2026-07-01 13:00", **noon) == ""
    # In that night the clocks go back.
    assert quiet_at("2026-10-24 23:00", zone="Europe/London") == "25 07:00"


@pytest.mark.parametrize("zone", ["Europe/London", "America/New_York", "America/Havana", "Australia/Lord_Howe"])
@pytest.mark.parametrize(("from_min", "to_min"), [(1320, 90), (1320, 150), (1410, 30), (60, 105), (75, 60), (30, 0)])
def test_quiet_hours_end_later_whatever_the_clocks_do(zone: str, from_min: int, to_min: int) -> None:
    """Every five minutes of a year's days on which the clocks change, and of those around them."""
    quiet, place = QuietHours(from_min=from_min, to_min=to_min, zone=zone), ZoneInfo(zone)
    noons = [datetime(2026, 1, 1, 12, tzinfo=place) + timedelta(days=day) for day in range(365)]
    changes = [
        int(before.timestamp()) for before, after in itertools.pairwise(noons) if before.utcoffset() != after.utcoffset()
    ]
    assert len(changes) == 2
    for change_s in changes:
        for at_s in range(change_s - 86_400, change_s + 2 * 86_400, 300):
            until_ms = quiet.until_ms(at_s * 1000)
            # An hour more than a day: the clocks may go back in it.
            assert until_ms == 0 or at_s * 1000 < until_ms <= (at_s + 25 * 3600) * 1000


@pytest.mark.parametrize(
    ("moment", "until"),
    [
        # 01:10 comes twice in that night.
        ("2026-10-25T00:10:00+00:00", "2026-10-25T00:30:00+00:00"),
        ("2026-10-25T01:10:00+00:00", "2026-10-25T01:30:00+00:00"),
        # 01:30 is left out.
        ("2026-03-29T00:50:00+00:00", "2026-03-29T01:30:00+00:00"),
    ],
)
def test_quiet_hours_end_in_the_hour_that_comes_twice_and_after_the_one_that_is_left_out(moment: str, until: str) -> None:
    quiet = QuietHours(from_min=1320, to_min=90, zone="Europe/London")
    at_ms, until_ms = (round(datetime.fromisoformat(text).timestamp() * 1000) for text in (moment, until))
    assert quiet.until_ms(at_ms) == until_ms


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"zone": "India"}, "expected a time zone such as Asia/Kolkata"),
        ({"to_min": 22 * 60 + 30}, "quiet hours need an end that is not their beginning"),
        ({"from_min": 1440}, "less than 1440"),
    ],
)
def test_quiet_hours_that_make_no_sense_are_refused(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        quiet_at("2026-07-01 12:00", **fields)


def test_a_delivery_keeps_the_newest_of_what_it_went_through() -> None:
    delivery = a_delivery(reason="0", updated_ms=0)
    for place in range(STEPS_MAX + 3):
        delivery = delivery.moved({"reason": str(place + 1), "updated_ms": place + 1})
    assert len(delivery.past) == STEPS_MAX
    assert [(step.reason, step.time_ms) for step in delivery.past[:1]] == [("3", 3)]
    assert (delivery.past[-1].reason, delivery.reason) == (str(STEPS_MAX + 2), str(STEPS_MAX + 3))
