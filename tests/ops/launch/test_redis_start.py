from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from ops.doctor import servers
from ops.launch.redis_start import RedisStart
from stormalert.health.finding import Level
from stormalert.redis.embedded import MENDED


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


def test_what_is_mended_is_told_once_and_what_was_mended_before_not_again(client: redis.Redis, tmp_path: Path) -> None:
    (tmp_path / MENDED).write_text("2026-11-30T04:00:00Z redis: an old story\n")
    start = RedisStart(client, tmp_path)
    assert list(start.look(is_well=False)) == []
    with (tmp_path / MENDED).open("a") as file:
        file.write("2026-12-01T04:00:00Z redis: 4096 bytes are lost\n")
    assert list(start.look(is_well=False)) == ["redis: 4096 bytes are lost"]
    assert list(start.look(is_well=True)) == []


def test_what_is_kept_of_a_damaged_file_is_told_by_the_doctor_until_it_is_removed(tmp_path: Path) -> None:
    kept = tmp_path / "appendonly.aof.2.incr.aof.damaged-20261201-040000"
    kept.touch()
    (found,) = servers._kept(tmp_path)
    assert found.level is Level.WAIT and str(kept) in found.what
    kept.unlink()
    assert list(servers._kept(tmp_path)) == []
