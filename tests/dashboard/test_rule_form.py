from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from dashboard.rules.form import USUAL_PAUSE, changed, condition, new_rule
from stormalert.errors import InputError
from stormalert.model import Direction, Kind, Repeat, RuleState
from stormalert.rules.kinds import KINDS
from stormalert.rules.kinds.fields import COOLDOWN, WINDOW
from stormalert.units import format_duration, format_percent
from tests.store.records import a_rule, an_instrument


def typed(**fields: Any) -> dict[str, Any]:
    usual = {"kind": Kind.ROLLING, "direction": Direction.BOTH, "repeat": Repeat.EVERY, "pause": USUAL_PAUSE}
    amounts = {name: fields.pop(name, text) for name, text in (("percent", "2"), ("window", "5m"), ("price", "nonsense"))}
    return condition(**(usual | {"typed": amounts} | fields))


def refusal(**fields: Any) -> str:
    with pytest.raises(InputError) as refused:
        typed(**fields)
    return str(refused.value)


def test_what_was_typed_becomes_a_rule_of_its_owner() -> None:
    fields = typed(direction=Direction.DOWN, percent=" 0.75 % ", window=" 90s ", pause="1h")
    rule = new_rule("u1", an_instrument(), fields)
    assert (rule.user, rule.token, rule.symbol) == ("u1", 408065, "NSE:INFY")
    assert (rule.kind, rule.direction, rule.percent_e2) == (Kind.ROLLING, Direction.DOWN, 75)
    assert (rule.window_ms, rule.cooldown_ms, rule.repeat) == (90_000, 3_600_000, Repeat.EVERY)
    assert (rule.state, rule.revision) == (RuleState.ACTIVE, 0)


def test_two_rules_never_share_an_id() -> None:
    assert new_rule("u1", an_instrument(), typed()).id != new_rule("u1", an_instrument(), typed()).id


@pytest.mark.parametrize(("kind", "cooldown_ms"), [(Kind.ROLLING, 300_000), (Kind.TRAILING, 60_000)])
def test_the_usual_pause_is_the_kinds_own(kind: Kind, cooldown_ms: int) -> None:
    assert new_rule("u1", an_instrument(), typed(kind=kind)).cooldown_ms == cooldown_ms


def test_a_turn_has_no_window_whatever_the_hidden_field_holds() -> None:
    assert new_rule("u1", an_instrument(), typed(kind=Kind.TRAILING, window="nonsense")).window_ms == 0


def test_a_rule_that_fires_once_has_no_pause_to_type() -> None:
    assert typed(repeat=Repeat.ONCE, pause="nonsense")["cooldown_ms"] is None


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"percent": "two"}, "Percent must be a decimal number, was 'two'."),
        ({"percent": "1e3"}, "Percent must be a decimal number, was '1e3'."),
        ({"percent": "-2"}, "Percent must be above 0 and at most 1000, was '-2'."),
        ({"window": "1.5h"}, "Window must be a whole number and a unit such as 300s, 5m or 1h, was '1.5h'."),
        ({"pause": "a while"}, "Cooldown must be a whole number and a unit such as 300s, 5m or 1h, was 'a while'."),
    ],
)
def test_what_does_not_fit_is_told_in_one_sentence(fields: dict[str, Any], sentence: str) -> None:
    assert refusal(**fields) == sentence


def test_every_problem_is_told_at_once() -> None:
    told = refusal(percent="x", window="y", pause="z")
    assert [noun in told for noun in ("Percent", "Window", "Cooldown")] == [True] * 3
    assert told.count(".") == 3


@pytest.mark.parametrize("direction", [Direction.UP, Direction.BOTH])
def test_a_price_can_rise_by_more_than_all_of_it(direction: Direction) -> None:
    assert typed(direction=direction, percent="150")["percent_e2"] == 15_000


def test_a_rule_needs_an_instrument() -> None:
    with pytest.raises(InputError, match=r"^Choose an instrument first\.$"):
        new_rule("u1", None, typed())


def test_a_record_that_the_model_refuses_is_a_sentence_too() -> None:
    with pytest.raises(InputError, match=r"^User: .* was 'no user'\.$"):
        new_rule("no user", an_instrument(), typed())


def test_a_changed_rule_stays_itself_and_is_active_again() -> None:
    before = a_rule(state=RuleState.SPENT, revision=7, updated_ms=5)
    after = changed(before, typed(kind=Kind.TRAILING, percent="3"))
    kept = {"id", "user", "token", "symbol", "revision"}
    assert after.model_dump(include=kept) == before.model_dump(include=kept)
    assert (after.kind, after.percent_e2, after.window_ms, after.cooldown_ms) == (Kind.TRAILING, 300, 0, 60_000)
    assert after.state is RuleState.ACTIVE


@pytest.mark.parametrize("window", WINDOW.offered)
@pytest.mark.parametrize("pause", COOLDOWN.offered)
def test_everything_that_is_offered_is_accepted(window: str, pause: str) -> None:
    assert new_rule("u1", an_instrument(), typed(window=window, pause=pause)).window_ms >= 60_000


@given(st.integers(1, 9_999), st.integers(1, 24 * 3600), st.integers(0, 7 * 24 * 3600))
def test_what_a_rule_holds_can_be_typed_again(percent_e2: int, window_s: int, pause_s: int) -> None:
    again = typed(
        percent=format_percent(percent_e2), window=format_duration(window_s * 1000), pause=format_duration(pause_s * 1000)
    )
    rule = new_rule("u1", an_instrument(), again)
    assert (rule.percent_e2, rule.window_ms, rule.cooldown_ms) == (percent_e2, window_s * 1000, pause_s * 1000)


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_whatever_is_typed_is_a_rule_or_a_sentence(percent: str, window: str, pause: str) -> None:
    try:
        new_rule("u1", an_instrument(), typed(percent=percent, window=window, pause=pause))
    except InputError as error:
        assert str(error).endswith(".")


def _dialog() -> None:
    import streamlit as st

    from dashboard.rules import dialog

    st.session_state["typed"] = dialog._condition(None)


def test_the_dialog_shows_the_fields_that_a_kind_has_and_no_other() -> None:
    app = AppTest.from_function(_dialog).run(timeout=60)
    for kind in Kind:
        app.radio[0].set_value(kind).run(timeout=60)
        assert not app.exception
        assert list(app.session_state["typed"]["typed"]) == [field.name for field in KINDS[kind].fields]
        assert list(app.radio[1].options) == [KINDS[kind].ways[direction] for direction in Direction]
