"""The status in depth, for admins: streams, the servers behind them, the queue, the store, and the health report."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from redis.asyncio import Redis

from dashboard.system.status import Status, status_of
from stormalert import words
from stormalert.config.settings import Settings
from stormalert.errors import StormError
from stormalert.health.facts import HOT, QUEUE, Facts, ServerReading, StoreAnswer
from stormalert.health.finding import Finding
from stormalert.health.reading import read_facts, read_more
from stormalert.health.report import not_good, report
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
_ROLES = {HOT: "ticks, rules and alerts", QUEUE: "queue"}
_QUEUE = ("queued", "waiting_to_retry", "failed")


async def read_system(redis: Redis, store: Store, config: Settings) -> Status:
    """Raises RedisError when the server of ticks, rules and alerts does not answer."""
    facts = await read_facts(redis, config)
    facts = replace(facts, **await read_more(redis, store, config))
    begun_s = time.monotonic()
    await redis.ping()
    latency_ms = _ms(time.monotonic() - begun_s)
    kept = await asyncio.to_thread(_store, store, config, facts.store or StoreAnswer(None))
    return system_of(facts) | {"latency_ms": latency_ms, "store": kept}


def system_of(facts: Facts) -> Status:
    return status_of(facts) | {
        "streams": _streams(facts),
        "malformed": facts.malformed,
        "servers": [node for server in facts.servers for node in _nodes(server)],
        "queue": _queue(facts),
        "findings": told(report(facts), facts.now_ms),
    }


def told(findings: Iterable[Finding], now_ms: int) -> list[dict[str, str]]:
    """What is not well, the worst first: level, part, what, todo."""
    return [
        {"level": it.level, "part": it.part, "what": f"{it.what}{_since(it, now_ms)}.", "todo": it.todo}
        for it in not_good(findings)
    ]


def _since(finding: Finding, now_ms: int) -> str:
    return f", since {words.moment(finding.since_ms, now_ms)} IST" if finding.part == "notices" and finding.since_ms else ""


def _streams(facts: Facts) -> list[Status]:
    return [
        {
            "shard": it.shard,
            "stream": it.name,
            "length": it.length,
            "lag": it.waiting,
            "waits_ms": max(0, facts.now_ms - it.oldest_ms) if it.oldest_ms else 0,
        }
        for it in facts.streams
    ]


def _nodes(server: ServerReading) -> list[Status]:
    """One, or those of a cluster; `is_told` is false where our user may not ask it."""
    role = _ROLES[server.role]
    if not server.nodes:
        return [{"role": role, "is_there": server.nodes is not None, "is_told": False}]
    return [_node(f"{role} {name}".strip(), dict(info)) for name, info in server.nodes.items()]


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


def _queue(facts: Facts) -> Status:
    """As dispatch counts it; empty when dispatch is away."""
    found = facts.queue
    queue = {name: found[name] for name in _QUEUE if name in found}
    since_ms = found.get("queued_since_ms", 0)
    return queue | {"oldest_ms": max(0, facts.now_ms - since_ms) if since_ms else 0} if queue else {}


def _store(store: Store, config: Settings, answer: StoreAnswer) -> Status:
    found: Status = {"kind": "MongoDB" if config.mongodb_uri else "SQLite", "is_there": answer.took_s is not None}
    if answer.took_s is None:
        return found
    found["latency_ms"] = _ms(answer.took_s)
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
