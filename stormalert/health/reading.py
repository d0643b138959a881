"""Reads the facts as they are in this moment: from Redis, the servers themselves, and the store."""

import asyncio
import json
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Any, NamedTuple, cast

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from stormalert.away import what_is_away
from stormalert.config.settings import Settings
from stormalert.config.stored import POLICY
from stormalert.errors import StormError
from stormalert.health.facts import HOT, QUEUE, Facts, FeedGap, OpenNotice, ServerReading, Stats, StoreAnswer, StreamReading
from stormalert.health.finding import Level
from stormalert.notify.alarms import Alarm, alarms
from stormalert.process import ALIVE_MS, REDIS_ERRORS, connect
from stormalert.redis import keys
from stormalert.redis.keys import DISPATCH_GROUP, EVALUATOR_GROUP, Shard
from stormalert.redis.streams import written_ms
from stormalert.store import Store
from stormalert.units import now_ms

# A server that hangs is as good as away, and whoever asks is told so before they think that we hang.
ANSWER_WITHIN_S = 2
# Longer than a store waits for another program's lock, so that it can say so.
STORE_WITHIN_S = 5
MORE_WITHIN_S = 2 * ANSWER_WITHIN_S + STORE_WITHIN_S
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
        async with asyncio.timeout(MORE_WITHIN_S):
            counters = [await redis.hget(shard.counters, "malformed") for shard in keys.all_shards(config.shards)]
            answer, kept = await _asked(store) if store else (None, None)
            return {
                "roll": frozenset(cast(set[str], await redis.smembers(keys.ROLL))),
                "starts": stats_of(cast(Texts, await redis.hgetall(keys.STARTS))),
                "malformed": sum(int(count or 0) for count in counters),
                "servers": await _servers(redis, config),
                "store": answer,
                "alarms": kept,
            }
    except TimeoutError:
        raise RedisTimeoutError(f"no answer within {MORE_WITHIN_S} s") from None


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
    return Facts(
        now_ms=now_ms(),
        processes=await _processes(redis),
        feed=stats_of(cast(Texts, await redis.hgetall(keys.FEED))),
        gaps=gaps_of(cast(list[Entry], await redis.xrevrange(keys.GAPS, count=GAPS_MAX))),
        streams=await _streams(redis, keys.all_shards(config.shards)),
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


class _AskedStream(NamedTuple):
    """`read_to`: up to which entry the group has read; `waiting` is None where the server cannot tell."""

    name: str
    shard: str
    key: str
    length: int
    waiting: int | None
    read_to: str


async def _streams(redis: Redis, shards: Sequence[Shard]) -> list[StreamReading]:
    """In two turns, however many shards there are."""
    named = [
        (name, shard.tag, key, group)
        for shard in shards
        for name, key, group in (("ticks", shard.ticks, EVALUATOR_GROUP), ("alerts", shard.alerts, DISPATCH_GROUP))
    ]
    async with redis.pipeline(transaction=False) as pipe:
        for _, _, key, _ in named:
            pipe.xlen(key)
            pipe.xinfo_groups(key)
        found = iter(await pipe.execute(raise_on_error=False))
    asked = [_AskedStream(name, tag, key, *_unread(next(found), next(found), group)) for name, tag, key, group in named]
    behind = [it for it in asked if it.waiting != 0]
    async with redis.pipeline(transaction=False) as pipe:
        for it in behind:
            pipe.xrange(it.key, min=f"({it.read_to}", count=COUNTED_MAX if it.waiting is None else 1)
        unread = dict(zip(behind, await pipe.execute(), strict=True)) if behind else {}
    return [_read_stream(it, unread.get(it, [])) for it in asked]


def _unread(length: int | Exception, groups: list[dict[str, Any]] | Exception, group: str) -> tuple[int, int | None, str]:
    """How many entries there are, how many the group has not read, and up to which it has; what is not there yet read none."""
    if isinstance(groups, ResponseError) and not isinstance(length, Exception):
        # No stream yet.
        return length, 0, "0-0"
    if isinstance(groups, Exception):
        raise groups
    if isinstance(length, Exception):
        raise length
    ours = next((each for each in groups if each["name"] == group), None)
    if ours is None:
        return length, length, "0-0"
    # No lag of a group that was put into the middle, or points into a gap.
    return length, None if ours["lag"] is None else int(ours["lag"]), str(ours["last-delivered-id"])


def _read_stream(it: _AskedStream, unread: Sequence[Entry]) -> StreamReading:
    waiting = len(unread) if it.waiting is None else it.waiting
    return StreamReading(it.name, it.shard, it.length, waiting, written_ms(unread[0][0]) if unread else 0)


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


async def _asked(store: Store) -> tuple[StoreAnswer, list[Alarm] | None]:
    try:
        async with asyncio.timeout(STORE_WITHIN_S):
            return await asyncio.to_thread(ask_store, store)
    except TimeoutError:
        return StoreAnswer(None), None


def ask_store(store: Store) -> tuple[StoreAnswer, list[Alarm] | None]:
    """Whether and how soon it answers, and the alarms in it. Blocks for as long as the store takes."""
    began_s = time.monotonic()
    try:
        store.setting(POLICY.name)
        took_s = time.monotonic() - began_s
        return StoreAnswer(took_s), alarms(store)
    except StormError as error:
        return StoreAnswer(None, what_is_away(error)), None


async def _servers(redis: Redis, config: Settings) -> list[ServerReading]:
    found = [await read_server(redis)]
    if config.queue_url and config.queue_url != config.redis_url:
        async with aclosing(connect(config.queue_url, ANSWER_WITHIN_S)) as queue:
            found.append(await read_server(queue, QUEUE))
    return found
