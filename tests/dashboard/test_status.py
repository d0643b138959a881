import socket
from collections.abc import AsyncIterator

import pytest
import redis.asyncio
from redis.exceptions import RedisError

from dashboard.system.status import GAPS_SHOWN, for_everyone, read_status
from stormalert.config import settings
from stormalert.health.reading import ANSWER_WITHIN_S
from stormalert.process import ALIVE_MS, Heartbeat, connect
from stormalert.redis import keys
from stormalert.units import now_ms

CONFIG = settings.parse({"STORM_SHARDS": "2"})
FIRST, SECOND = keys.all_shards(2)
NEEDED = ["ingest", "evaluator", "dispatch", "worker"]
DEAD_FEED = {"state": "unknown", "reason": "ingest is not running"}


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[redis.asyncio.Redis]:
    async with connect(redis_url) as opened:
        yield opened


async def waiting(client: redis.asyncio.Redis) -> dict[str, int]:
    found = (await read_status(client, CONFIG))["waiting"]
    assert isinstance(found, dict)
    return found


async def add(client: redis.asyncio.Redis, stream: str, count: int) -> list[str]:
    return [await client.xadd(stream, {"token": 1}) for _ in range(count)]


async def test_an_empty_server_waits_for_everything(client: redis.asyncio.Redis) -> None:
    before_ms = now_ms()
    status = await read_status(client, CONFIG)
    assert before_ms <= status.pop("time_ms") <= now_ms()
    nothing = {"feed": DEAD_FEED, "gaps": [], "waiting": {"ticks": 0, "alerts": 0}, "processes": [], "notices": []}
    assert status == nothing | {"missing": NEEDED, "memory": {"percent": 0, "words": ""}, "is_disk_full": False}


async def test_entries_of_a_stream_that_no_group_reads_yet_all_wait(client: redis.asyncio.Redis) -> None:
    await add(client, FIRST.ticks, 3)
    await add(client, SECOND.ticks, 2)
    await add(client, SECOND.alerts, 4)
    # Somebody else's group is not the one that counts.
    await client.xgroup_create(SECOND.alerts, "curious", "$")
    assert await waiting(client) == {"ticks": 5, "alerts": 4}


async def test_what_the_group_has_read_does_not_wait_in_any_shard(client: redis.asyncio.Redis) -> None:
    for shard, count in ((FIRST, 2), (SECOND, 5)):
        await add(client, shard.ticks, 6)
        await client.xgroup_create(shard.ticks, keys.EVALUATOR_GROUP, "0")
        await client.xreadgroup(keys.EVALUATOR_GROUP, "me", {shard.ticks: ">"}, count=count)
    assert await waiting(client) == {"ticks": 4 + 1, "alerts": 0}


async def test_a_lag_that_the_server_cannot_tell_is_counted(client: redis.asyncio.Redis) -> None:
    ids = await add(client, FIRST.ticks, 6)
    await client.xgroup_create(FIRST.ticks, keys.EVALUATOR_GROUP, ids[1])
    await client.xdel(FIRST.ticks, ids[3])
    (group,) = await client.xinfo_groups(FIRST.ticks)
    assert group["lag"] is None
    assert (await waiting(client))["ticks"] == 3


async def test_the_processes_that_beat_are_there_with_their_stats_as_numbers(client: redis.asyncio.Redis) -> None:
    heart = Heartbeat("evaluator", client)
    heart.stats = {"ticks": 12, "state": "armed", "took_ms": 1.5}
    await heart.beat()
    status = await read_status(client, CONFIG)
    assert status["missing"] == ["ingest", "dispatch", "worker"]
    (process,) = status["processes"]
    assert process["name"] == "evaluator" and process["process"].startswith(socket.gethostname())
    assert (process["ticks"], process["state"], process["took_ms"]) == (12, "armed", 1.5)
    assert isinstance(process["beat_ms"], int)


async def test_a_process_whose_last_beat_is_too_old_is_missing(client: redis.asyncio.Redis) -> None:
    await Heartbeat("ingest", client).beat()
    (key,) = await client.zrange(keys.BEATS, 0, -1)
    assert "ingest" not in (await read_status(client, CONFIG))["missing"]
    await client.zadd(keys.BEATS, {key: now_ms() - ALIVE_MS - 1_000})
    assert "ingest" in (await read_status(client, CONFIG))["missing"]


async def test_one_of_several_workers_is_enough(client: redis.asyncio.Redis) -> None:
    for pid in (1, 2):
        key = keys.alive("worker", "host", pid)
        await client.hset(key, mapping={"beat_ms": now_ms()})
        await client.zadd(keys.BEATS, {key: now_ms()})
    await client.delete(keys.alive("worker", "host", 1))
    status = await read_status(client, CONFIG)
    assert "worker" not in status["missing"]
    assert [process["process"] for process in status["processes"]] == ["host-2"]


async def test_the_feed_is_told_in_words_and_numbers(client: redis.asyncio.Redis) -> None:
    await Heartbeat("ingest", client).beat()
    await client.hset(keys.FEED, mapping={"state": "login_needed", "reason": "Kite's access ended at 06:00", "ticks": 7})
    feed = (await read_status(client, CONFIG))["feed"]
    assert feed == {"state": "login_needed", "reason": "Kite's access ended at 06:00", "ticks": 7}


async def test_what_ingest_told_before_it_ended_is_no_state_of_now(client: redis.asyncio.Redis) -> None:
    moments = {"frame_ms": 5, "listed": 9_000, "listed_ms": 4}
    told = {"state": "streaming", "reason": "ticks arrive", "since_ms": 3, "ticks_per_s": 900, "delay_p99_ms": 2} | moments
    await client.hset(keys.FEED, mapping=told | {"trouble": "no holidays"})
    assert (await read_status(client, CONFIG))["feed"] == DEAD_FEED | moments


async def test_in_a_full_redis_nobody_is_missing_and_the_feed_is_not_known(client: redis.asyncio.Redis) -> None:
    await client.config_set("maxmemory", 1)
    try:
        status = await read_status(client, CONFIG)
    finally:
        await client.config_set("maxmemory", 0)
    assert status["missing"] == []
    assert status["feed"] == {"state": "unknown", "reason": "Redis is full, so that nobody can tell of themselves"}


async def test_the_newest_gaps_come_first(client: redis.asyncio.Redis) -> None:
    for number in range(GAPS_SHOWN + 5):
        await client.xadd(keys.GAPS, {"from": number, "to": number + 1, "reason": "mute", "lost": 2})
    gaps = (await read_status(client, CONFIG))["gaps"]
    assert len(gaps) == GAPS_SHOWN
    assert gaps[0] == {"from_ms": GAPS_SHOWN + 4, "to_ms": GAPS_SHOWN + 5, "reason": "mute", "lost": 2}


async def test_what_is_wrong_inside_is_for_admins(client: redis.asyncio.Redis) -> None:
    await Heartbeat("ingest", client).beat()
    await client.hset(keys.FEED, mapping={"state": "streaming", "trouble": "the store /srv/x is away", "left_out": 3})
    await client.hset(keys.FEED, "troubles", '{"store": "the store /srv/x is away"}')
    status = await read_status(client, CONFIG)
    assert status["feed"]["trouble"] == "the store /srv/x is away"
    assert for_everyone(status)["feed"] == {"state": "streaming", "left_out": 3}


async def test_everyone_sees_what_is_missing_but_no_host(client: redis.asyncio.Redis) -> None:
    await Heartbeat("relay", client).beat()
    status = await read_status(client, CONFIG)
    seen = for_everyone(status)
    assert set(seen) == {"time_ms", "feed", "waiting", "missing"}
    assert socket.gethostname() in str(status["processes"]) and socket.gethostname() not in str(seen)


async def test_a_server_that_is_away_is_redis_own_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        # It takes the connection and never answers.
        async with connect(f"redis://127.0.0.1:{silent.getsockname()[1]}/0") as client:
            with pytest.raises(RedisError, match=f"no answer within {ANSWER_WITHIN_S} s"):
                await read_status(client, CONFIG)
