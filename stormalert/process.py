"""What every process does alike: log, beat, wait for its servers, stop on SIGTERM and SIGINT.

A process is crash-only: what it cannot repair ends it with a log line, and the supervisor starts it again.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, cast

import redis.asyncio
import uvloop
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisClusterException, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from stormalert import VERSION
from stormalert.config import overrides, settings
from stormalert.config.settings import Settings
from stormalert.errors import SettingsError, StoreError, StormError
from stormalert.logs import start_logging
from stormalert.memory import resident_bytes
from stormalert.outage import Outage
from stormalert.redis import cluster, keys
from stormalert.redis.connection import made_of
from stormalert.redis.scripts import PASSING
from stormalert.store import Store, open_store, open_store_late
from stormalert.store.meter import METER
from stormalert.units import now_ms

log = logging.getLogger("stormalert")

BEAT_S = 2
OVERRIDES_EVERY_S = 3
# A process counts as dead after five missed beats.
ALIVE_MS = 10_000
# redis-py's default of 5 s is below the longest XREAD BLOCK.
SOCKET_TIMEOUT_S = 15
CONNECT_TIMEOUT_S = 3
# To one server or node: each shard's pump or reader waits on a connection of its own, and there are 1,024 shards at most.
CONNECTIONS_MAX = 4_096

# What redis-py raises when the server is away; its TimeoutError is not Python's, and a cluster without a node in reach raises
# an error that is no RedisError. One that cannot take anything just now, because its memory is used up for instance, is as good
# as away.
UNREACHABLE = (RedisConnectionError, RedisTimeoutError, RedisClusterException, *PASSING)
REDIS_ERRORS = (RedisError, RedisClusterException)
CANCEL_AGAIN_S = 0.5
# Before a server that is away is asked again.
AWAY_S = 0.5

Main = Callable[[Settings, asyncio.Event], Awaitable[None]]
# Sealed overrides by their name in the store, as somebody kept them who knows the settings.
LastKnown = Callable[[Settings], Mapping[str, str]]


def run(
    name: str,
    main: Main,
    run_loop: Callable[[Any], None] = uvloop.run,
    *,
    follows: Sequence[str] = (),
    last_known: LastKnown | None = None,
) -> None:
    """Run `main(settings, stopping)` as the process `name` until it returns; exit 1 with one sentence on a StormError.

    `follows`: overrides; with what admins set there over its own, and anew when one of them changes. `last_known`: what to
    begin with while the store is away; without it the process waits for the store.
    """
    config = load_or_exit()
    start_logging(name, config)
    following: OverridesWatch | None = None

    async def guarded() -> None:
        stopping = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
        log.info("started")
        watching = asyncio.create_task(following.watch(stopping.set)) if following else None
        try:
            await main(config, stopping)
        finally:
            if watching:
                await cancel(watching)
        log.info("stopped")

    try:
        if follows:
            following = OverridesWatch(config, follows, last_known)
            config = following.config
        run_loop(guarded())
    except StormError as error:
        log.error(str(error))
        sys.exit(1)
    if following and following.has_changed:
        start_anew()


class OverridesWatch:
    """The settings with the overrides over them, and a look now and then whether those changed. Raises StormError."""

    def __init__(self, config: Settings, names: Sequence[str], last_known: LastKnown | None = None) -> None:
        self._environment, self._names = config, names
        self.has_changed = False
        if last_known is None:
            self._store = wait_for_store(config)
        else:
            self._store = open_store_late(config.mongodb_uri, config.sqlite_path)
        try:
            # The revision first: what changes in between is taken for a change.
            self._revision: str | None = overrides.revision(self._store)
            self.config = overrides.overlay(config, self._store)
        except StoreError as error:
            if last_known is None:
                raise
            log.warning("begun without the store", extra={"reason": str(error)})
            self._revision = None
            self.config = overrides.laid_over(config, last_known(config))

    async def watch(self, stop: Callable[[], object]) -> None:
        """Stops the process when overrides changed."""
        while True:
            await asyncio.sleep(OVERRIDES_EVERY_S)
            try:
                self.has_changed = await asyncio.to_thread(self._look)
            except StormError as error:
                log.debug("overrides not looked at", extra={"reason": str(error)})
            if self.has_changed:
                log.info("settings changed: starting anew")
                stop()
                return

    def _look(self) -> bool:
        """Whether one of the names has another value now; most changes are about others."""
        revision = overrides.revision(self._store)
        if revision == self._revision:
            return False
        self._revision = revision
        now = overrides.overlay(self._environment, self._store)
        return overrides.of(now, self._names) != overrides.of(self.config, self._names)


def start_anew() -> NoReturn:
    """In the place of this process, so that its supervisor sees the same one; every process can be killed at any time."""
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - our own command line


def load_or_exit() -> Settings:
    """The settings, or exit code 2 with every problem on a line of its own."""
    try:
        return settings.load()
    except SettingsError as error:
        for problem in error.problems:
            print(f"setting {problem}", file=sys.stderr)
        sys.exit(2)


def connect(url: str, timeout_s: float = SOCKET_TIMEOUT_S) -> redis.asyncio.Redis:
    """A client of one server or of a cluster, which take the same commands as long as a command's keys lie in one shard.

    It never repeats a command by itself: a repeated XADD would be a second tick. What a cluster's node hands on to another
    (MOVED, ASK) was not carried out, and goes there.
    """
    options: dict[str, Any] = {
        "decode_responses": True,
        "socket_timeout": timeout_s,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "retry": Retry(NoBackoff(), 0),
        "max_connections": CONNECTIONS_MAX,
    }
    if cluster_url := cluster.plain_url(url):
        # Its class is another, with the same methods. What lies on a node that is away stops; the rest goes on.
        return cast(redis.asyncio.Redis, cluster.ClusterClient.from_url(cluster_url, require_full_coverage=False, **options))
    client = redis.asyncio.Redis.from_url(url, **options)
    pool = client.connection_pool
    pool.connection_class = made_of(pool.connection_class)
    return client


def connect_in_thread(url: str, timeout_s: float = CONNECT_TIMEOUT_S, *, decode_responses: bool = True) -> redis.Redis:
    """The same for threads."""
    options: dict[str, Any] = {
        "decode_responses": decode_responses,
        "socket_timeout": timeout_s,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
    }
    if cluster_url := cluster.plain_url(url):
        return cast(redis.Redis, redis.RedisCluster.from_url(cluster_url, **options))
    return redis.Redis.from_url(url, **options)


async def sleep_unless(stopping: asyncio.Event, wait_s: float) -> None:
    """For that long, or until it is to stop."""
    # Not asyncio.wait_for: see Tasks.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(wait_s):
            await stopping.wait()


async def cancel(*tasks: asyncio.Task[Any]) -> None:
    """Until they have ended, and more than once: a library that is just then done with its work may swallow it.

    Raises the error of one that failed.
    """
    while [task.cancel() for task in tasks if not task.done()]:
        await asyncio.wait(tasks, timeout=CANCEL_AGAIN_S)
    for task in tasks:
        if not task.cancelled():
            task.result()


class Tasks(asyncio.TaskGroup):
    """Tasks that cannot go on without each other: when one fails, the others end and its error is raised, alone.

    They are told by `stopping` too: a cancellation can get lost on its way, since asyncio.wait_for of Python 3.11 swallows the
    one that comes just as its work is done, and redis-py writes through it.
    """

    def __init__(self, stopping: asyncio.Event) -> None:
        super().__init__()
        self._stopping = stopping

    def create_task(self, *arguments: Any, **options: Any) -> asyncio.Task[Any]:
        task = super().create_task(*arguments, **options)
        task.add_done_callback(self._look)
        return task

    def _look(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and task.exception():
            self._stopping.set()

    async def __aexit__(self, *raised: Any) -> None:
        try:
            await super().__aexit__(*raised)
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None


async def wait_for_redis(
    client: redis.asyncio.Redis, stopping: asyncio.Event | None = None, heartbeat: "Heartbeat | None" = None
) -> bool:
    """True once the server answers, and takes a beat where one is given; False when `stopping` comes first. Logs it once."""
    is_told = False
    while stopping is None or not stopping.is_set():
        try:
            await (heartbeat.beat() if heartbeat else client.ping())
        except REDIS_ERRORS as error:
            if not is_told:
                log.warning("waiting for redis", extra={"reason": str(error)})
                is_told = True
            await asyncio.sleep(0.2)
        else:
            return True
    return False


def wait_for_store(config: Settings) -> Store:
    """Opens it as soon as it answers; until then it blocks, and says so once.

    Raises StormError for one that waiting does not mend, such as a newer StormAlert's.
    """
    outage = Outage("store", each_reason=True)
    while True:
        try:
            store = open_store(config.mongodb_uri, config.sqlite_path)
        except StoreError as error:
            outage.begin(str(error))
            time.sleep(AWAY_S)
        else:
            outage.end()
            return store


async def store_when_there(config: Settings, stopping: asyncio.Event) -> Store | None:
    """The same beside an event loop; None when `stopping` comes first."""
    outage = Outage("store", each_reason=True)
    while not stopping.is_set():
        try:
            store = await asyncio.to_thread(open_store, config.mongodb_uri, config.sqlite_path)
        except StoreError as error:
            outage.begin(str(error))
            await sleep_unless(stopping, AWAY_S)
        else:
            outage.end()
            return store
    return None


def is_beating(client: redis.Redis, name: str) -> bool:
    """Whether such a process is there, on any machine. Raises RedisError."""
    return not silence_of(client, name)


def silence_of(client: redis.Redis, name: str) -> str:
    """Why nothing is heard of such a process; empty when it beats. Raises RedisError."""
    beats = cast(list[str], client.zrangebyscore(keys.BEATS, now_ms() - ALIVE_MS, "+inf"))
    if any(keys.process_of(key)[0] == name for key in beats):
        return ""
    # A Redis that is full takes no beat, of us neither.
    return f"{name} is not running" if beats else "no heartbeat arrives: is Redis full?"


class Heartbeat:
    """Keeps the process's `storm:alive` hash fresh; `stats` are counters that the status page shows.

    Beside them it tells the process's version, its memory and processor time, by how much its event loop woke too late, and how
    its store did.
    """

    def __init__(self, name: str, client: redis.asyncio.Redis, file: Path | None = None) -> None:
        """`file` is touched after each beat, for health checks that look at its age."""
        self._file = file
        self.stats: dict[str, str | int | float] = {}
        self._client = client
        self._name, self._key = name, keys.alive(name, socket.gethostname(), os.getpid())
        self._is_start_counted = False
        self._started_ms = now_ms()
        self._late_ms = 0

    async def beat_until(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            try:
                await self.beat()
            except UNREACHABLE as error:
                log.debug("heartbeat not written", extra={"reason": str(error)})
            asleep_s = time.monotonic()
            await sleep_unless(stopping, BEAT_S)
            if not stopping.is_set():
                self._late_ms = max(0, round((time.monotonic() - asleep_s - BEAT_S) * 1_000))
        await self._forget()

    async def beat(self) -> None:
        beat_ms = now_ms()
        ours = {
            "version": VERSION,
            "rss_bytes": resident_bytes(),
            "cpu_s": f"{time.process_time():.2f}",
            "late_ms": self._late_ms,
        }
        stats: dict[Any, Any] = {"started_ms": self._started_ms, "beat_ms": beat_ms, **ours, **METER.stats, **self.stats}
        async with self._client.pipeline(transaction=False) as pipe:
            pipe.hset(self._key, mapping=stats)
            pipe.pexpire(self._key, ALIVE_MS)
            pipe.zadd(keys.BEATS, {self._key: beat_ms})
            pipe.zremrangebyscore(keys.BEATS, 0, beat_ms - ALIVE_MS)
            if not self._is_start_counted:
                pipe.hincrby(keys.STARTS, self._name, 1)
            await pipe.execute()
        self._is_start_counted = True
        if self._file:
            self._touch(self._file)

    def _touch(self, file: Path) -> None:
        try:
            file.touch()
        except OSError as error:
            # The health check says it.
            log.warning("health check's file not touched", extra={"file": str(file), "reason": str(error)})

    async def _forget(self) -> None:
        if self._file:
            with contextlib.suppress(OSError):
                self._file.unlink()
        try:
            await self._client.delete(self._key)
            await self._client.zrem(keys.BEATS, self._key)
        except UNREACHABLE:
            log.debug("heartbeat left to expire")
