"""Reads the facts as they are in this moment: from Redis, the servers themselves, and the store."""

import asyncio
import json
import re
import time
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any, cast

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from stormalert.config.settings import Settings
from stormalert.config.stored import POLICY
from stormalert.errors import StormError
from stormalert.health.facts import HOT, QUEUE, Facts, FeedGap, OpenNotice, ServerReading, Stats, StoreAnswer, StreamReading
from stormalert.health.finding import Level
from stormalert.notify.alarms import Alarm, alarms
from stormalert.process import ALIVE_MS, REDIS_ERRORS, connect
from stormalert.redis import keys
from stormalert.redis.streams import written_ms
from stormalert.store import Store
from stormalert.units import now_ms

# A server that hangs is as good as away, and whoever asks is told so before they think that we hang.
ANSWER_WITHIN_S = 2
COUNTED_MAX = 10_000
GAPS_MAX = 100

_NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?")
Texts = Mapping[str, str]
Entry = tuple[str, Texts]


async def read_facts(redis: Redis, config: Settings) -> Facts:
    """What Redis holds, and what its server tells of itself. Raises RedisError."""
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            return await _read(redis, config)
    except TimeoutError:
        raise RedisTimeoutError(f"no answer within {ANSWER_WITHIN_S} s") from None


async def read_more(redis: Redis, store: Store | None, config: Settings) -> dict[str, Any]:
    """More of the facts, by name, for those who have the rights: the roll, the queue's server, the store. Raises RedisError."""
    try:
        # Beside that server, it waits for two others.
        async with asyncio.timeout(3 * ANSWER_WITHIN_S):
            counters = [await redis.hget(shard.counters, "malformed") for shard in keys.all_shards(config.shards)]
            answer, kept = await asyncio.to_thread(_ask, store) if store else (None, None)
            return {
                "roll": frozenset(cast(set[str], await redis.smembers(keys.ROLL))),
                "starts": stats_of(cast(Texts, await redis.hgetall(keys.STARTS))),
                "malformed": sum(int(count or 0) for count in counters),
                "servers": await _servers(redis, config),
                "store": answer,
                "alarms": kept,
            }
    except TimeoutError:
        raise RedisTimeoutError(f"no answer within {3 * ANSWER_WITHIN_S} s") from None


async def read_server(client: Redis, role: str = HOT) -> ServerReading:
    """What it tells of itself, by node."""
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            if isinstance(client, RedisCluster):
                found = await client.info(target_nodes=RedisCluster.PRIMARIES)
                return ServerReading(role, cast(dict[str, dict[str, Any]], found))
            return ServerReading(role, {"": await client.info()})
    except ResponseError:
        # NoPermissionError is one.
        return ServerReading(role, {})
    except (*REDIS_ERRORS, TimeoutError):
        return ServerReading(role, None)


async def _read(redis: Redis, config: Settings) -> Facts:
    shards = keys.all_shards(config.shards)
    return Facts(
        now_ms=now_ms(),
        processes=await _processes(redis),
        feed=stats_of(cast(Texts, await redis.hgetall(keys.FEED))),
        gaps=gaps_of(cast(list[Entry], await redis.xrevrange(keys.GAPS, count=GAPS_MAX))),
        streams=[
            await _stream(redis, name, shard.tag, key, group)
            for shard in shards
            for name, key, group in (
                ("ticks", shard.ticks, keys.EVALUATOR_GROUP),
                ("alerts", shard.alerts, keys.DISPATCH_GROUP),
            )
        ],
        servers=[await read_server(redis)],
        notices=notices_of(cast(Texts, await redis.hgetall(keys.NOTICES))),
    )


async def _processes(redis: Redis) -> list[Stats]:
    beating = cast(list[str], await redis.zrangebyscore(keys.BEATS, now_ms() - ALIVE_MS, "+inf"))
    async with redis.pipeline(transaction=False) as pipe:
        for key in beating:
            pipe.hgetall(key)
        found = await pipe.execute()
    return [
        {"name": name, "process": place, **stats_of(stats)}
        for (name, place), stats in sorted(zip(map(keys.process_of, beating), found, strict=True), key=lambda it: it[0])
        if stats
    ]


async def _stream(redis: Redis, name: str, shard: str, key: str, group: str) -> StreamReading:
    length = int(await redis.xlen(key))
    waiting, read_to = await _unread(redis, key, group, length)
    oldest = cast(list[Entry], await redis.xrange(key, min=f"({read_to}", count=1)) if waiting else []
    return StreamReading(name, shard, length, waiting, written_ms(oldest[0][0]) if oldest else 0)


async def _unread(redis: Redis, key: str, group: str, length: int) -> tuple[int, str]:
    """Entries that the group has not read, and up to which it has; those of a group that is not there yet are all."""
    try:
        groups = await redis.xinfo_groups(key)
    except ResponseError:
        # No stream yet.
        return 0, "0-0"
    ours = next((each for each in groups if each["name"] == group), None)
    if ours is None:
        return length, "0-0"
    read_to = str(ours["last-delivered-id"])
    if ours["lag"] is None:
        # The server cannot tell it for a group that was put into the middle, or points into a gap.
        return len(cast(list[object], await redis.xrange(key, min=f"({read_to}", count=COUNTED_MAX))), read_to
    return int(ours["lag"]), read_to


def gaps_of(entries: list[Entry]) -> list[FeedGap]:
    """Newest first."""
    return [FeedGap(int(it["from"]), int(it["to"]), it["reason"], int(it["lost"])) for _, it in entries]


def notices_of(texts: Texts) -> list[OpenNotice]:
    """The oldest first."""
    found = []
    for name, text in texts.items():
        try:
            kept = json.loads(text)
            level = Level(kept.get("level", Level.BAD))
            since_ms, is_told, well_ms = kept.get("since_ms") or 0, bool(kept.get("is_told")), kept.get("well_ms") or 0
        except (ValueError, AttributeError):
            # Another version's.
            continue
        found.append(OpenNotice(name, kept.get("headline"), since_ms, is_told, well_ms, level))
    return sorted(found, key=lambda it: it.since_ms)


def stats_of(texts: Texts) -> Stats:
    """Numbers as numbers."""
    return {name: _number(text) if _NUMBER.fullmatch(text) else text for name, text in texts.items()}


def _number(text: str) -> int | float:
    return float(text) if "." in text else int(text)


def _ask(store: Store) -> tuple[StoreAnswer, list[Alarm] | None]:
    began_s = time.monotonic()
    try:
        store.setting(POLICY.name)
        took_s = time.monotonic() - began_s
        return StoreAnswer(took_s), alarms(store)
    except StormError:
        return StoreAnswer(None), None


async def _servers(redis: Redis, config: Settings) -> list[ServerReading]:
    found = [await read_server(redis)]
    if config.queue_url and config.queue_url != config.redis_url:
        async with aclosing(connect(config.queue_url, ANSWER_WITHIN_S)) as queue:
            found.append(await read_server(queue, QUEUE))
    return found
