from collections.abc import Iterator
from pathlib import Path

import pytest

from stormalert.config import policy, settings
from stormalert.config.policy import Policy
from stormalert.store import Store, open_store
from stormalert.units import DAY_MS, now_ms
from tests.store.records import a_delivery, an_alert, an_entry
from workers.retention import Retention


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store("", tmp_path / "store.sqlite3")
    yield store
    store.close()


def seed(store: Store) -> None:
    for days in (1, 40, 400):
        at_ms = now_ms() - days * DAY_MS
        store.record_fired([an_alert(f"a{days}", time_ms=at_ms)], [a_delivery(f"a{days}-c", alert=f"a{days}")])
        store.record_audit(an_entry(f"e{days}", time_ms=at_ms))


def test_what_is_older_than_the_house_keeps_is_forgotten(store: Store) -> None:
    seed(store)
    retention = Retention(store, settings.parse({}))
    assert retention.forget() == 1
    assert [it.id for it in store.alerts_of("u1")] == ["a1", "a40"] and store.deliveries_of("a400") == []
    policy.save(store, Policy(keep_days=30, keep_audit_days=100))
    assert (retention.forget(), retention.forget()) == (2, 0)
    assert [it.id for it in store.alerts_of("u1")] == ["a1"] and len(store.deliveries_of("a1")) == 1
    assert [it.id for it in store.audit()] == ["e1", "e40"]


def test_more_than_goes_at_once_goes_all_the_same(store: Store) -> None:
    store.record_fired([an_alert(f"a{number}", time_ms=number) for number in range(2_500)], [])
    assert Retention(store, settings.parse({})).forget() == 2_500


def test_a_recorded_market_is_not_forgotten_for_its_age(store: Store) -> None:
    seed(store)
    assert Retention(store, settings.parse({"STORM_MARKET_HOURS": "always"})).forget() == 0
    assert len(store.alerts_of("u1")) == 3
