"""What pages say while a process is there, and when it is not any more."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from dashboard import resources
from dashboard.admin import kite
from dashboard.chart import candles
from dashboard.system import onboarding
from stormalert.config import settings
from stormalert.errors import InputError
from stormalert.process import ALIVE_MS, connect_in_thread, is_beating
from stormalert.redis import keys
from stormalert.store import open_store
from stormalert.units import now_ms

STREAMING = {"state": "streaming", "reason": "ticks arrive", "ticks_per_s": "900"}


@pytest.fixture
def client(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Redis]:
    """Of a Redis to which ingest told that prices stream."""
    opened, store = connect_in_thread(redis_url), open_store("", tmp_path / "store.sqlite3")
    monkeypatch.setattr(resources, "thread_redis", lambda: opened)
    monkeypatch.setattr(resources, "store", lambda: store)
    monkeypatch.setattr(resources, "config", lambda: settings.parse({}))
    opened.hset(keys.FEED, mapping=STREAMING)
    yield opened
    opened.close()
    store.close()


def beat(client: Redis, name: str, age_ms: int = 0) -> None:
    client.zadd(keys.BEATS, {keys.alive(name, "host", 1): now_ms() - age_ms})


def test_a_process_is_there_until_it_has_missed_some_beats(client: Redis) -> None:
    assert not is_beating(client, "ingest")
    beat(client, "ingest-other")
    assert not is_beating(client, "ingest")
    beat(client, "ingest")
    assert is_beating(client, "ingest")
    beat(client, "ingest", ALIVE_MS + 1_000)
    assert not is_beating(client, "ingest")


def test_a_feed_streams_only_while_ingest_is_there_to_say_so(client: Redis) -> None:
    beat(client, "ingest")
    assert kite.read_feed() == STREAMING
    assert [step.is_done for step in onboarding.look("u1") if step.name == "Log in to Kite"] == [True]
    beat(client, "ingest", ALIVE_MS + 1_000)
    # Not even ours arrives.
    assert kite.read_feed() == {"state": "unknown", "reason": "no heartbeat arrives: is Redis full?"}
    beat(client, "dashboard")
    assert kite.read_feed() == {"state": "unknown", "reason": "ingest is not running"}
    (login,) = [step for step in onboarding.look("u1") if step.name == "Log in to Kite"]
    assert not login.is_done and "nothing is heard of ingest" in login.told
    with pytest.raises(InputError, match="Ingest is not running"):
        candles.candles(408065, 0, 1)
