"""Two servers: one that is backed up, and an empty one that a backup is restored to."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from stormalert.config.settings import Settings, parse
from stormalert.redis.embedded import throwaway_server
from stormalert.store import Store, open_store

MASTER = "m" * 32


@pytest.fixture
def source(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture(scope="session")
def _target_url(processes: None) -> Iterator[str]:
    with throwaway_server() as url:
        yield url


@pytest.fixture
def target_url(_target_url: str) -> str:
    with Redis.from_url(_target_url) as client:
        client.flushall()
    return _target_url


@pytest.fixture
def target(target_url: str) -> Iterator[Redis]:
    with Redis.from_url(target_url) as client:
        yield client


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store("", tmp_path / "store.sqlite3")
    yield opened
    opened.close()


@pytest.fixture
def other_store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store("", tmp_path / "other.sqlite3")
    yield opened
    opened.close()


@pytest.fixture
def config() -> Settings:
    return parse({"STORM_MASTER_SECRET": MASTER})
