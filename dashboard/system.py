"""The status in depth, for admins: streams, the servers behind them, the queue, the store, and the notices that are open."""

import asyncio
import json
import time
from typing import Any, cast

from redis.asyncio import Redis
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from dashboard.checkup import checkup
from dashboard.status import ANSWER_WITHIN_S, Status, Texts, lag, read_status
from stormalert import keys
from stormalert.errors import StormError
from stormalert.process import UNREACHABLE
from stormalert.settings import Settings
from stormalert.store import Store
from stormalert.units import SECOND_MS

# What INFO calls it, and what it is called here.
_INFO = {
    "used_memory": "used_bytes",
    "maxmemory": "max_bytes",
    "maxmemory_policy": "policy",
    "evicted_keys": "evicted",
    "connected_clients": "clients",
    "rejected_connections": "rejected",
    "uptime_in_seconds": "uptime_s",
    "instantaneous_ops_per_sec": "commands_per_s",
}
_QUEUE = ("queued", "waiting_to_retry", "failed")


async def read_system(redis: Redis, queue: Redis | None, store: Store, config: Settings) -> Status:
    """`queue` is the queue's Redis when it has one of its own. Raises RedisError when the other one does not answer."""
    status = await read_status(redis, config)
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            more = {
                "streams": await _streams(redis, config),
                "servers": await _servers(redis, queue),
                "queue": _queue(status),
                "notices": _notices(cast(Texts, await redis.hgetall(keys.NOTICES))),
            }
    except TimeoutError:
        raise RedisTimeoutError(f"no answer within {ANSWER_WITHIN_S} s") from None
    system = status | more | {"store": await asyncio.to_thread(_store, store, config)}
    return system | {"findings": [finding.as_dict() for finding in checkup(system)]}


async def _streams(redis: Redis, config: Settings) -> list[Status]:
    found: list[Status] = []
    for shard in keys.all_shards(config.shards):
        faults = cast(Texts, await redis.hgetall(shard.counters))
        for name, stream, group in (
            ("ticks", shard.ticks, keys.EVALUATOR_GROUP),
            ("alerts", shard.alerts, keys.DISPATCH_GROUP),
        ):
            length, behind = int(await redis.xlen(stream)), await lag(redis, stream, group)
            found.append({"shard": shard.tag, "stream": name, "group": group, "length": length, "lag": behind})
        if faults:
            found[-2] |= {"malformed": int(faults.get("malformed", 0)), "fault": faults.get("malformed_last", "")}
    return found


async def _servers(redis: Redis, queue: Redis | None) -> list[Status]:
    found = await _nodes("ticks, rules and alerts" if queue else "ticks, rules, alerts and queue", redis)
    return found + (await _nodes("queue", queue) if queue else [])


async def _nodes(role: str, redis: Redis) -> list[Status]:
    """One, or those of a cluster; `is_told` is false where our user may not ask it."""
    begun = time.monotonic()
    try:
        info: dict[str, Any] = await redis.info()
    except UNREACHABLE:
        return [{"role": role, "is_there": False, "is_told": False}]
    except ResponseError:
        return [{"role": role, "is_there": True, "is_told": False}]
    latency_ms = round((time.monotonic() - begun) * SECOND_MS, 1)
    nodes = {"": info} if "redis_version" in info else info
    return [_node(f"{role} {name}".strip(), node, latency_ms) for name, node in nodes.items()]


def _node(role: str, info: dict[str, Any], latency_ms: float) -> Status:
    version = info.get("valkey_version") or info["redis_version"]
    return {
        "role": role,
        "is_there": True,
        "is_told": True,
        "server": info.get("server_name") or "redis",
        "version": version,
        "is_logged": bool(info.get("aof_enabled")),
        "is_log_well": info.get("aof_last_write_status", "ok") == "ok" and info.get("aof_last_bgrewrite_status", "ok") == "ok",
        "latency_ms": latency_ms,
        **{ours: info[theirs] for theirs, ours in _INFO.items() if theirs in info},
    }


def _queue(status: Status) -> Status:
    """As dispatch counts it; empty when dispatch is away."""
    found: Status = next((it for it in status["processes"] if it["name"] == "dispatch"), {})
    queue = {name: found[name] for name in _QUEUE if name in found}
    since_ms = found.get("queued_since_ms", 0)
    return queue | {"oldest_ms": max(0, status["time_ms"] - since_ms) if since_ms else 0} if queue else {}


def _notices(texts: Texts) -> list[Status]:
    """What is wrong, as the bot keeps it, the oldest first."""
    found: list[Status] = []
    for name, text in texts.items():
        try:
            kept = json.loads(text)
        except ValueError:
            # Another version's.
            continue
        found.append({"name": name} | {key: kept.get(key) for key in ("headline", "since_ms", "is_told", "well_ms")})
    return sorted(found, key=lambda it: it["since_ms"] or 0)


def _store(store: Store, config: Settings) -> Status:
    found: Status = {"kind": "MongoDB" if config.mongodb_uri else "SQLite", "is_there": True}
    begun = time.monotonic()
    try:
        found["users"] = len(store.users())
    except StormError as error:
        return found | {"is_there": False, "reason": str(error)}
    found["latency_ms"] = round((time.monotonic() - begun) * SECOND_MS, 1)
    if not config.mongodb_uri:
        files = (config.sqlite_path, config.sqlite_path.with_name(f"{config.sqlite_path.name}-wal"))
        found["size_bytes"] = sum(file.stat().st_size for file in files if file.exists())
    return found
