"""How much of its memory Redis has used. At the limit it takes nothing more (noeviction), and all wait for room."""

from dataclasses import dataclass
from typing import Any, cast

from redis.asyncio import Redis, RedisCluster
from redis.exceptions import NoPermissionError

from stormalert import words

# From here on an admin is told, while there is room for the message.
NEARLY_PERCENT = 90
MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Memory:
    """Of the fullest node; `most_bytes` is 0 without a limit."""

    used_bytes: int = 0
    most_bytes: int = 0

    @property
    def percent(self) -> int:
        return self.used_bytes * 100 // self.most_bytes if self.most_bytes else 0

    @property
    def is_full(self) -> bool:
        return self.percent >= 100

    @property
    def is_nearly_full(self) -> bool:
        return self.percent >= NEARLY_PERCENT

    @property
    def words(self) -> str:
        """Nothing without a limit."""
        if not self.most_bytes:
            return ""
        return f"{words.grouped(self.used_bytes // MB)} of {words.grouped(self.most_bytes // MB)} MB"


async def read_memory(client: Redis) -> Memory:
    """As without a limit, where our user may not ask the server."""
    try:
        return await _ask(client)
    except NoPermissionError:
        return Memory()


async def _ask(client: Redis) -> Memory:
    if isinstance(client, RedisCluster):
        by_node = cast(dict[str, dict[str, Any]], await client.info("memory", target_nodes=RedisCluster.PRIMARIES))
        return max((_memory(found) for found in by_node.values()), key=lambda memory: memory.percent, default=Memory())
    return _memory(await client.info("memory"))


def _memory(found: dict[str, Any]) -> Memory:
    # What the server itself leaves out when it compares: buffers of replicas and of the append-only file.
    uncounted = int(found.get("mem_not_counted_for_evict", 0))
    return Memory(int(found.get("used_memory", 0)) - uncounted, int(found.get("maxmemory", 0)))
