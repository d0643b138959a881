"""What is changed of many rules at once."""

import pytest

from dashboard.rules.changes import Change, change_all, changed, copies, in_state
from stormalert.model import Direction, Kind, Repeat, RuleState
from tests.store.records import MINUTE_MS, a_rule, an_instrument

TRAILING = {"kind": Kind.TRAILING, "window_ms": 0}
LEVEL = {"kind": Kind.LEVEL, "window_ms": 0, "percent_e2": 0, "price_e4": 10_000}


def test_only_what_was_chosen_changes() -> None:
    rule = a_rule(revision=3, updated_ms=5, armed_at_ms=7)
    assert changed(rule, Change(percent_e2=75)) == rule.model_copy(update={"percent_e2": 75})
    assert changed(rule, Change(direction=Direction.UP, repeat=Repeat.EVERY)) == rule.model_copy(
        update={"direction": Direction.UP, "repeat": Repeat.EVERY}
    )
    assert changed(rule, Change()) == rule


@pytest.mark.parametrize("state", [RuleState.PAUSED, RuleState.SPENT])
def test_what_is_paused_or_done_stays_so(state: RuleState) -> None:
    assert changed(a_rule(state=state), Change(percent_e2=75)).state is state


@pytest.mark.parametrize(
    ("cooldown_ms", "change", "expected_ms"),
    [
        (5 * MINUTE_MS, Change(window_ms=MINUTE_MS), MINUTE_MS),
        (9 * MINUTE_MS, Change(window_ms=MINUTE_MS), 9 * MINUTE_MS),
        (9 * MINUTE_MS, Change(is_usual_pause=True), 5 * MINUTE_MS),
        (5 * MINUTE_MS, Change(cooldown_ms=0), 0),
        (9 * MINUTE_MS, Change(window_ms=MINUTE_MS, is_usual_pause=True), MINUTE_MS),
    ],
)
def test_the_usual_pause_follows_the_window_and_a_chosen_one_stays(cooldown_ms: int, change: Change, expected_ms: int) -> None:
    assert changed(a_rule(cooldown_ms=cooldown_ms), change).cooldown_ms == expected_ms


def test_those_that_fit_are_told_from_those_that_do_not_and_from_those_that_are_so_already() -> None:
    rules = [a_rule("a"), a_rule("b", percent_e2=75), a_rule("c", **LEVEL)]
    made, misfits = change_all(rules, Change(percent_e2=75))
    assert [rule.id for rule in made] == ["a"]
    assert misfits == ["NSE:INFY, Moves to ₹1.00: percent must be empty for a level rule, was '0.75%'."]


def test_only_a_rule_that_is_as_it_must_be_is_moved() -> None:
    pause = in_state(RuleState.PAUSED, RuleState.ACTIVE)
    paused = pause(a_rule())
    assert paused and paused.state is RuleState.PAUSED
    assert pause(a_rule(state=RuleState.SPENT)) is None
    again = in_state(RuleState.ACTIVE)(a_rule(state=RuleState.SPENT))
    assert again and again.state is RuleState.ACTIVE


def test_copies_are_new_rules_with_the_same_condition() -> None:
    rules = [a_rule("a", revision=4, updated_ms=9, armed_at_ms=7), a_rule("b", state=RuleState.SPENT, **TRAILING)]
    tcs = an_instrument(11, "NSE:TCS")
    made = copies(rules, [tcs, an_instrument(12, "NSE:M&M")], is_paused=False)
    assert [(it.token, it.symbol, it.kind) for it in made] == [
        (11, "NSE:TCS", "rolling"),
        (12, "NSE:M&M", "rolling"),
        (11, "NSE:TCS", "trailing"),
        (12, "NSE:M&M", "trailing"),
    ]
    assert {(it.state, it.revision, it.updated_ms, it.armed_at_ms) for it in made} == {("active", 0, 0, 0)}
    assert len({it.id for it in made} | {"a", "b"}) == 6
    same = copies(rules, [], is_paused=True)
    assert [(it.symbol, it.state) for it in same] == [("NSE:INFY", "paused")] * 2
