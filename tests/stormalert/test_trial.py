from collections.abc import Iterator
from pathlib import Path

import pytest

from stormalert import trial
from stormalert.errors import InputError
from stormalert.store import Store, open_store
from stormalert.units import now_ms
from tests.store.records import a_channel


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store("", tmp_path / "store.sqlite3")
    yield store
    store.close()


def test_a_test_message_is_there_for_the_sweeper_at_once(store: Store) -> None:
    channel = store.save_channel(a_channel())
    delivery = trial.send(store, channel)
    assert [found.id for found in store.unfinished_deliveries(now_ms() - 8_000)] == [delivery.id]
    alert = store.alert(delivery.alert)
    assert alert is not None
    assert (alert.symbol, alert.user, delivery.channel) == (trial.SYMBOL, channel.user, channel.id)


def test_test_messages_do_not_follow_each_other_closely(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    channel = store.save_channel(a_channel())
    monkeypatch.setattr(trial, "now_ms", lambda: 1_700_000_000_000)
    trial.send(store, channel)
    with pytest.raises(InputError, match="in 30 seconds"):
        trial.send(store, channel)
    monkeypatch.setattr(trial, "now_ms", lambda: 1_700_000_000_000 + trial.PAUSE_MS)
    trial.send(store, channel)


def test_a_channel_that_is_off_gets_none(store: Store) -> None:
    with pytest.raises(InputError, match="Switch the channel on first"):
        trial.send(store, store.save_channel(a_channel(is_on=False)))
