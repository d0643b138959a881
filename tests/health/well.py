"""Facts of a StormAlert that is well, to be changed in one thing."""

from typing import Any

from stormalert import VERSION
from stormalert.health.facts import HOT, Facts, ServerReading, StoreAnswer, StreamReading
from stormalert.units import HOUR_MS, MINUTE_MS, SECOND_MS

# 2026-11-23 10:00:00 in India, a trading day since 09:15.
NOW_MS = 1_795_408_200_000
OPENED_MS = NOW_MS - 45 * MINUTE_MS
NAMES = ("ingest", "evaluator", "dispatch", "worker", "relay", "bot", "board", "dashboard")


def beating(name: str, **stats: Any) -> dict[str, Any]:
    usual = {"process": "host-1", "version": VERSION, "rss_bytes": 50_000_000, "late_ms": 1}
    if name == "dispatch":
        usual |= {"queued": 0, "queued_since_ms": 0, "waiting_to_retry": 0, "failed": 0}
    return {"name": name, "started_ms": NOW_MS - HOUR_MS, "beat_ms": NOW_MS - 500, **usual, **stats}


def processes(without: str = "", **more: dict[str, Any]) -> list[dict[str, Any]]:
    """All but one, with what some tell otherwise."""
    return [beating(name, **more.get(name, {})) for name in NAMES if name != without]


def feed(state: str = "streaming", **more: Any) -> dict[str, Any]:
    usual = {"reason": "", "opens_ms": OPENED_MS, "since_ms": NOW_MS - HOUR_MS, "frame_ms": NOW_MS - SECOND_MS, "sockets": 1}
    return {"state": state, "troubles": "{}", "instruments": 500, "ticks_per_s": 900, **usual, **more}


def silent(state: str, **more: Any) -> dict[str, Any]:
    """One of which no frame comes."""
    return feed(state, **{"frame_ms": NOW_MS - HOUR_MS, **more})


def redis(role: str = HOT, **info: Any) -> ServerReading:
    usual = {
        "redis_version": "7.2.4",
        "valkey_version": "9.0.1",
        "server_name": "valkey",
        "aof_enabled": 1,
        "used_memory": 400 * 10**6,
        "maxmemory": 1_000 * 10**6,
        "maxmemory_policy": "noeviction",
        "uptime_in_seconds": 60,
        "evicted_keys": 0,
        "connected_clients": 9,
        "rejected_connections": 0,
    }
    return ServerReading(role, {"": usual | info})


def streams(ticks_wait_ms: int = 0, alerts_wait_ms: int = 0) -> list[StreamReading]:
    """Of two shards, of which one may be late."""
    waits = {"ticks": ticks_wait_ms, "alerts": alerts_wait_ms}
    late = [StreamReading(name, "s1", 9, 7, NOW_MS - wait_ms) for name, wait_ms in waits.items() if wait_ms]
    return [*late, *(StreamReading(name, "s0", 9, 0, 0) for name in waits)]


def well(**changes: Any) -> Facts:
    usual = {
        "processes": processes(),
        "roll": frozenset(NAMES),
        "feed": feed(),
        "streams": streams(),
        "malformed": 0,
        "servers": [redis()],
        "store": StoreAnswer(0.002),
        "alarms": [],
    }
    return Facts(**{"now_ms": NOW_MS, **usual, **changes})
