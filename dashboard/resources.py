"""What the pages and the routes of one dashboard process share: the store, and Redis for threads and for the event loop.

Made at first use and kept: Streamlit runs each page in threads of this process, and the routes run in its event loop.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Coroutine
from functools import cache
from typing import Any, TypeVar

import redis
import redis.asyncio

from stormalert import process
from stormalert.access.sessions import Sessions
from stormalert.config import overrides, settings
from stormalert.config.settings import Settings
from stormalert.errors import StormError
from stormalert.store import Store, open_store

Made = TypeVar("Made")

# A page must not hang because Redis does.
REDIS_TIMEOUT_S = 3


class _Overridden:
    """What admins set goes before the environment; read anew by a thread, so that nobody waits for the store."""

    found: Settings | None = None


def config() -> Settings:
    return _Overridden.found or settings.load()


def follow_overrides() -> None:
    """From now on `config` is with admins' overrides."""
    refresh_overrides()
    threading.Thread(target=_follow, name="overrides", daemon=True).start()


def refresh_overrides() -> None:
    """Raises StormError when the store is away."""
    _Overridden.found = overrides.overlay(settings.load(), store())


def _follow() -> None:
    while True:
        time.sleep(process.OVERRIDES_EVERY_S)
        with contextlib.suppress(StormError):
            refresh_overrides()


@cache
def store() -> Store:
    environment = settings.load()
    return open_store(environment.mongodb_uri, environment.sqlite_path)


@cache
def thread_redis() -> redis.Redis:
    """For the pages."""
    return process.connect_in_thread(config().redis_url, REDIS_TIMEOUT_S)


@cache
def loop_redis() -> redis.asyncio.Redis:
    """For the routes, and for the relay, which blocks for a second at most."""
    return process.connect(config().redis_url, REDIS_TIMEOUT_S)


class _RoutesLoop:
    """Of the routes, for the pages, which run in threads."""

    serving: asyncio.AbstractEventLoop | None = None


def remember_loop() -> None:
    _RoutesLoop.serving = asyncio.get_running_loop()


def in_loop(work: Coroutine[Any, Any, Made]) -> Made:
    """Waits for it, in a page's thread; its clients are those of the routes."""
    assert _RoutesLoop.serving, "remembered before a page is drawn"
    return asyncio.run_coroutine_threadsafe(work, _RoutesLoop.serving).result()


@cache
def sessions() -> Sessions:
    return Sessions(store(), thread_redis(), config())
