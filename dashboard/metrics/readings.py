"""What /metrics is made of, as it is in this moment: read from Redis, the store and the servers themselves."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, cast

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.exceptions import ResponseError

from dashboard.system.status import ANSWER_WITHIN_S, Status, Texts, lag, read_processes, stats_of
from stormalert.config.settings import Settings
from stormalert.config.stored import POLICY
from stormalert.errors import StormError
from stormalert.model import ChannelKind
from stormalert.notify import alarms
from stormalert.process import REDIS_ERRORS, connect
from stormalert.redis import keys
from stormalert.redis.streams import written_ms
from stormalert.store import Store
from stormalert.units import now_ms


@dataclass(frozen=True)
class StreamReading:
    """`oldest_ms`: when the oldest entry was written that its group has not read; 0 when there is none."""

    name: str
    shard: str
    length: int
    waiting: int
    oldest_ms: int


@dataclass(frozen=True)
class ServerReading:
    """`role`: hot (ticks, rules, alerts) or queue; `nodes`: what each tells of itself; None: it does not answer."""

    role: str
    nodes: dict[str, dict[str, Any]] | None


@dataclass(frozen=True)
class Readings:
    now_ms: int
    processes: Sequence[Status] = ()
    # Names of processes that ever beat.
    roll: frozenset[str] = frozenset()
    starts: Status = field(default_factory=dict)
    feed: Status = field(default_factory=dict)
    streams: Sequence[StreamReading] = ()
    malformed: int = 0
    servers: Sequence[ServerReading] = ()
    # How long the store took to answer; None: it did not.
    store_s: float | None = None
    alarmed: frozenset[ChannelKind] = frozenset()


async def read(redis: Redis, store: Store, config: Settings) -> Readings:
    """Raises RedisError when the server of the heartbeats does not answer."""
    shards = keys.all_shards(config.shards)
    counters = [await redis.hget(shard.counters, "malformed") for shard in shards]
    store_s, alarmed = await asyncio.to_thread(_ask_store, store)
    return Readings(
        now_ms=now_ms(),
        processes=await read_processes(redis),
        roll=frozenset(cast(set[str], await redis.smembers(keys.ROLL))),
        starts=stats_of(cast(Texts, await redis.hgetall(keys.STARTS))),
        feed=stats_of(cast(Texts, await redis.hgetall(keys.FEED))),
        streams=[
            await _stream(redis, name, shard.tag, key, group)
            for shard in shards
            for name, key, group in (
                ("ticks", shard.ticks, keys.EVALUATOR_GROUP),
                ("alerts", shard.alerts, keys.DISPATCH_GROUP),
            )
        ],
        malformed=sum(int(count or 0) for count in counters),
        servers=await _servers(redis, config),
        store_s=store_s,
        alarmed=alarmed,
    )


def _ask_store(store: Store) -> tuple[float | None, frozenset[ChannelKind]]:
    began_s = time.monotonic()
    try:
        store.setting(POLICY.name)
        took_s = time.monotonic() - began_s
        return took_s, frozenset(alarm.kind for alarm in alarms.alarms(store))
    except StormError:
        return None, frozenset()


async def _stream(redis: Redis, name: str, shard: str, key: str, group: str) -> StreamReading:
    return StreamReading(
        name, shard, int(await redis.xlen(key)), await lag(redis, key, group), await _oldest_ms(redis, key, group)
    )


async def _oldest_ms(redis: Redis, key: str, group: str) -> int:
    try:
        groups = await redis.xinfo_groups(key)
    except ResponseError:
        # No stream yet.
        return 0
    read_to = next((str(each["last-delivered-id"]) for each in groups if each["name"] == group), "0-0")
    unread = cast(list[tuple[str, Any]], await redis.xrange(key, min=f"({read_to}", count=1))
    return written_ms(unread[0][0]) if unread else 0


async def _servers(redis: Redis, config: Settings) -> list[ServerReading]:
    found = [ServerReading("hot", await _told_by(redis))]
    if config.queue_url and config.queue_url != config.redis_url:
        async with aclosing(connect(config.queue_url, ANSWER_WITHIN_S)) as queue:
            found.append(ServerReading("queue", await _told_by(queue)))
    return found


async def _told_by(client: Redis) -> dict[str, dict[str, Any]] | None:
    """INFO by node; of a server that does not let us ask, nothing."""
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            if isinstance(client, RedisCluster):
                return cast(dict[str, dict[str, Any]], await client.info(target_nodes=RedisCluster.PRIMARIES))
            return {"": await client.info()}
    except ResponseError:
        return {}
    except (*REDIS_ERRORS, TimeoutError):
        return None
