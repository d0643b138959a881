"""The status in depth, for admins: streams, the servers behind them, the queue, the store, and the notices that are open."""

import asyncio
import time
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import TimeoutError as RedisTimeoutError

from dashboard.metrics.readings import Readings, ServerReading, read
from dashboard.system.checkup import checkup
from dashboard.system.status import ANSWER_WITHIN_S, Status, read_status
from stormalert.config.settings import Settings
from stormalert.errors import StormError
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
}
_ROLES = {"hot": "ticks, rules and alerts", "queue": "queue"}
_QUEUE = ("queued", "waiting_to_retry", "failed")


async def read_system(redis: Redis, store: Store, config: Settings) -> Status:
    """Raises RedisError when the server of ticks, rules and alerts does not answer."""
    status = await read_status(redis, config)
    try:
        # Beside that server, read() waits for two others.
        async with asyncio.timeout(3 * ANSWER_WITHIN_S):
            readings = await read(redis, store, config)
            begun_s = time.monotonic()
            await redis.ping()
            latency_ms = _ms(time.monotonic() - begun_s)
            kept = await asyncio.to_thread(_store, store, config, readings)
    except TimeoutError:
        raise RedisTimeoutError(f"no answer within {3 * ANSWER_WITHIN_S} s") from None
    system = status | {
        "streams": _streams(readings),
        "malformed": readings.malformed,
        "servers": [node for server in readings.servers for node in _nodes(server)],
        "latency_ms": latency_ms,
        "queue": _queue(status),
        "store": kept,
    }
    return system | {"findings": [finding.as_dict() for finding in checkup(system)]}


def _streams(readings: Readings) -> list[Status]:
    return [
        {
            "shard": it.shard,
            "stream": it.name,
            "length": it.length,
            "lag": it.waiting,
            "waits_ms": max(0, readings.now_ms - it.oldest_ms) if it.oldest_ms else 0,
        }
        for it in readings.streams
    ]


def _nodes(server: ServerReading) -> list[Status]:
    """One, or those of a cluster; `is_told` is false where our user may not ask it."""
    role = _ROLES[server.role]
    if not server.nodes:
        return [{"role": role, "is_there": server.nodes is not None, "is_told": False}]
    return [_node(f"{role} {name}".strip(), info) for name, info in server.nodes.items()]


def _node(role: str, info: dict[str, Any]) -> Status:
    return {
        "role": role,
        "is_there": True,
        "is_told": True,
        "server": info.get("server_name") or "redis",
        "version": info.get("valkey_version") or info["redis_version"],
        "is_logged": bool(info.get("aof_enabled")),
        "is_log_well": info.get("aof_last_write_status", "ok") == "ok" and info.get("aof_last_bgrewrite_status", "ok") == "ok",
        **{ours: info[theirs] for theirs, ours in _INFO.items() if theirs in info},
    }


def _queue(status: Status) -> Status:
    """As dispatch counts it; empty when dispatch is away."""
    found: Status = next((it for it in status["processes"] if it["name"] == "dispatch"), {})
    queue = {name: found[name] for name in _QUEUE if name in found}
    since_ms = found.get("queued_since_ms", 0)
    return queue | {"oldest_ms": max(0, status["time_ms"] - since_ms) if since_ms else 0} if queue else {}


def _store(store: Store, config: Settings, readings: Readings) -> Status:
    found: Status = {"kind": "MongoDB" if config.mongodb_uri else "SQLite", "is_there": readings.store_s is not None}
    if readings.store_s is None:
        return found
    found["latency_ms"] = _ms(readings.store_s)
    try:
        found["users"] = len(store.users())
    except StormError:
        # It went away meanwhile.
        return found | {"is_there": False}
    if not config.mongodb_uri:
        files = (config.sqlite_path, config.sqlite_path.with_name(f"{config.sqlite_path.name}-wal"))
        found["size_bytes"] = sum(file.stat().st_size for file in files if file.exists())
    return found


def _ms(seconds: float) -> float:
    return round(seconds * SECOND_MS, 1)
