"""Redis or Valkey: is it there, is it new enough, does it keep what it is told, and has it room?"""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import redis
from redis.exceptions import AuthenticationError, BusyLoadingError, NoPermissionError, RedisError, ResponseError

from ops.doctor.case import Case
from ops.doctor.clock import judge_clock
from ops.doctor.secrets import password_in, place
from stormalert.health.checks.servers import loading, of_server
from stormalert.health.facts import HOT, QUEUE, ServerReading
from stormalert.health.finding import Finding, bad, good, wait
from stormalert.process import REDIS_ERRORS, connect_in_thread
from stormalert.redis.cluster import plain_url
from stormalert.redis.embedded import KEPT, MENDED

ASK_S = 3
HOT_SUBJECT, QUEUE_SUBJECT = "redis", "queue redis"


def check_redis(case: Case) -> Iterator[Finding]:
    config = case.config
    # Of `make run`, for real and with the demo market.
    for directory in (config.var / "valkey", config.var / "demo" / "valkey"):
        yield from _kept(directory)
    yield from _check(HOT_SUBJECT, config.redis_url, "STORM_REDIS_URL")
    if config.queue_url and config.queue_url != config.redis_url:
        yield from _check(QUEUE_SUBJECT, config.queue_url, "STORM_QUEUE_URL")


def _check(subject: str, url: str, setting: str) -> Iterator[Finding]:
    where = place(plain_url(url) or url)
    try:
        with closing(connect_in_thread(url, ASK_S)) as client:
            began_s = time.monotonic()
            try:
                client.ping()
            except BusyLoadingError:
                found = loading(client.info("persistence"))
                yield wait(subject, f"{where} {found or 'reads its file after a start'}", "wait; processes wait too")
                return
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


def _kept(directory: Path) -> Iterator[Finding]:
    """What was damaged when ours was started; in production its log tells it."""
    for path in sorted(directory.glob(KEPT)):
        found = f"its append-only file was damaged, and what could not be read is lost; it is kept as {path}"
        yield wait(HOT_SUBJECT, found, f"{directory / MENDED} says how much; remove what is kept when nobody misses anything")


def _look(subject: str, client: redis.Redis, *, is_cluster: bool) -> Iterator[Finding]:
    server = ServerReading(HOT if subject == HOT_SUBJECT else QUEUE, _nodes(client, is_cluster=is_cluster))
    yield from (found._replace(part=subject) for found in of_server(server))
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


def _nodes(client: redis.Redis, *, is_cluster: bool) -> dict[str, dict[str, Any]]:
    """INFO by node; nothing where we may not ask."""
    try:
        if not is_cluster:
            return {"": client.info()}
        return cast(dict[str, dict[str, Any]], cast(Any, client).info(target_nodes=redis.RedisCluster.PRIMARIES))
    except NoPermissionError:
        return {}


def _reason(error: Exception) -> str:
    if isinstance(error, ValueError) and not isinstance(error, RedisError):
        # Its text may repeat a part of the URL.
        return "its address is malformed"
    return str(error).rstrip(".") or type(error).__name__
