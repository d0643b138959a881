"""Redis or Valkey: is it there, is it new enough, does it keep what it is told, and has it room?"""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any, cast

import redis
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError

from ops.doctor.case import Case
from ops.doctor.clock import judge_clock
from ops.doctor.finding import Finding, bad, good, password_in, place, wait
from stormalert.process import REDIS_ERRORS, connect_in_thread
from stormalert.redis.cluster import plain_url

ASK_S = 3
# Of Redis, and of Valkey, which began with 7.2.
LEAST = (7, 0)
FULL, NEARLY_FULL = 0.85, 0.95
Info = Mapping[str, Any]


def check_redis(case: Case) -> Iterator[Finding]:
    config = case.config
    yield from _check("redis", config.redis_url, "STORM_REDIS_URL")
    if config.queue_url and config.queue_url != config.redis_url:
        yield from _check("queue redis", config.queue_url, "STORM_QUEUE_URL")


def _check(subject: str, url: str, setting: str) -> Iterator[Finding]:
    where = place(plain_url(url) or url)
    try:
        with closing(connect_in_thread(url, ASK_S)) as client:
            began_s = time.monotonic()
            client.ping()
            yield good(subject, f"answers at {where} in {(time.monotonic() - began_s) * 1_000:.0f} ms")
            yield from _look(subject, client, is_cluster=bool(plain_url(url)))
    except AuthenticationError:
        if password_in(url):
            yield bad(subject, f"{where} refuses our user or password", f"compare those in {setting} with the server's own")
        else:
            yield bad(subject, f"{where} wants a password", f"put it into {setting}")
    except NoPermissionError:
        yield bad(subject, f"{where} lets our user do nothing", "compare its ACL with deploy/")
    except ResponseError as error:
        yield bad(subject, f"{where} refuses: {error}", "its own log says why")
    except (*REDIS_ERRORS, OSError, ValueError) as error:
        yield bad(
            subject, f"no answer from {where}: {_reason(error)}", f"start it, or correct {setting}; processes wait for it"
        )


def _look(subject: str, client: redis.Redis, *, is_cluster: bool) -> Iterator[Finding]:
    try:
        for node, info in _infos(client, is_cluster=is_cluster).items():
            name = f"{subject} {node}".strip()
            yield from (judge(name, info) for judge in (judge_version, judge_durability, judge_policy, judge_memory))
    except NoPermissionError:
        yield good(subject, "our user may not ask about version, memory and persistence")
    if is_cluster:
        state = cast(Any, client).cluster_info(target_nodes=redis.RedisCluster.RANDOM)["cluster_state"]
        if state != "ok":
            yield bad(subject, f"the cluster says {state}", "redis-cli --cluster check names the slots that nobody serves")
    before_ms = time.time_ns() // 1_000_000
    try:
        seconds, micros = cast(Any, client.time(**({"target_nodes": redis.RedisCluster.RANDOM} if is_cluster else {})))
    except NoPermissionError:
        return
    asked_ms = (before_ms + time.time_ns() // 1_000_000) // 2
    yield judge_clock(f"{subject}'s clock", asked_ms, seconds * 1_000 + micros // 1_000, exact_ms=1)


def _infos(client: redis.Redis, *, is_cluster: bool) -> dict[str, Info]:
    if not is_cluster:
        return {"": cast(Info, client.info())}
    return cast(dict[str, Info], cast(Any, client).info(target_nodes=redis.RedisCluster.PRIMARIES))


def judge_version(subject: str, info: Info) -> Finding:
    valkey = info.get("valkey_version")
    text = str(valkey or info.get("redis_version", ""))
    name = f"{'Valkey' if valkey else 'Redis'} {text}"
    numbers = tuple(map(int, re.findall(r"\d+", text)[:2]))
    if numbers < LEAST:
        return bad(subject, name, "StormAlert needs Redis 7.0 or Valkey 7.2, or later")
    return good(subject, name)


def judge_durability(subject: str, info: Info) -> Finding:
    if info.get("loading"):
        return wait(subject, "it is still reading its file", "wait until it has; processes wait too")
    if not info.get("aof_enabled"):
        advice = "appendonly yes, as in deploy/redis.conf: a crash would lose alerts that are not in the store yet, and jobs"
        return bad(subject, "the append-only file is off", advice)
    failing = [name for name in ("aof_last_write_status", "aof_last_bgrewrite_status") if info.get(name, "ok") != "ok"]
    if failing:
        advice = "look at its log and at the free space of its disk"
        return bad(subject, f"the append-only file fails ({', '.join(failing)})", advice)
    return good(subject, "the append-only file is on and is written")


def judge_policy(subject: str, info: Info) -> Finding:
    policy = str(info.get("maxmemory_policy", "noeviction"))
    if int(info.get("evicted_keys", 0)):
        found = f"{info['evicted_keys']} keys were thrown away for want of memory"
        return bad(
            subject, found, "maxmemory-policy noeviction; then DEL storm:{s0}:rulebook, of each shard, brings the rules back"
        )
    if policy != "noeviction":
        judge = bad if int(info.get("maxmemory", 0)) else wait
        return judge(subject, f"maxmemory-policy {policy}", "noeviction, as in deploy/redis.conf: it would throw rules away")
    return good(subject, "nothing is thrown away when memory is full (noeviction)")


def judge_memory(subject: str, info: Info) -> Finding:
    used, limit = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    most = limit or int(info.get("total_system_memory", 0))
    told = f"{used / 2**20:,.0f} MB used of {most / 2**20:,.0f} MB" + ("" if limit else ", the machine's: no maxmemory is set")
    share = used / most if most else 0.0
    advice = "raise maxmemory, or move shards to another node; when it is full, ticks wait"
    if share > NEARLY_FULL:
        return bad(subject, told, advice)
    return wait(subject, told, advice) if share > FULL else good(subject, told)


def _reason(error: Exception) -> str:
    if isinstance(error, ValueError) and not isinstance(error, RedisError):
        # Its text may repeat a part of the URL.
        return "its address is malformed"
    return str(error).rstrip(".") or type(error).__name__
