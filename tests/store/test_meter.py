from pathlib import Path

import pytest

from stormalert.errors import Conflict, StormError
from stormalert.histogram import Counted
from stormalert.model import Role, User
from stormalert.store import Store
from stormalert.store.meter import Meter
from stormalert.store.sqlite import Sqlite
from tests.store.records import a_delivery, a_rule, an_alert

ASHA = User(id="u1", name="asha", password_hash="x", role=Role.ADMIN, created_ms=1)


def calls(meter: Meter) -> int:
    counted = Counted.read(meter.calls.text)
    assert counted is not None
    return sum(counted.by_bucket)


def test_operations_are_counted_and_answer_as_they_would_otherwise(tmp_path: Path) -> None:
    meter = Meter()
    assert meter.stats == {}
    store = Store(Sqlite(tmp_path / "store.sqlite3"), meter)
    assert store.save_user(ASHA).revision == 1 and store.user("u1").name == "asha"
    assert (calls(meter), meter.errors) == (2, 0)
    assert meter.stats == {"store_calls": meter.calls.text, "store_errors": 0}
    store.close()


def test_a_store_that_fails_is_an_error_and_a_conflict_is_none(tmp_path: Path) -> None:
    meter = Meter()
    store = Store(Sqlite(tmp_path / "store.sqlite3"), meter)
    store.save_user(ASHA)
    with pytest.raises(Conflict):
        store.save_user(ASHA)
    assert (calls(meter), meter.errors) == (2, 0)
    store.close()
    with pytest.raises(StormError):
        store.user("u1")
    assert (calls(meter), meter.errors) == (4, 1)


def test_an_operation_is_counted_once_whatever_it_asks_of_the_database(tmp_path: Path) -> None:
    meter = Meter()
    store = Store(Sqlite(tmp_path / "store.sqlite3"), meter)
    for ask in (
        lambda: store.record_fired([an_alert()], [a_delivery()]),
        lambda: store.save_rules([a_rule("r1"), a_rule("r2")]),
        lambda: store.erase_user("u1"),
        lambda: store.forget(0, 0),
        lambda: store.load([]),
    ):
        before = calls(meter)
        ask()
        assert calls(meter) == before + 1
    store.close()
