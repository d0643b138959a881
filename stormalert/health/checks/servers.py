"""Each Redis or Valkey: is it there, is it new enough, does it keep what it is told, and has it room? And our certificate."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from stormalert import words
from stormalert.health.capacity import capacity_of
from stormalert.health.facts import QUEUE, Facts, ServerReading
from stormalert.health.finding import Finding, Level
from stormalert.health.limits import (
    CERTIFICATE_WAIT_DAYS,
    MEMORY_BAD_PERCENT,
    MEMORY_FULL_PERCENT,
    MEMORY_WAIT_PERCENT,
    REDIS_LEAST,
)
from stormalert.redis.keys import Shard
from stormalert.units import DAY_MS, format_ist

PART = "servers"
Info = Mapping[str, Any]
_WAIT = "Ticks and alerts wait and are not lost"
_SUFFERS = {True: "messages are not sent", False: "no new prices are evaluated, and alerts are late"}


def check_servers(facts: Facts) -> Iterator[Finding]:
    for server in facts.servers:
        yield from of_server(server)


def of_server(server: ServerReading) -> Iterator[Finding]:
    is_queue = server.role == QUEUE
    subject = _subject(server.role)
    if server.nodes is None:
        suffers = "messages wait" if is_queue else "nothing is known now"
        todo = "Start it; processes wait for it, and nothing is lost meanwhile but prices."
        yield _found(Level.BAD, f"{subject} does not answer: {suffers}", todo, "away", is_queue)
        return
    if not server.nodes:
        todo = "Our user there may not call INFO: whether it has room, and keeps what it is told, is not known."
        yield _found(Level.WAIT, f"{subject} does not tell of itself", todo, "silent", is_queue)
    for node, info in server.nodes.items():
        for check in NODE_CHECKS:
            if found := check(_subject(server.role, node), info, is_queue):
                yield found


def full(server: ServerReading) -> Finding | None:
    """What is to be said of a node that takes nothing any more."""
    for node, info in (server.nodes or {}).items():
        if (capacity := capacity_of(info)).is_full:
            check = check_disk if capacity.is_disk_full else check_memory
            return check(_subject(server.role, node), info, server.role == QUEUE)
    return None


def check_version(subject: str, info: Info, is_queue: bool) -> Finding | None:
    valkey = info.get("valkey_version")
    text = str(valkey or info.get("redis_version", ""))
    name = f"{'Valkey' if valkey else 'Redis'} {text}".strip()
    if tuple(map(int, re.findall(r"\d+", text)[:2])) < REDIS_LEAST:
        least = ".".join(map(str, REDIS_LEAST))
        what = f"{subject} is of a version that is too old: {name}"
        return _found(Level.BAD, what, f"StormAlert needs Redis {least} or Valkey 7.2, or later.", "old", is_queue)
    return _found(Level.GOOD, name, "", "old", is_queue)


def check_disk(subject: str, info: Info, is_queue: bool) -> Finding | None:
    """Whether it can write; nothing is known of one that keeps no file."""
    if not info.get("aof_enabled"):
        return None
    if info.get("aof_last_write_status", "ok") != "ok":
        todo = f"Is it full? {_WAIT}; make room there, and it goes on by itself: docs/operations.md."
        return _found(Level.BAD, f"{subject} cannot write to its disk: {_SUFFERS[is_queue]}", todo, "disk", is_queue)
    return _found(Level.GOOD, "its append-only file is written", "", "disk", is_queue)


def loading(info: Info) -> str:
    """How far a server is that reads its file, in words; empty when it does not."""
    if not info.get("loading"):
        return ""
    percent, left_s = float(info.get("loading_loaded_perc", 0)), int(info.get("loading_eta_seconds", 0))
    return f"reads its file after a start: {percent:.0f} % done, about {left_s} s more"


def check_durability(subject: str, info: Info, is_queue: bool) -> Finding | None:
    """Whether it keeps over a crash what it was told."""
    if found := loading(info):
        return _found(Level.WAIT, f"{subject} {found}", "Wait; processes wait too.", "durability", is_queue)
    if not info.get("aof_enabled"):
        todo = "Set appendonly yes, as in deploy/redis.conf; else windows, peaks, unsent alerts and jobs go with it."
        what = f"{subject} keeps nothing over a crash: its append-only file is off"
        return _found(Level.BAD, what, todo, "durability", is_queue)
    if info.get("aof_last_bgrewrite_status", "ok") != "ok":
        todo = "Is its disk nearly full? Its log says why."
        return _found(Level.BAD, f"{subject} cannot rewrite its append-only file, which grows", todo, "durability", is_queue)
    return _found(Level.GOOD, "the append-only file is on", "", "durability", is_queue)


def check_policy(subject: str, info: Info, is_queue: bool) -> Finding | None:
    policy = str(info.get("maxmemory_policy", "noeviction"))
    if policy == "noeviction":
        return _found(Level.GOOD, "nothing is thrown away when memory is full (noeviction)", "", "policy", is_queue)
    level = Level.BAD if int(info.get("maxmemory", 0)) else Level.WAIT
    what = f"{subject} throws keys away when it is full (maxmemory-policy {policy})"
    todo = "Set maxmemory-policy noeviction, as in deploy/redis.conf: a rule that is thrown away is silent."
    return _found(level, what, todo, "policy", is_queue)


def check_evicted(subject: str, info: Info, is_queue: bool) -> Finding | None:
    if not (evicted := int(info.get("evicted_keys", 0))):
        return None
    what = f"{subject} has thrown {words.count_of(evicted, 'key')} away for want of memory since it was started"
    todo = f"Set maxmemory-policy noeviction; then DEL {Shard.rule_sync.name}, of each shard, brings the rules back."
    return _found(Level.BAD, what, todo, "evicted", is_queue)


def check_memory(subject: str, info: Info, is_queue: bool) -> Finding | None:
    """Of what it may use; where nothing limits it, of the machine's."""
    capacity = capacity_of(info)
    is_limited = bool(capacity.most_bytes)
    if is_limited:
        used = capacity.words
    else:
        capacity = capacity_of({**info, "maxmemory": info.get("total_system_memory", 0)})
        used = f"{capacity.words}, the machine's: no maxmemory is set"
    if is_limited and capacity.percent >= MEMORY_FULL_PERCENT:
        todo = f"It uses {used}. {_WAIT}; give it more memory: docs/operations.md."
        return _found(Level.BAD, f"{subject} is full: {_SUFFERS[is_queue]}", todo, "memory", is_queue)
    if capacity.percent >= MEMORY_WAIT_PERCENT:
        level = Level.BAD if capacity.percent >= MEMORY_BAD_PERCENT else Level.WAIT
        todo = f"When it is full, {_SUFFERS[is_queue]}. Give it more memory: docs/operations.md."
        return _found(level, f"{subject} is nearly full: {used}", todo, "memory", is_queue)
    return _found(Level.GOOD, f"{used} used" if capacity.most_bytes else "memory is not limited", "", "memory", is_queue)


def check_rejected(subject: str, info: Info, is_queue: bool) -> Finding | None:
    if not (rejected := int(info.get("rejected_connections", 0))):
        return None
    what = f"{subject} turned {words.count_of(rejected, 'connection')} away since it was started"
    return _found(Level.WAIT, what, "Set maxclients higher.", "rejected", is_queue)


NODE_CHECKS: tuple[Callable[[str, Info, bool], Finding | None], ...] = (
    check_version,
    check_disk,
    check_durability,
    check_policy,
    check_evicted,
    check_memory,
    check_rejected,
)


def check_certificate(facts: Facts) -> Iterator[Finding]:
    if facts.certificate_ends_ms:
        found = of_certificate("The dashboard's certificate", facts.certificate_ends_ms, facts.now_ms)
        yield found._replace(name="certificate")


def of_certificate(subject: str, ends_ms: int, now_ms: int) -> Finding:
    left_ms = ends_ms - now_ms
    days, day = left_ms // DAY_MS, format_ist(ends_ms)
    todo = "It was not renewed. Where the reason is: docs/operations.md, Certificates."
    if left_ms <= 0:
        return Finding(Level.BAD, PART, f"{subject} has ended", f"It ended on {day}. {todo}")
    if days < CERTIFICATE_WAIT_DAYS:
        what = f"{subject} ends in {words.count_of(days, 'day')}"
        return Finding(Level.WAIT, PART, what, f"It ends on {day}. {todo}")
    return Finding(Level.GOOD, PART, f"good until {day}")


def _subject(role: str, node: str = "") -> str:
    name = "The queue's Redis" if role == QUEUE else "Redis"
    return f"{name} {node}".strip()


def _found(level: Level, what: str, todo: str, kind: str, is_queue: bool) -> Finding:
    return Finding(level, PART, what, todo, name=f"{kind}-queue" if is_queue else kind)
