from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from stormalert.store import Store, open_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty one in a file of its own."""
    store = open_store("", tmp_path / "store.sqlite3")
    yield store
    store.close()


@pytest.fixture
def client(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url, decode_responses=True) as client:
        yield client
