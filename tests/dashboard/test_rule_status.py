"""What a row of the rules' table says."""

import pytest

from dashboard.rules.status import RuleStatus, row
from stormalert.model import RuleState
from stormalert.rules.engine import TriggerPrice
from stormalert.units import now_ms
from tests.store.records import a_rule

UP, DOWN = TriggerPrice("up", "100.00", "102.00"), TriggerPrice("down", "110.00", "99.00")


def said(at: RuleStatus, state: RuleState = RuleState.ACTIVE) -> tuple[str, str]:
    found = row(a_rule(state=state), at, None, ())
    return found["state"], found["said"]


@pytest.mark.parametrize(
    ("at", "state", "told"),
    [
        (RuleStatus("armed"), RuleState.ACTIVE, ("armed", "Armed")),
        (RuleStatus("armed", spread=1_234), RuleState.ACTIVE, ("armed", "Armed on 1,234")),
        (RuleStatus("pending"), RuleState.ACTIVE, ("pending", "Waiting for a tick")),
        (RuleStatus(), RuleState.ACTIVE, ("unknown", "Being armed")),
        (RuleStatus("spent"), RuleState.ACTIVE, ("spent", "Fired, done")),
        (RuleStatus("armed"), RuleState.PAUSED, ("paused", "Paused")),
        (RuleStatus("armed"), RuleState.SPENT, ("spent", "Fired, done")),
        (RuleStatus("cooling"), RuleState.ACTIVE, ("cooling", "Cooling down")),
    ],
)
def test_what_its_owner_wants_goes_before_what_the_engine_makes_of_it(
    at: RuleStatus, state: RuleState, told: tuple[str, str]
) -> None:
    assert said(at, state) == told


def test_until_when_it_cools_or_waits_is_said() -> None:
    assert said(RuleStatus("cooling", ready_ms=now_ms()))[1].startswith("Cooling down until ")
    assert said(RuleStatus("pending", ready_ms=now_ms()))[1].startswith("Waiting until ")


@pytest.mark.parametrize(
    ("price", "triggers", "shown"),
    [
        ("101.00", [UP, DOWN], ("up", "0.99 % to ₹102.00")),
        ("100.00", [UP, DOWN], ("down", "1.00 % to ₹99.00")),
        ("101.00", [DOWN], ("down", "1.98 % to ₹99.00")),
        ("1.00", [UP], ("up", "10,100.00 % to ₹102.00")),
        ("101.00", [], ("", "")),
        # In paise, on the side of those that fire; where prices are finer, as it is.
        ("100.00", [TriggerPrice("up", "99.00", "101.0001")], ("up", "1.01 % to ₹101.01")),
        ("100.00", [TriggerPrice("down", "99.00", "98.9999")], ("down", "1.01 % to ₹98.99")),
        ("83.1225", [TriggerPrice("up", "83.00", "83.5001")], ("up", "0.45 % to ₹83.5001")),
    ],
)
def test_the_nearer_side_is_shown_with_its_distance(price: str, triggers: list[TriggerPrice], shown: tuple[str, str]) -> None:
    found = row(a_rule(), RuleStatus("armed", price=price, triggers=triggers), None, ())
    assert (found["side"], found["away"]) == shown


def test_a_rule_that_is_not_armed_any_more_has_no_distance() -> None:
    found = row(a_rule(state=RuleState.PAUSED), RuleStatus("armed", price="101.00", triggers=[UP]), None, ())
    assert (found["side"], found["away"]) == ("", "")


def test_notes_are_told_in_a_row_and_nothing_stands_for_none() -> None:
    assert row(a_rule(), RuleStatus(), None, ("", "silent", "muted"))["notes"] == "silent · muted"
    assert row(a_rule(), RuleStatus(), None, ("", ""))["notes"] == ""
