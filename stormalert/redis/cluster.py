"""A Redis Cluster's client with two weaknesses of redis-py 8.1 mended.

When a node goes away, redis-py closes all its connections, also one that another task is just making or writing to: see
connection.py. And a node that has come back says CLUSTERDOWN for its first seconds; redis-py then closes the connections to
all nodes.
"""

from typing import Any

from redis.asyncio.cluster import ClusterPipeline, RedisCluster
from redis.exceptions import ClusterDownError
from redis.exceptions import ConnectionError as RedisConnectionError

from stormalert.redis.connection import told_as_lost

# Schemes of STORM_REDIS_URL that mean a cluster, and what redis-py calls them.
SCHEMES = {"redis+cluster": "redis", "rediss+cluster": "rediss"}


def plain_url(url: str) -> str:
    """A cluster's URL as redis-py takes it; empty when it is no cluster's."""
    scheme, _, rest = url.partition("://")
    return f"{SCHEMES[scheme]}://{rest}" if scheme in SCHEMES else ""


class ClusterClient(RedisCluster):
    async def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        with told_as_lost():
            return await super().execute_command(*args, **kwargs)

    async def _execute_command(self, target_node: Any, *args: Any, **kwargs: Any) -> Any:
        return await super()._execute_command(_OnItsOwn(target_node), *args, **kwargs)  # type: ignore[arg-type]

    def pipeline(self, transaction: bool | None = None, shard_hint: Any = None) -> "ClusterPipeline":
        # Abstract by its annotations, as redis-py's own is.
        return _Pipeline(self, transaction)  # type: ignore[abstract]


class _Pipeline(ClusterPipeline):
    async def execute(self, raise_on_error: bool = True, allow_redirections: bool = True) -> list[Any]:
        with told_as_lost():
            return await super().execute(raise_on_error, allow_redirections)


class _OnItsOwn:
    """A node of which CLUSTERDOWN is a matter of its own, as if it were away."""

    def __init__(self, node: Any) -> None:
        self._node = node

    def __getattr__(self, name: str) -> Any:
        return getattr(self._node, name)

    async def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return await self._node.execute_command(*args, **kwargs)
        except ClusterDownError as error:
            raise RedisConnectionError(str(error)) from error
