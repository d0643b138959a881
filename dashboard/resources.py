"""What the pages and the routes of one dashboard process share: the store, and Redis for threads and for the event loop.

Made at first use and kept: Streamlit runs each page in threads of this process, and the routes run in its event loop.
"""

from functools import cache

import redis
import redis.asyncio

from stormalert import process, settings
from stormalert.sessions import Sessions
from stormalert.settings import Settings
from stormalert.store import Store, open_store

# A page must not hang because Redis does.
REDIS_TIMEOUT_S = 3


def config() -> Settings:
    return settings.load()


@cache
def store() -> Store:
    return open_store(config().mongodb_uri, config().sqlite_path)


@cache
def thread_redis() -> redis.Redis:
    """For the pages."""
    return process.connect_in_thread(config().redis_url, REDIS_TIMEOUT_S)


@cache
def loop_redis() -> redis.asyncio.Redis:
    """For the routes, and for the relay, which blocks for a second at most."""
    return process.connect(config().redis_url, REDIS_TIMEOUT_S)


@cache
def sessions() -> Sessions:
    return Sessions(store(), thread_redis(), config())
