import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from stormalert.store import Store, open_store
from tests.store import mongo


@pytest.fixture(params=["sqlite", "mongomock", "mongodb"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """An empty store of every implementation; MongoDB itself only where STORM_TEST_MONGO_URL says where one is."""
    if request.param == "sqlite":
        opened = open_store("", tmp_path / "store.sqlite3")
        yield opened
        opened.close()
    elif request.param == "mongomock":
        with mongo.mocked(monkeypatch) as opened:
            yield opened
    elif uri := os.environ.get("STORM_TEST_MONGO_URL"):
        with mongo.real(uri) as opened:
            yield opened
    else:
        pytest.skip("STORM_TEST_MONGO_URL is not set")
