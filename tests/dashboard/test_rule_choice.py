"""What is done with many rules: batch by batch, as they are now, and only their owner's."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dashboard.rules.changes import in_state
from dashboard.rules.choice import BATCH, Chosen, change, save
from stormalert.model import Rule, RuleFilter, RuleState
from stormalert.notify import preferences
from stormalert.notify.preferences import Loudness, RulePreferences
from stormalert.store import Store, open_store
from tests.store.records import a_rule

PAUSE = in_state(RuleState.PAUSED, RuleState.ACTIVE)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(open_store("", tmp_path / "store.sqlite3")) as store:
        yield store


def marked(*rules: Rule) -> Chosen:
    return Chosen("u1", list(rules), len(rules))


def test_all_that_match_are_changed_once_batch_by_batch(store: Store) -> None:
    many = BATCH * 2 + 7
    store.save_rules([a_rule(f"r{number}") for number in range(many)])
    store.save_rules([a_rule("other", symbol="NSE:TCS"), a_rule("theirs", user="u2")])
    told: list[int] = []
    chosen = Chosen("u1", [], many, RuleFilter(text="INFY"))
    assert change(store, chosen, PAUSE, told.append) == (many, 0)
    assert told == [BATCH, 2 * BATCH, many]
    assert store.count_rules("u1", RuleFilter(state=RuleState.PAUSED)) == many
    assert {rule.revision for rule in chosen.all(store)} == {2}
    assert [it.state for it in store.rules(["other", "theirs"])] == ["active", "active"]


def test_what_leaves_the_filter_on_the_way_hides_nothing_behind_it(store: Store) -> None:
    many = BATCH + 3
    store.save_rules([a_rule(f"r{number}") for number in range(many)])
    assert change(store, Chosen("u1", [], many, RuleFilter(state=RuleState.ACTIVE)), PAUSE, lambda seen: None) == (many, 0)
    assert store.count_rules("u1", RuleFilter(state=RuleState.ACTIVE)) == 0


def test_marked_rules_are_taken_as_they_are_now_and_those_of_others_are_left_alone(store: Store) -> None:
    mine, gone, theirs = store.save_rules([a_rule("mine"), a_rule("gone"), a_rule("theirs", user="u2")])
    store.save_rule(mine.model_copy(update={"percent_e2": 900}))
    store.save_rule(gone.model_copy(update={"state": RuleState.DELETED}))
    assert change(store, marked(mine, gone, theirs), PAUSE, lambda seen: None) == (1, 2)
    assert {it.id: (it.percent_e2, str(it.state)) for it in store.rules(["mine", "gone", "theirs"])} == {
        "mine": (900, "paused"),
        "gone": (150, "deleted"),
        "theirs": (150, "active"),
    }


def test_marked_rules_keep_their_order(store: Store) -> None:
    rules = store.save_rules([a_rule(f"r{number}") for number in range(4)])
    listed = store.rules_of("u1")
    change(store, marked(*listed), PAUSE, lambda seen: None)
    assert [it.id for it in store.rules_of("u1")] == [it.id for it in rules[::-1]]


def test_one_that_somebody_changed_first_keeps_no_other_from_being_saved(store: Store) -> None:
    first, second, third = store.save_rules([a_rule("a"), a_rule("b"), a_rule("c")])
    store.save_rule(second.model_copy(update={"percent_e2": 900}))
    paused = [it.model_copy(update={"state": RuleState.PAUSED}) for it in (first, second, third)]
    assert save(store, paused) == 1
    assert {it.id: str(it.state) for it in store.rules_of("u1")} == {"a": "paused", "b": "active", "c": "paused"}


def test_how_alerts_are_told_is_forgotten_of_those_only_that_are_deleted(store: Store) -> None:
    first, second, third = store.save_rules([a_rule("a"), a_rule("b"), a_rule("c")])
    for rule in (first, second, third):
        preferences.save_of_rule(store, rule.id, RulePreferences(loudness=Loudness.OFF))
    changed = store.save_rule(second.model_copy(update={"percent_e2": 900}))
    delete = in_state(RuleState.DELETED)
    gone = [it for rule in (first, second) if (it := delete(rule))]
    assert save(store, gone) == 1 and save(store, [third.model_copy(update={"state": RuleState.PAUSED})]) == 0
    assert sorted(store.settings_like("wish.")) == ["wish.b", "wish.c"]
    assert change(store, marked(changed), delete, lambda seen: None) == (1, 0)
    assert sorted(store.settings_like("wish.")) == ["wish.c"]
