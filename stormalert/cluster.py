"""A Redis Cluster's client with one weakness of redis-py 8.1 mended.

When a node goes away, redis-py closes all of its connections, also one that another task is just making; that task then fails
with an AttributeError instead of the ConnectionError that everybody is prepared for.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from redis.asyncio.cluster import ClusterPipeline, RedisCluster
from redis.exceptions import ConnectionError as RedisConnectionError

# Schemes of STORM_REDIS_URL that mean a cluster, and what redis-py calls them.
SCHEMES = {"redis+cluster": "redis", "rediss+cluster": "rediss"}


def plain_url(url: str) -> str:
    """A cluster's URL as redis-py takes it; empty when it is no cluster's."""
    scheme, _, rest = url.partition("://")
    return f"{SCHEMES[scheme]}://{rest}" if scheme in SCHEMES else ""


class ClusterClient(RedisCluster):
    async def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        with _lost_while_made():
            return await super().execute_command(*args, **kwargs)

    def pipeline(self, transaction: bool | None = None, shard_hint: Any = None) -> "ClusterPipeline":
        # Abstract by its annotations, as redis-py's own is.
        return _Pipeline(self, transaction)  # type: ignore[abstract]


class _Pipeline(ClusterPipeline):
    async def execute(self, raise_on_error: bool = True, allow_redirections: bool = True) -> list[Any]:
        with _lost_while_made():
            return await super().execute(raise_on_error, allow_redirections)


@contextmanager
def _lost_while_made() -> Iterator[None]:
    try:
        yield
    except AttributeError as error:
        raise RedisConnectionError(f"a connection was closed while it was being made: {error}") from error
