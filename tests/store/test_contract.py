"""What every store must do, whichever database is behind it."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest

from stormalert.errors import Conflict, InputError
from stormalert.model import (
    AlertFilter,
    Channel,
    ChannelKind,
    Delivery,
    DeliveryState,
    Direction,
    Kind,
    MuteScope,
    QuietHours,
    Repeat,
    Role,
    Rule,
    RuleFilter,
    RuleState,
    User,
)
from stormalert.store import Cursor, Store
from stormalert.units import now_ms
from tests.store.records import (
    INFY,
    a_channel,
    a_delivery,
    a_mute,
    a_one_time_token,
    a_rule,
    a_session,
    a_user,
    an_alert,
    an_entry,
    an_instrument,
)

TCS = 2953217
NIFTY = 256265
AT_ONCE = 8

T = TypeVar("T")


# Records that carry a revision.

Saved = User | Rule | Channel | Delivery
CASES: dict[str, tuple[Saved, str, str, dict[str, Any]]] = {
    "user": (a_user(), "save_user", "user", {"role": Role.ADMIN}),
    "rule": (a_rule(), "save_rule", "rule", {"percent_e2": 300}),
    "channel": (a_channel(), "save_channel", "channel", {"is_on": False, "reason": "blocked by its owner"}),
    "delivery": (a_delivery(), "save_delivery", "delivery", {"state": DeliveryState.SENT, "attempts": 1}),
}


class Shelf:
    """One kind of record in a store, so that one test serves all four."""

    def __init__(self, store: Store, kind: str) -> None:
        self.new, save, read, self._changes = CASES[kind]
        self.save: Callable[[Saved], Saved] = getattr(store, save)
        self.read: Callable[[str], Saved | None] = getattr(store, read)

    def changed(self, record: Saved) -> Saved:
        return record.model_copy(update=self._changes)


@pytest.fixture(params=list(CASES))
def shelf(request: pytest.FixtureRequest, store: Store) -> Shelf:
    return Shelf(store, request.param)


def test_a_record_is_read_as_it_was_saved(shelf: Shelf) -> None:
    stored = shelf.save(shelf.new)
    assert shelf.read(stored.id) == stored
    ignored = {"revision", "updated_ms"} if isinstance(stored, Rule) else {"revision"}
    assert stored.model_dump(exclude=ignored) == shelf.new.model_dump(exclude=ignored)


def test_a_record_that_nobody_saved_is_none(shelf: Shelf) -> None:
    assert shelf.read("nobody") is None


def test_each_save_counts_the_revision_on(shelf: Shelf) -> None:
    first = shelf.save(shelf.new)
    second = shelf.save(shelf.changed(first))
    assert (shelf.new.revision, first.revision, second.revision) == (0, 1, 2)
    assert shelf.read(first.id) == second
    assert second != first


def test_a_new_record_does_not_replace_one_of_the_same_id(shelf: Shelf) -> None:
    stored = shelf.save(shelf.new)
    with pytest.raises(Conflict, match=f"{stored.id} already"):
        shelf.save(shelf.changed(shelf.new))
    assert shelf.read(stored.id) == stored


def test_a_save_from_an_old_revision_is_a_conflict_and_changes_nothing(shelf: Shelf) -> None:
    old = shelf.save(shelf.new)
    current = shelf.save(shelf.changed(old))
    with pytest.raises(Conflict, match="changed by somebody else"):
        shelf.save(old)
    assert shelf.read(old.id) == current


def test_a_save_of_a_revision_that_was_never_stored_is_a_conflict(shelf: Shelf) -> None:
    with pytest.raises(Conflict):
        shelf.save(shelf.new.model_copy(update={"revision": 3}))
    assert shelf.read(shelf.new.id) is None


def test_of_several_who_change_one_revision_at_once_one_wins(shelf: Shelf) -> None:
    base = shelf.save(shelf.new)
    stored = _at_once(lambda _: shelf.save(shelf.changed(base)))
    assert len(stored) == 1
    assert shelf.read(base.id) == stored[0]


def test_of_several_who_insert_one_id_at_once_one_wins(shelf: Shelf) -> None:
    stored = _at_once(lambda _: shelf.save(shelf.new))
    assert len(stored) == 1
    assert shelf.read(shelf.new.id) == stored[0]


def test_counting_up_from_several_threads_loses_nothing(store: Store) -> None:
    store.save_delivery(a_delivery())

    def count_to(_: int, most: int = 10) -> None:
        done = 0
        while done < most:
            known = store.delivery("r1-1-c1")
            assert known is not None
            try:
                store.save_delivery(known.model_copy(update={"attempts": known.attempts + 1}))
            except Conflict:
                continue
            done += 1

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(count_to, range(4)))
    last = store.delivery("r1-1-c1")
    assert last is not None
    assert (last.attempts, last.revision) == (40, 41)


# Users.


def test_a_user_is_found_by_the_name(store: Store) -> None:
    asha = store.save_user(a_user("u1", "asha"))
    store.save_user(a_user("u2", "ravi"))
    assert store.user_by_name("asha") == asha
    assert store.user_by_name("Asha") is None
    assert store.user_by_name("nobody") is None


def test_users_are_listed_by_name(store: Store) -> None:
    assert store.users() == []
    for user_id, name in (("u1", "ravi"), ("u2", "asha"), ("u3", "meera")):
        store.save_user(a_user(user_id, name))
    assert [user.name for user in store.users()] == ["asha", "meera", "ravi"]


def test_two_users_cannot_have_one_name(store: Store) -> None:
    asha = store.save_user(a_user("u1", "asha"))
    with pytest.raises(Conflict, match="there is a user asha already"):
        store.save_user(a_user("u2", "asha"))
    assert store.users() == [asha]


def test_a_user_cannot_take_the_name_of_another(store: Store) -> None:
    store.save_user(a_user("u1", "asha"))
    ravi = store.save_user(a_user("u2", "ravi"))
    with pytest.raises(Conflict, match="there is a user asha already"):
        store.save_user(ravi.model_copy(update={"name": "asha"}))
    assert store.user("u2") == ravi


def test_of_several_who_take_one_name_at_once_one_wins(store: Store) -> None:
    assert len(_at_once(lambda number: store.save_user(a_user(f"u{number}", "asha")))) == 1
    assert len(store.users()) == 1


def test_a_name_that_was_given_up_is_free(store: Store) -> None:
    asha = store.save_user(a_user("u1", "asha"))
    store.save_user(asha.model_copy(update={"name": "asha.rao"}))
    assert store.save_user(a_user("u2", "asha")).revision == 1


# Rules.


def test_the_store_says_when_a_rule_changed(store: Store) -> None:
    before_ms = now_ms()
    first = store.save_rule(a_rule(updated_ms=5))
    second = store.save_rule(first)
    assert before_ms <= first.updated_ms < second.updated_ms


def test_no_two_changes_of_rules_have_one_time(store: Store) -> None:
    saved = _at_once(lambda number: store.save_rule(a_rule(f"r{number}")))
    assert len({rule.updated_ms for rule in saved}) == AT_ONCE


def test_rules_of_a_user_are_listed_newest_change_first_without_the_deleted(store: Store) -> None:
    first, second, third, _ = (store.save_rule(a_rule(f"r{number}")) for number in range(4))
    store.save_rule(a_rule("other", user="u2"))
    deleted = store.rule("r3")
    assert deleted is not None
    store.save_rule(deleted.model_copy(update={"state": RuleState.DELETED}))
    first = store.save_rule(first)
    assert store.rules_of("u1") == [first, third, second]
    assert store.rules_of("nobody") == []


def test_rules_are_paged_by_the_last_one_seen(store: Store) -> None:
    saved = [store.save_rule(a_rule(f"r{number}")) for number in range(7)]
    pages = _pages(lambda after: store.rules_of("u1", after, 3), lambda rule: (rule.updated_ms, rule.id))
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [rule for page in pages for rule in page] == saved[::-1]


def test_changes_run_from_a_moment_on_oldest_first_and_tell_of_deletions(store: Store) -> None:
    first, second, third = (store.save_rule(a_rule(f"r{number}", user=f"u{number}")) for number in range(3))
    deleted = store.save_rule(second.model_copy(update={"state": RuleState.DELETED}))
    assert list(store.rules_changed(0)) == [first, third, deleted]
    assert list(store.rules_changed(third.updated_ms)) == [third, deleted]
    assert list(store.rules_changed(deleted.updated_ms + 1)) == []


def test_changes_run_over_more_than_one_page(store: Store) -> None:
    saved = [store.save_rule(a_rule(f"r{number}")).id for number in range(1_003)]
    assert [rule.id for rule in store.rules_changed(0)] == saved


def test_changes_may_be_read_on_from_another_thread_while_rules_are_saved(store: Store) -> None:
    first, second = store.save_rule(a_rule("r1")), store.save_rule(a_rule("r2"))
    changes = store.rules_changed(0)
    assert next(changes) == first
    third = store.save_rule(a_rule("r3"))
    with ThreadPoolExecutor(1) as other:
        assert other.submit(list, changes).result() == [second, third]


def test_a_reader_who_goes_on_from_the_last_change_misses_none(store: Store) -> None:
    seen: set[str] = set()
    last_ms = 0
    for number in range(20):
        store.save_rule(a_rule(f"r{number}"))
        for rule in store.rules_changed(last_ms + 1):
            seen.add(rule.id)
            last_ms = rule.updated_ms
    assert len(seen) == 20


@pytest.mark.parametrize("later_ms", [0, 1, 60_000])
def test_a_rule_is_spent_when_it_was_armed_at_its_last_change_or_later(store: Store, later_ms: int) -> None:
    rule = store.save_rule(a_rule())
    store.mark_spent(rule.id, rule.updated_ms + later_ms)
    spent = store.rule(rule.id)
    assert spent is not None
    assert (spent.state, spent.revision) == (RuleState.SPENT, 2)
    assert spent.updated_ms > rule.updated_ms
    assert list(store.rules_changed(rule.updated_ms + 1)) == [spent]


def test_a_rule_that_changed_after_it_was_armed_is_not_spent(store: Store) -> None:
    armed = store.save_rule(a_rule())
    edited = store.save_rule(armed.model_copy(update={"percent_e2": 400}))
    store.mark_spent(armed.id, edited.updated_ms - 1)
    assert store.rule(armed.id) == edited


@pytest.mark.parametrize("state", [RuleState.PAUSED, RuleState.DELETED, RuleState.SPENT])
def test_only_an_active_rule_is_spent(store: Store, state: RuleState) -> None:
    rule = store.save_rule(a_rule(state=state))
    store.mark_spent(rule.id, rule.updated_ms)
    assert store.rule(rule.id) == rule


def test_an_unknown_rule_is_not_spent(store: Store) -> None:
    store.mark_spent("nobody", now_ms())
    assert list(store.rules_changed(0)) == []


def test_an_owner_who_read_the_rule_before_it_was_spent_gets_a_conflict(store: Store) -> None:
    rule = store.save_rule(a_rule())
    store.mark_spent(rule.id, rule.updated_ms)
    with pytest.raises(Conflict):
        store.save_rule(rule.model_copy(update={"repeat": Repeat.EVERY}))


def test_many_rules_are_saved_in_their_order_new_and_changed_ones(store: Store) -> None:
    known = store.save_rule(a_rule("r1"))
    changed = known.model_copy(update={"percent_e2": 300})
    given = [a_rule("r3", updated_ms=5), changed, a_rule("r2", state=RuleState.PAUSED)]
    saved = store.save_rules(given)
    own = {"revision", "updated_ms"}
    assert [rule.model_dump(exclude=own) for rule in saved] == [rule.model_dump(exclude=own) for rule in given]
    assert [rule.revision for rule in saved] == [1, 2, 1]
    assert known.updated_ms < saved[0].updated_ms
    assert list(store.rules_changed(0)) == saved
    assert store.save_rules([]) == []


def test_more_rules_than_go_over_at_once_have_each_a_time_of_their_own(store: Store) -> None:
    first = store.save_rule(a_rule("first"))
    saved = store.save_rules([a_rule(f"r{number}") for number in range(1_203)])
    last = store.save_rule(a_rule("last"))
    times = [rule.updated_ms for rule in (first, *saved, last)]
    assert times == sorted(set(times))
    assert list(store.rules_changed(first.updated_ms + 1)) == [*saved, last]


@pytest.mark.parametrize(
    ("refused", "said"),
    [
        (a_rule("r1"), "r1 already"),
        (a_rule("r1", revision=1, percent_e2=300), "r1 .* changed by somebody else"),
        (a_rule("r9", revision=3), "r9 .* changed by somebody else"),
        (a_rule("new"), "new already"),
    ],
)
def test_one_rule_in_conflict_keeps_all_others_out(store: Store, refused: Rule, said: str) -> None:
    kept = [store.save_rule(store.save_rule(a_rule("r1"))), store.save_rule(a_rule("r2"))]
    for place in (1, 700):
        given = [a_rule("new"), *(a_rule(f"n{number}") for number in range(700)), kept[1]]
        given.insert(place, refused)
        with pytest.raises(Conflict, match=said):
            store.save_rules(given)
        assert list(store.rules_changed(0)) == kept


@pytest.mark.parametrize("is_new", [True, False])
def test_of_several_who_save_the_same_rules_at_once_one_wins_at_most_and_no_half_of_another_is_left(
    store: Store, is_new: bool
) -> None:
    base = [a_rule(f"r{number}") for number in range(5)]
    if not is_new:
        base = store.save_rules(base)

    def save(number: int) -> list[Rule]:
        return store.save_rules([rule.model_copy(update={"percent_e2": 100 + number}) for rule in base])

    won = _at_once(save)
    found = store.rules_of("u1")[::-1]
    assert len(won) <= 1
    if won or is_new:
        assert found == (won[0] if won else [])
    else:
        assert {rule.percent_e2 for rule in found} == {150}


def test_no_two_changes_of_rules_that_many_save_at_once_have_one_time(store: Store) -> None:
    saved = _at_once(lambda number: store.save_rules([a_rule(f"r{number}-{each}") for each in range(20)]))
    assert len({rule.updated_ms for rules in saved for rule in rules}) == AT_ONCE * 20


# Channels.


def test_a_renamed_instruments_rules_carry_the_new_symbol_and_are_otherwise_unchanged(store: Store) -> None:
    renamed, other = store.save_rule(a_rule("r1")), store.save_rule(a_rule("r2", token=TCS, symbol="NSE:TCS"))
    assert store.rename_instrument(INFY, "NSE:INFOSYS") == 1
    assert store.rule("r1") == renamed.model_copy(update={"symbol": "NSE:INFOSYS"})
    assert store.rule("r2") == other
    assert store.save_rule(renamed.model_copy(update={"percent_e2": 300})).revision == renamed.revision + 1


def test_channels_of_a_user_are_listed_by_id(store: Store) -> None:
    second, first = store.save_channel(a_channel("c2")), store.save_channel(a_channel("c1"))
    store.save_channel(a_channel("c0", user="u2"))
    assert store.channels_of("u1") == [first, second]
    assert store.channels_of("nobody") == []


def test_channels_are_found_by_what_they_lead_to(store: Store) -> None:
    second = store.save_channel(a_channel("c2", user="u2", kind=ChannelKind.TELEGRAM, address="42"))
    first = store.save_channel(a_channel("c1", kind=ChannelKind.TELEGRAM, address="42", is_verified=False))
    store.save_channel(a_channel("c3", kind=ChannelKind.TELEGRAM, address="421"))
    store.save_channel(a_channel("c4", kind=ChannelKind.EMAIL, address="42"))
    assert store.channels_at(ChannelKind.TELEGRAM, "42") == [first, second]
    assert store.channels_at(ChannelKind.WHATSAPP, "42") == []
    moved = store.save_channel(second.model_copy(update={"address": "43"}))
    assert store.channels_at(ChannelKind.TELEGRAM, "42") == [first]
    assert store.channels_at(ChannelKind.TELEGRAM, "43") == [moved]


def test_a_deleted_channel_is_gone_but_its_deliveries_stay(store: Store) -> None:
    kept = store.save_channel(a_channel("c2"))
    channel, delivery = store.save_channel(a_channel("c1")), store.save_delivery(a_delivery(channel="c1"))
    store.delete_channel("c1")
    store.delete_channel("c1")
    assert store.channel("c1") is None
    assert store.channels_of("u1") == [kept]
    assert store.delivery(delivery.id) == delivery
    with pytest.raises(Conflict):
        store.save_channel(channel)
    assert store.save_channel(a_channel("c1")).revision == 1


# Mutes.


def test_mutes_that_hold_are_listed_and_those_that_are_over_are_not(store: Store) -> None:
    later_ms = now_ms() + 60_000
    for_good, for_a_minute = a_mute("1"), a_mute("2", until_ms=later_ms)
    everything = a_mute("", scope=MuteScope.ALL)
    for mute in (for_a_minute, for_good, everything, a_mute("3", user="u2")):
        store.save_mute(mute)
    assert store.mutes_of("u1", later_ms - 1) == [everything, for_good, for_a_minute]
    assert store.mutes_of("u1", later_ms) == [everything, for_good]
    assert store.mutes_of("nobody", 0) == []


def test_the_last_mute_of_a_subject_counts(store: Store) -> None:
    store.save_mute(a_mute(until_ms=now_ms() + 60_000))
    store.save_mute(a_mute())
    assert store.mutes_of("u1", now_ms()) == [a_mute()]
    store.save_mute(a_mute("r1", scope=MuteScope.RULE))
    assert len(store.mutes_of("u1", now_ms())) == 2


def test_a_mute_that_is_lifted_is_gone(store: Store) -> None:
    store.save_mute(a_mute())
    assert store.delete_mute(a_mute().id) is True
    assert store.delete_mute(a_mute().id) is False
    assert store.mutes_of("u1", now_ms()) == []


def test_mutes_that_are_over_are_forgotten_with_the_next(store: Store) -> None:
    store.save_mute(a_mute("1", until_ms=1_000))
    store.save_mute(a_mute("2", user="u2", until_ms=1_000))
    store.save_mute(a_mute("3"))
    assert [mute.subject for mute in store.mutes_of("u1", 0)] == ["3"]
    assert [mute.subject for mute in store.mutes_of("u2", 0)] == ["2"]


# Alerts and deliveries.


def test_an_alert_is_recorded_once_and_the_first_one_stays(store: Store) -> None:
    first = an_alert(symbol="NSE:M&M")
    assert store.record_alert(first) is True
    assert store.record_alert(an_alert(price_e4=1)) is False
    assert store.alert(first.id) == first
    assert store.alert("nobody") is None


def test_an_alert_that_several_record_at_once_is_recorded_by_one(store: Store) -> None:
    assert sorted(_at_once(lambda _: store.record_alert(an_alert()))) == [False] * (AT_ONCE - 1) + [True]


def test_alerts_are_paged_newest_first_through_equal_times(store: Store) -> None:
    for number in range(10):
        store.record_alert(an_alert(f"r1-{number}", time_ms=5_000 if 2 <= number < 9 else number))
    store.record_alert(an_alert("r9-1", user="u2", time_ms=5_000))
    expected = [f"r1-{number}" for number in (8, 7, 6, 5, 4, 3, 2, 9, 1, 0)]
    for size in (1, 2, 3, 10):
        pages = _pages(lambda after, size=size: store.alerts_of("u1", after, size), lambda alert: (alert.time_ms, alert.id))
        assert [alert.id for page in pages for alert in page] == expected
    assert [alert.id for alert in store.alerts_of("u1", limit=4)] == expected[:4]


def test_an_alert_that_arrives_while_somebody_pages_shifts_no_page(store: Store) -> None:
    for number in range(4):
        store.record_alert(an_alert(f"r1-{number}", time_ms=number))
    first = store.alerts_of("u1", limit=2)
    store.record_alert(an_alert("r1-9", time_ms=9))
    second = store.alerts_of("u1", (first[-1].time_ms, first[-1].id), 2)
    assert [alert.id for alert in first + second] == ["r1-3", "r1-2", "r1-1", "r1-0"]


def test_the_last_alert_of_a_rule_is_the_newest_by_event_time(store: Store) -> None:
    assert store.last_alert_ms("r1") is None
    for alert_id, time_ms in (("r1-1", 500), ("r1-2", 900), ("r1-3", 700)):
        store.record_alert(an_alert(alert_id, time_ms=time_ms))
    store.record_alert(an_alert("r2-1", rule="r2", time_ms=9_999))
    assert store.last_alert_ms("r1") == 900


def test_the_last_alert_of_a_watchlists_rule_is_the_newest_on_any_instrument(store: Store) -> None:
    for rule, time_ms in (("w_408065", 500), ("w_738561", 900), ("w-other", 9_999), ("wx_1", 9_999), ("v_1", 9_999)):
        store.record_alert(an_alert(f"{rule}-1", rule=rule, time_ms=time_ms))
    assert store.last_alert_ms("w") == 900
    assert store.last_alert_ms("w_408065") == 500


def test_what_fired_is_recorded_with_its_deliveries_and_what_was_there_stays(store: Store) -> None:
    known = store.save_delivery(a_delivery("r1-1-c1", attempts=3))
    store.record_alert(an_alert("r1-1"))
    alerts = [an_alert("r1-1", price_e4=1), an_alert("r1-2")]
    deliveries = [a_delivery("r1-1-c1"), a_delivery("r1-1-c2"), a_delivery("r1-2-c1", alert="r1-2")]
    stored = store.record_fired(alerts, deliveries)
    assert [delivery.id for delivery in stored] == ["r1-1-c1", "r1-1-c2", "r1-2-c1"]
    assert stored[0] == known
    assert [store.delivery(delivery.id) for delivery in stored] == stored
    assert store.record_fired(alerts, deliveries) == stored
    assert sorted(store.alerts(["r1-1", "r1-2", "nobody"]), key=lambda alert: alert.id) == [an_alert("r1-1"), an_alert("r1-2")]
    assert store.record_fired([], []) == []


def test_many_deliveries_are_saved_at_once_but_for_those_that_somebody_changed(store: Store) -> None:
    first, second, third = (store.save_delivery(a_delivery(f"d{number}")) for number in range(3))
    theirs = store.save_delivery(second.model_copy(update={"reason": "theirs"}))
    ours = [each.model_copy(update={"state": DeliveryState.SENT}) for each in (first, second, third)]
    assert store.save_deliveries(ours) == ["d1"]
    stored = {delivery.id: delivery for delivery in store.deliveries(["d0", "d1", "d2", "nobody"])}
    assert [stored[name].state for name in ("d0", "d2")] == [DeliveryState.SENT] * 2
    assert (stored["d1"], stored["d0"].revision) == (theirs, first.revision + 1)
    assert store.save_deliveries([]) == []


@pytest.mark.parametrize("count", [0, 1, 1_201])
def test_many_are_found_by_their_ids(store: Store, count: int) -> None:
    store.record_fired([], [a_delivery(f"d{number}") for number in range(count)])
    found = store.deliveries([f"d{number}" for number in range(count + 1)])
    assert len({delivery.id for delivery in found}) == count


def test_what_is_told_together_is_found_by_its_summary(store: Store) -> None:
    for number, summary in enumerate(["s1", "", "s2", "s1", "s1"]):
        store.save_delivery(a_delivery(f"d{number}", summary=summary, updated_ms=500 - number))
    told = store.delivery("d3")
    assert told is not None
    store.save_delivery(told.model_copy(update={"state": DeliveryState.SENT}))
    assert [delivery.id for delivery in store.deliveries_in("s1")] == ["d4", "d3", "d0"]
    assert store.deliveries_in("s3") == []


def test_channels_and_rules_are_found_by_their_ids(store: Store) -> None:
    channel, rule = store.save_channel(a_channel("c1")), store.save_rule(a_rule("r1"))
    assert store.channels(["c1", "nobody"]) == [channel]
    assert store.rules(["nobody", "r1"]) == [rule]


def test_what_a_delivery_went_through_is_stored_with_it(store: Store) -> None:
    saved = store.save_delivery(a_delivery(reason="timed out"))
    store.save_deliveries([saved.moved({"state": DeliveryState.SENT, "reason": "", "updated_ms": 2_000})])
    found = store.delivery(saved.id)
    assert found is not None and found.state is DeliveryState.SENT
    assert [(step.state, step.time_ms, step.reason) for step in found.past] == [(DeliveryState.QUEUED, 1_000, "timed out")]


def test_deliveries_of_an_alert_are_listed_by_id(store: Store) -> None:
    second, first = store.save_delivery(a_delivery("r1-1-c2")), store.save_delivery(a_delivery("r1-1-c1"))
    store.save_delivery(a_delivery("r1-2-c1", alert="r1-2"))
    assert store.deliveries_of("r1-1") == [first, second]
    assert store.deliveries_of("nobody") == []


def test_unfinished_deliveries_are_the_queued_ones_not_touched_since_oldest_first(store: Store) -> None:
    for number, (state, updated_ms) in enumerate(
        [
            (DeliveryState.QUEUED, 300),
            (DeliveryState.QUEUED, 100),
            (DeliveryState.SENT, 50),
            (DeliveryState.FAILED, 50),
            (DeliveryState.SUPPRESSED, 50),
            (DeliveryState.QUEUED, 400),
            (DeliveryState.QUEUED, 200),
        ]
    ):
        store.save_delivery(a_delivery(f"d{number}", state=state, updated_ms=updated_ms))
    assert [delivery.id for delivery in store.unfinished_deliveries(400, 0)] == ["d1", "d6", "d0"]
    assert [delivery.id for delivery in store.unfinished_deliveries(401, 0, limit=2)] == ["d1", "d6"]
    assert store.unfinished_deliveries(100, 0) == []


def test_what_waits_for_a_moment_is_unfinished_from_then_on_and_behind_the_others(store: Store) -> None:
    for number, due_ms in enumerate([800, 0, 700, 900]):
        store.save_delivery(a_delivery(f"d{number}", updated_ms=100 + number, due_ms=due_ms))
    assert [delivery.id for delivery in store.unfinished_deliveries(200, 699)] == ["d1"]
    assert [delivery.id for delivery in store.unfinished_deliveries(200, 800)] == ["d1", "d2", "d0"]
    assert [delivery.id for delivery in store.unfinished_deliveries(102, 900)] == ["d1", "d0"]


def test_a_channel_keeps_what_its_owner_wants_of_it(store: Store) -> None:
    quiet = QuietHours(from_min=22 * 60, to_min=7 * 60, zone="Europe/London")
    channel = store.save_channel(a_channel("c1", quiet=quiet, is_silent=True, stands_in_for="c2"))
    assert store.channel("c1") == channel
    assert channel.quiet == quiet


def test_a_delivery_that_was_sent_is_no_longer_unfinished(store: Store) -> None:
    queued = store.save_delivery(a_delivery(updated_ms=100))
    store.save_delivery(queued.model_copy(update={"state": DeliveryState.SENT}))
    assert store.unfinished_deliveries(now_ms(), now_ms()) == []


# Instruments and watchlists.


def test_an_instrument_is_found_by_token_and_by_symbol_in_any_case(store: Store) -> None:
    infosys = an_instrument(INFY, "NSE:INFY", "INFOSYS", tick_size_e4=1_000, lot_size=25)
    assert store.save_instruments(iter([infosys, an_instrument(NIFTY, "NSE:NIFTY 50", "NIFTY 50")])) == 2
    assert store.instrument(INFY) == infosys
    assert store.instrument(1) is None
    assert store.instrument_by_symbol("NSE:INFY") == store.instrument_by_symbol("nse:infy") == infosys
    assert store.instrument_by_symbol("INFY") is None


def test_a_dump_of_more_than_goes_over_at_once_replaces_what_it_names_and_keeps_the_rest(store: Store) -> None:
    assert store.save_instruments([]) == 0
    old = [an_instrument(token, f"NSE:OLD{token}", "BEFORE") for token in range(1, 1_002)]
    new = [an_instrument(token, f"NSE:NEW{token}", "AFTER") for token in range(501, 1_502)]
    assert (store.save_instruments(old), store.save_instruments(new)) == (1_001, 1_001)
    assert store.instrument(500) == old[499]
    assert [store.instrument(token) for token in (501, 1_500, 1_501)] == [new[0], new[999], new[-1]]
    assert store.instrument_by_symbol("NSE:OLD501") is None
    assert len(store.search_instruments("NSE:", limit=5_000)) == 1_501


def test_the_later_row_of_one_token_in_a_dump_counts(store: Store) -> None:
    store.save_instruments([an_instrument(name="FIRST"), an_instrument(name="SECOND")])
    assert [row.name for row in store.search_instruments("")] == ["SECOND"]


@pytest.fixture
def market(store: Store) -> Store:
    rows = [
        (1, "NSE:TATAMOTORS", "TATA MOTORS"),
        (2, "BSE:TATAMOTORS", "TATA MOTORS"),
        (3, "NSE:TCS", "TATA CONSULTANCY SERV LT"),
        (4, "NSE:ATATA", "NO PREFIX"),
        (5, "NSE:M&M", "MAHINDRA & MAHINDRA"),
        (6, "NSE:A_B", "UNDERSCORE"),
        (7, "NSE:AXB", "NONE"),
        (8, "NSE:P100", "100% PURE"),
        (9, "NSE:OEL", "ÖL & GAS ZÜRICH"),
        (10, "NSE:NIFTY 50", "NIFTY 50"),
        (11, "NSE:DOT", "A.B (C) [D] \\ ^$*+?{}|"),
    ]
    store.save_instruments(an_instrument(*row) for row in rows)
    return store


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        ("tata", "BSE:TATAMOTORS NSE:TATAMOTORS NSE:ATATA NSE:TCS"),
        ("  TaTaM ", "BSE:TATAMOTORS NSE:TATAMOTORS"),
        ("nse:tata", "NSE:TATAMOTORS"),
        ("consult", "NSE:TCS"),
        ("m&m", "NSE:M&M"),
        ("a_b", "NSE:A_B"),
        ("0% p", "NSE:P100"),
        ("%", "NSE:P100"),
        ("öl", "NSE:OEL"),
        ("Zürich", "NSE:OEL"),
        ("a.b (c) [d] \\ ^$*+?{}|", "NSE:DOT"),
        (".*", ""),
        ("x" * 100_000, ""),
        ("nothing like it", ""),
    ],
)
def test_search_finds_prefixes_of_symbols_first_then_text_inside(market: Store, text: str, symbols: str) -> None:
    assert " ".join(row.symbol for row in market.search_instruments(text)) == symbols


def test_search_for_nothing_lists_symbols_up_to_the_limit(market: Store) -> None:
    assert [row.symbol for row in market.search_instruments("", limit=3)] == ["BSE:TATAMOTORS", "NSE:A_B", "NSE:ATATA"]


@pytest.mark.parametrize("limit", [1, 2, 3, 4])
def test_search_keeps_its_order_at_every_limit(market: Store, limit: int) -> None:
    assert [row.token for row in market.search_instruments("tata", limit)] == [2, 1, 4, 3][:limit]


def test_a_watchlist_keeps_its_order_and_is_replaced_as_a_whole(store: Store) -> None:
    assert store.watchlist("u1") == []
    store.save_watchlist("u1", [TCS, INFY])
    store.save_watchlist("u2", (NIFTY,))
    assert (store.watchlist("u1"), store.watchlist("u2")) == ([TCS, INFY], [NIFTY])
    store.save_watchlist("u1", [])
    assert store.watchlist("u1") == []


def test_watched_are_all_watchlists_and_all_rules_that_are_not_deleted(store: Store) -> None:
    assert store.watched_tokens() == set()
    store.save_watchlist("u1", [1, 2])
    store.save_watchlist("u2", [2, 3])
    for number, state in enumerate(RuleState):
        store.save_rule(a_rule(state.value, token=10 + number, state=state))
    store.save_rule(a_rule("twice", token=2**32 - 1))
    store.save_rule(a_rule("on-a-watchlist", token=0))
    deleted = 10 + list(RuleState).index(RuleState.DELETED)
    expected = {1, 2, 3, 2**32 - 1, *(10 + number for number in range(len(RuleState)))} - {deleted}
    assert store.watched_tokens() == expected
    store.save_watchlist("u1", [])
    assert store.watched_tokens() == expected - {1}


# Settings and the audit log.


def test_a_setting_is_the_text_that_was_saved_last(store: Store) -> None:
    assert store.setting("kite.api_key") is None
    for value in ("first", '{"text": "₹ \\u20b9 \'quoted\'"}', ""):
        store.save_setting("kite.api_key", value)
        assert store.setting("kite.api_key") == value
    store.save_setting("$odd.name", "kept")
    assert (store.setting("$odd.name"), store.setting("kite")) == ("kept", None)
    assert store.settings(["kite", "$odd.name"]) == {"$odd.name": "kept"}
    assert store.settings([]) == {}


def test_a_setting_that_several_save_at_once_has_the_value_of_one(store: Store) -> None:
    _at_once(lambda number: store.save_setting("name", str(number)))
    assert store.setting("name") in {str(number) for number in range(AT_ONCE)}


def test_the_audit_log_is_paged_newest_first_through_equal_times(store: Store) -> None:
    assert store.audit() == []
    entries = [an_entry(f"e{number}", time_ms=10 if number < 5 else 20, detail="₹") for number in range(9)]
    for entry in entries:
        store.record_audit(entry)
    pages = _pages(lambda after: store.audit(after, 2), lambda entry: (entry.time_ms, entry.id))
    assert [entry for page in pages for entry in page] == entries[::-1]


def test_text_of_any_script_is_kept(store: Store) -> None:
    name = "बजाज फाइनेंस ₹ 😀 \"'\\;--"
    store.save_instruments([an_instrument(name=name)])
    channel = store.save_channel(a_channel(reason=name, address="आशा@example.com"))
    store.record_audit(an_entry(detail=name))
    assert store.search_instruments("फाइनेंस")[0].name == name
    assert store.channel(channel.id) == channel
    assert store.audit()[0].detail == name


def test_reading_and_writing_from_many_threads_at_once_works(store: Store) -> None:
    store.save_rule(a_rule())
    deadline = time.monotonic() + 0.5

    def work(number: int) -> int:
        done = 0
        while time.monotonic() < deadline:
            store.record_alert(an_alert(f"r{number}-{done}", time_ms=done))
            store.save_watchlist(f"u{number}", [done + 1])
            assert store.rule("r1") is not None
            assert store.watchlist(f"u{number}") == [done + 1]
            done += 1
        return done

    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(work, range(4)))
    assert len(store.alerts_of("u1", limit=10**6)) == sum(done) > 0


def _at_once(work: Callable[[int], T]) -> list[T]:
    """What each of several threads got that started together; those in conflict got nothing."""
    barrier = threading.Barrier(AT_ONCE)

    def one(number: int) -> list[T]:
        barrier.wait()
        try:
            return [work(number)]
        except Conflict:
            return []

    with ThreadPoolExecutor(AT_ONCE) as threads:
        return [result for results in threads.map(one, range(AT_ONCE)) for result in results]


def _pages(read: Callable[[Cursor | None], list[T]], cursor: Callable[[T], Cursor]) -> list[list[T]]:
    pages: list[list[T]] = []
    while page := read(cursor(pages[-1][-1]) if pages else None):
        pages.append(page)
    return pages


# Sign-ins.


def test_a_session_is_there_until_it_is_deleted(store: Store) -> None:
    store.save_session(a_session("s1", created_ms=1))
    store.save_session(a_session("s2", created_ms=2, expires_ms=3))
    store.save_session(a_session("s3", user="u2"))
    assert store.session("s1") == a_session("s1", created_ms=1)
    assert [it.id for it in store.sessions_of("u1")] == ["s2", "s1"]
    store.save_session(a_session("s1", seen_ms=9))
    assert [it.seen_ms for it in store.sessions_of("u1")] == [1, 9]
    assert (store.delete_session("s1"), store.delete_session("s1")) == (True, False)
    assert store.session("s1") is None


def test_a_one_time_token_is_for_whoever_takes_it_first(store: Store) -> None:
    store.save_one_time_token(a_one_time_token("t1", role=Role.ADMIN))
    store.save_one_time_token(a_one_time_token("t2", created_ms=2))
    assert [it.id for it in store.one_time_tokens()] == ["t2", "t1"]
    taken = [it for it in _at_once(lambda _: store.take_one_time_token("t1")) if it]
    assert taken == [a_one_time_token("t1", role=Role.ADMIN)]
    assert store.one_time_token("t1") is None and store.one_time_token("t2") == a_one_time_token("t2", created_ms=2)


# Alerts that are looked for.


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        (AlertFilter(), ["d", "c", "b", "a"]),
        (AlertFilter(rule="r1"), ["c", "a"]),
        (AlertFilter(rule=f"r1_{TCS}"), ["c"]),
        (AlertFilter(token=TCS), ["d", "c"]),
        (AlertFilter(kind=Kind.DAY), ["b"]),
        (AlertFilter(direction=Direction.UP), ["d"]),
        (AlertFilter(since_ms=20, until_ms=40), ["c", "b"]),
        (AlertFilter(rule="r1", token=TCS, since_ms=30), ["c"]),
        (AlertFilter(rule="r"), []),
        (AlertFilter(text="nse:t"), ["d", "c"]),
        (AlertFilter(text="INFO"), ["b", "a"]),
        (AlertFilter(text="infosys", kind=Kind.DAY), ["b"]),
        (AlertFilter(text="%"), []),
        (AlertFilter(text="."), []),
        (AlertFilter(has_failed=True), ["d", "a"]),
        (AlertFilter(has_failed=True, text="infy"), ["a"]),
    ],
)
def test_alerts_are_filtered(store: Store, only: AlertFilter, expected: list[str]) -> None:
    # A part of the name is no part of the symbol.
    store.save_instruments([an_instrument(), an_instrument(TCS, "NSE:TCS", "TATA CONSULTANCY SERV")])
    store.record_alert(an_alert("a", time_ms=10))
    store.record_alert(an_alert("b", time_ms=20, rule="r2", kind=Kind.DAY))
    store.record_alert(an_alert("c", time_ms=30, rule=f"r1_{TCS}", token=TCS, symbol="NSE:TCS"))
    store.record_alert(an_alert("d", time_ms=40, rule="r3", token=TCS, symbol="NSE:TCS", direction=Direction.UP))
    store.record_alert(an_alert("e", time_ms=50, user="u2"))
    states = {"a": DeliveryState.FAILED, "b": DeliveryState.SUPPRESSED, "d": DeliveryState.FAILED, "e": DeliveryState.FAILED}
    for alert, state in states.items():
        user = "u2" if alert == "e" else "u1"
        store.save_delivery(a_delivery(f"{alert}-c1", alert=alert, user=user, state=state))
        store.save_delivery(a_delivery(f"{alert}-c2", alert=alert, user=user, state=DeliveryState.SENT))
    assert [it.id for it in store.alerts_of("u1", only=only)] == expected
    after: Cursor = (30, "c")
    assert [it.id for it in store.alerts_of("u1", after, only=only)] == [it for it in expected if it in "ab"]


# Rules that are looked for.


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        (RuleFilter(), "dcba"),
        (RuleFilter(text="nse:t"), "db"),
        (RuleFilter(text="CS"), "db"),
        (RuleFilter(text="."), ""),
        (RuleFilter(text="%"), ""),
        (RuleFilter(text="_"), "c"),
        (RuleFilter(kind=Kind.TRAILING), "cb"),
        (RuleFilter(direction=Direction.UP), "d"),
        (RuleFilter(state=RuleState.PAUSED), "a"),
        (RuleFilter(state=RuleState.DELETED), ""),
        (RuleFilter(text="tcs", kind=Kind.TRAILING, state=RuleState.ACTIVE), "b"),
    ],
)
def test_rules_are_filtered_in_every_order_and_counted(store: Store, only: RuleFilter, expected: str) -> None:
    trailing = {"kind": Kind.TRAILING, "window_ms": 0}
    store.save_rule(a_rule("a", state=RuleState.PAUSED))
    store.save_rule(a_rule("b", token=TCS, symbol="NSE:TCS", **trailing))
    store.save_rule(a_rule("c", symbol="NSE:A_B", **trailing))
    store.save_rule(a_rule("d", token=TCS, symbol="NSE:TCS", direction=Direction.UP))
    store.save_rule(a_rule("e", token=TCS, symbol="NSE:TCS", state=RuleState.DELETED))
    store.save_rule(a_rule("f", token=TCS, symbol="NSE:TCS", user="u2"))
    newest = store.rules_of("u1", only=only)
    assert [it.id for it in newest] == list(expected)
    assert store.count_rules("u1", only) == len(expected)
    ordered = sorted(newest, key=lambda it: (it.symbol, it.id))
    assert store.rules_by_symbol("u1", only=only) == ordered
    for place, last in enumerate(newest):
        assert store.rules_of("u1", (last.updated_ms, last.id), 2, only) == newest[place + 1 :][:2]
    for place, last in enumerate(ordered):
        assert store.rules_by_symbol("u1", (last.symbol, last.id), 2, only) == ordered[place + 1 :][:2]


def test_a_renamed_instruments_rules_are_listed_where_they_belong_now(store: Store) -> None:
    store.save_rules([a_rule("a", token=TCS, symbol="NSE:TCS"), a_rule("b")])
    store.rename_instrument(TCS, "BSE:TCS")
    assert [it.id for it in store.rules_by_symbol("u1")] == ["a", "b"]
    assert [it.id for it in store.rules_by_symbol("u1", only=RuleFilter(text="bse"))] == ["a"]


# What is forgotten.


def test_what_is_too_old_is_forgotten_some_at_a_time(store: Store) -> None:
    for number in range(5):
        store.record_fired([an_alert(f"a{number}", time_ms=number)], [a_delivery(f"a{number}-c", alert=f"a{number}")])
        store.record_audit(an_entry(f"e{number}", time_ms=number))
    old = store.save_rule(a_rule("r1"))
    store.save_rule(old.model_copy(update={"state": RuleState.DELETED}))
    store.save_rule(a_rule("r2"))
    store.save_session(a_session("s1", expires_ms=1))
    store.save_session(a_session("s2"))
    store.save_one_time_token(a_one_time_token("t1", expires_ms=1))
    store.save_one_time_token(a_one_time_token("t2"))
    # Two alerts, two entries, a session and a one-time token; then one of each; then nothing is left.
    assert [store.forget(3, 3, limit=2) for _ in range(3)] == [6, 2, 0]
    assert [it.id for it in store.alerts_of("u1")] == ["a4", "a3"]
    assert store.deliveries_of("a2") == [] and len(store.deliveries_of("a3")) == 1
    assert [it.id for it in store.audit()] == ["e4", "e3"]
    assert store.session("s1") is None and store.session("s2")
    assert [it.id for it in store.one_time_tokens()] == ["t2"]
    assert store.rule("r1") is not None
    assert store.forget(now_ms() + 10_000, 0) == 3
    assert store.rule("r1") is None and store.rule("r2")


def test_of_a_user_who_is_erased_nothing_stays_but_the_audit_log(store: Store) -> None:
    for user in ("u1", "u2"):
        store.save_user(a_user(user, user))
        store.save_rule(a_rule(f"r{user}", user=user))
        store.save_channel(a_channel(f"c{user}", user=user))
        store.save_mute(a_mute(user=user))
        store.save_watchlist(user, [INFY])
        store.save_session(a_session(f"s{user}", user=user))
        store.save_one_time_token(a_one_time_token(f"t{user}", user=user))
        store.record_fired([an_alert(f"a{user}", user=user)], [a_delivery(f"a{user}-c", alert=f"a{user}", user=user)])
        store.record_audit(an_entry(f"e{user}", user=user))
    store.erase_user("u1")
    assert store.user("u1") is None and store.user_by_name("u1") is None
    assert (store.rules_of("u1"), store.channels_of("u1"), store.mutes_of("u1", 0), store.watchlist("u1")) == ([], [], [], [])
    assert (store.alerts_of("u1"), store.deliveries_of("au1"), store.sessions_of("u1"), store.one_time_token("tu1")) == (
        [],
        [],
        [],
        None,
    )
    assert len(store.audit()) == 2
    # The engine still has to hear of it.
    assert [it.state for it in store.rules_changed(0) if it.user == "u1"] == [RuleState.DELETED]
    assert store.user("u2") and store.rules_of("u2") and store.channels_of("u2") and store.watchlist("u2") == [INFY]
    assert store.mutes_of("u2", 0) and store.sessions_of("u2") and store.one_time_token("tu2") and store.deliveries_of("au2")


def test_rules_are_counted_without_the_deleted_ones(store: Store) -> None:
    store.save_rule(a_rule("r1"))
    store.save_rule(a_rule("r2", state=RuleState.PAUSED))
    store.save_rule(a_rule("r3", state=RuleState.DELETED))
    store.save_rule(a_rule("r4", user="u2"))
    assert store.count_rules("u1") == 2


def test_the_audit_log_of_one_action(store: Store) -> None:
    for number, (user, action) in enumerate((("u1", "signed in"), ("u1", "key set"), ("u2", "key set"), ("u1", "key set"))):
        store.record_audit(an_entry(f"e{number}", time_ms=number, user=user, action=action))
    assert [it.id for it in store.audit(action="key set")] == ["e3", "e2", "e1"]
    assert [it.id for it in store.audit((3, "e3"), 1, action="key set")] == ["e2"]
    assert [it.id for it in store.audit(user="u1", action="key set")] == ["e3", "e1"]


def test_the_audit_log_of_one_user(store: Store) -> None:
    for number, user in enumerate(("u1", "u2", "u1")):
        store.record_audit(an_entry(f"e{number}", time_ms=number, user=user))
    assert [it.id for it in store.audit(user="u1")] == ["e2", "e0"]
    assert [it.id for it in store.audit((2, "e2"), user="u1")] == ["e0"]


def test_settings_are_found_by_the_beginning_of_their_names(store: Store) -> None:
    for name in ("panel.A", "panel.B", "panelrevision", "Panel.C", "x.panel.D"):
        store.save_setting(name, name)
    assert set(store.settings_like("")) == {"panel.A", "panel.B", "panelrevision", "Panel.C", "x.panel.D"}
    assert store.settings_like("panel.") == {"panel.A": "panel.A", "panel.B": "panel.B"}
    store.delete_setting("panel.A")
    store.delete_setting("panel.A")
    assert store.settings_like("panel.") == {"panel.B": "panel.B"} and store.setting("panel.A") is None


def test_what_was_dumped_is_loaded_in_the_place_of_all_that_is_there(store: Store) -> None:
    store.save_user(a_user())
    store.save_channel(a_channel())
    store.save_rules([a_rule("r1"), a_rule("r2")])
    store.record_fired([an_alert()], [a_delivery()])
    store.save_instruments([an_instrument()])
    store.save_watchlist("u1", [INFY])
    store.save_setting("house", "{}")
    kept = list(store.dump())
    before = store.counts()
    assert {name: count for name, count in before.items() if count} == {
        "users": 1, "channels": 1, "rules": 2, "alerts": 1, "deliveries": 1, "instruments": 1, "watchlists": 1, "settings": 1,
    }  # fmt: skip
    changed = store.save_rule(store.rules(["r1"])[0].model_copy(update={"percent_e2": 900}))
    store.save_user(a_user("u2", "mina"))
    store.delete_setting("house")
    store.load(kept)
    assert store.counts() == before
    assert list(store.dump()) == kept
    assert store.search_instruments("infy") == [an_instrument()]
    # As before, with its revision; whoever changes it now is right, and is heard.
    (rule,) = store.rules(["r1"])
    assert (rule.percent_e2, rule.revision) == (150, changed.revision - 1)
    assert store.save_rule(rule).updated_ms > rule.updated_ms


def test_what_is_no_record_is_not_loaded(store: Store) -> None:
    with pytest.raises(InputError, match="one of the rules cannot be read, because of id, user"):
        store.load([("rules", {"token": 1})])
    with pytest.raises(InputError, match="a store has no shoes"):
        store.load([("shoes", {})])
