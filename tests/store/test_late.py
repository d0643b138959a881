from pathlib import Path

import pytest

from stormalert.errors import StoreError
from stormalert.store import Store, late
from stormalert.store.backend import Backend
from stormalert.store.late import Late
from stormalert.store.sqlite import Sqlite


def test_who_asks_again_at_once_hears_the_same_and_nothing_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(late, "AGAIN_S", 3_600.0)
    tries = []

    def refuse() -> Backend:
        tries.append(1)
        raise StoreError("the store is locked", "The store is locked by another program")

    store = Store(Late(refuse))
    for _ in range(3):
        with pytest.raises(StoreError, match="the store is locked") as caught:
            store.setting("a")
        assert caught.value.headline == "The store is locked by another program"
    assert len(tries) == 1
    store.close()


def test_it_is_tried_again_until_it_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(late, "AGAIN_S", 0.0)
    folder = tmp_path / "mounted"
    folder.write_text("")
    store = Store(Late(lambda: Sqlite(folder / "store.sqlite3")))
    with pytest.raises(StoreError):
        store.setting("a")
    folder.unlink()
    assert store.setting("a") is None
    store.close()
