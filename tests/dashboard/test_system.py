"""The status in depth, read from a real server."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis.asyncio

from dashboard.system.depth import read_system
from stormalert.config import settings
from stormalert.process import Heartbeat, connect
from stormalert.redis import keys
from stormalert.store import Store, open_store
from stormalert.units import now_ms
from tests.conftest import free_port

CONFIG = settings.parse({"STORM_SHARDS": "2"})


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[redis.asyncio.Redis]:
    async with connect(redis_url) as opened:
        yield opened


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store("", tmp_path / "store.sqlite3")
    yield store
    store.close()


async def test_each_stream_of_each_shard_has_its_length_and_what_is_unread(client: redis.asyncio.Redis, store: Store) -> None:
    first, second = keys.all_shards(2)
    for number in range(1, 4):
        await client.xadd(first.ticks, {"token": 1}, id=f"{number}-0")
    await client.xgroup_create(first.ticks, keys.EVALUATOR_GROUP, "0")
    await client.xreadgroup(keys.EVALUATOR_GROUP, "me", {first.ticks: ">"}, count=2)
    await client.xadd(second.alerts, {"alert": "x"}, id="1-0")
    await client.hset(first.counters, mapping={"malformed": 2, "malformed_last": "1-1: no price"})
    status = await read_system(client, store, CONFIG)
    found = status["streams"]
    assert [(it["shard"], it["stream"], it["length"], it["lag"]) for it in found] == [
        ("s0", "ticks", 3, 1),
        ("s0", "alerts", 0, 0),
        ("s1", "ticks", 0, 0),
        ("s1", "alerts", 1, 1),
    ]
    assert [it["waits_ms"] > 0 for it in found] == [True, False, False, True]
    assert status["malformed"] == 2


async def test_the_server_tells_its_version_memory_and_append_only_file(client: redis.asyncio.Redis, store: Store) -> None:
    info = await client.info()
    (server,) = (await read_system(client, store, CONFIG))["servers"]
    assert server["role"] == "ticks, rules and alerts"
    assert server["version"] == info.get("valkey_version", info["redis_version"])
    assert server["used_bytes"] > 100_000 and server["max_bytes"] == info["maxmemory"]
    assert server["is_logged"] == bool(info["aof_enabled"]) and server["is_log_well"]


async def test_a_queues_own_redis_that_is_away_is_said_to_be(client: redis.asyncio.Redis, store: Store) -> None:
    config = settings.parse({"STORM_QUEUE_URL": f"redis://127.0.0.1:{free_port()}/0"})
    status = await read_system(client, store, config)
    assert [(it["role"], it["is_there"]) for it in status["servers"]] == [("ticks, rules and alerts", True), ("queue", False)]
    told = [it["level"] for it in status["findings"] if it["what"] == "The queue's Redis does not answer: messages wait."]
    assert told == ["bad"]


async def test_a_user_who_may_not_ask_the_server_sees_the_rest(
    client: redis.asyncio.Redis, redis_url: str, store: Store
) -> None:
    await client.acl_setuser("watcher", enabled=True, nopass=True, categories=["+@all"], commands=["-info"], keys=["*"])
    try:
        async with connect(redis_url.replace("redis://", "redis://watcher:x@")) as watcher:
            status = await read_system(watcher, store, CONFIG)
    finally:
        await client.acl_deluser("watcher")
    assert [(it["is_there"], it["is_told"]) for it in status["servers"]] == [(True, False)]


async def test_the_queue_is_as_dispatch_counts_it(client: redis.asyncio.Redis, store: Store) -> None:
    assert (await read_system(client, store, CONFIG))["queue"] == {}
    heart = Heartbeat("dispatch", client)
    heart.stats = {"queued": 5, "queued_since_ms": now_ms() - 60_000, "waiting_to_retry": 2, "failed": 1, "alerts": 9}
    await heart.beat()
    found = (await read_system(client, store, CONFIG))["queue"]
    assert 60_000 <= found.pop("oldest_ms") < 90_000
    assert found == {"queued": 5, "waiting_to_retry": 2, "failed": 1}


async def test_open_notices_come_the_oldest_first_and_what_another_version_wrote_is_left_out(
    client: redis.asyncio.Redis, store: Store
) -> None:
    told = {"headline": "Kite login needed", "since_ms": 2, "is_told": True, "well_ms": 0, "over": "x", "seen_ms": 3}
    await client.hset(keys.NOTICES, mapping={"login": json.dumps(told), "odd": "no JSON"})
    await client.hset(keys.NOTICES, "gaps", json.dumps({"since_ms": 1, "is_told": False, "well_ms": 0}))
    found = (await read_system(client, store, CONFIG))["notices"]
    assert [(it["name"], it["headline"], it["is_told"]) for it in found] == [
        ("gaps", None, False),
        ("login", "Kite login needed", True),
    ]


async def test_the_store_tells_its_size_and_how_long_it_takes(
    client: redis.asyncio.Redis, store: Store, tmp_path: Path
) -> None:
    config = settings.parse({"STORM_SQLITE_PATH": str(tmp_path / "store.sqlite3")})
    found = (await read_system(client, store, config))["store"]
    assert (found["kind"], found["is_there"], found["users"]) == ("SQLite", True, 0)
    assert found["size_bytes"] > 4_000 and found["latency_ms"] >= 0
