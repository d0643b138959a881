from typing import Any

import pytest
from pydantic import ValidationError

from stormalert.model import Alert, Direction, Kind, Rule, User, sentences

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
        (ROLLING | {"window_ms": 999}, "a rolling rule needs a window from 1 s to 24 h, was 999 ms"),
        (ROLLING | {"window_ms": 86_400_001}, "window_ms: input should be less than or equal to 86400000, was 86400001"),
        (TRAILING | {"window_ms": 1_000}, "a trailing rule has no window, was 1000 ms"),
        (TRAILING | {"percent_e2": 0}, "a trailing rule needs a percent above 0 and no price"),
        (ROLLING | {"percent_e2": -5}, "percent_e2: input should be greater than or equal to 0, was -5"),
        (LEVEL | {"price_e4": 0}, "a level rule needs a price above 0 and no percent"),
        (LEVEL | {"percent_e2": 100}, "a level rule needs a price above 0 and no percent"),
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


def test_a_password_hash_is_not_shown() -> None:
    user = User(id="u", name="asha", password_hash="$argon2id$secret", created_ms=1)
    assert "argon2id" not in repr(user)
