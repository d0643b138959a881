"""Whether Redis has room. With its memory used up (noeviction) or its disk full it takes no more, and all wait for room."""

from dataclasses import dataclass
from typing import Any, cast

from redis.asyncio import Redis, RedisCluster
from redis.exceptions import NoPermissionError

from stormalert import words

# From here on an admin is told, while there is room for the message.
NEARLY_PERCENT = 90
MB = 1_000_000
_SECTIONS = ("memory", "persistence")


@dataclass(frozen=True, slots=True)
class Capacity:
    """Of the fullest node; `most_bytes` is 0 without a limit."""

    used_bytes: int = 0
    most_bytes: int = 0
    # Its append-only file could not be written; it takes no write until it can be.
    is_disk_full: bool = False

    @property
    def percent(self) -> int:
        return self.used_bytes * 100 // self.most_bytes if self.most_bytes else 0

    @property
    def is_full(self) -> bool:
        return self.percent >= 100 or self.is_disk_full

    @property
    def is_nearly_full(self) -> bool:
        return self.percent >= NEARLY_PERCENT

    @property
    def is_enough(self) -> bool:
        return not self.is_disk_full and not self.is_nearly_full

    @property
    def words(self) -> str:
        """Of the memory; nothing without a limit."""
        if not self.most_bytes:
            return ""
        return f"{words.grouped(self.used_bytes // MB)} of {words.grouped(self.most_bytes // MB)} MB"


async def read_capacity(client: Redis) -> Capacity:
    """As with room for all, where our user may not ask the server."""
    try:
        return await _ask(client)
    except NoPermissionError:
        return Capacity()


async def _ask(client: Redis) -> Capacity:
    if isinstance(client, RedisCluster):
        by_node = cast(dict[str, dict[str, Any]], await client.info(*_SECTIONS, target_nodes=RedisCluster.PRIMARIES))
        rooms = [_room(found) for found in by_node.values()]
        return max(rooms, key=lambda room: (room.is_disk_full, room.percent), default=Capacity())
    return _room(await client.info(*_SECTIONS))


def _room(found: dict[str, Any]) -> Capacity:
    # What the server itself leaves out when it compares: buffers of replicas and of the append-only file.
    uncounted = int(found.get("mem_not_counted_for_evict", 0))
    is_disk_full = bool(found.get("aof_enabled")) and found.get("aof_last_write_status", "ok") != "ok"
    return Capacity(int(found.get("used_memory", 0)) - uncounted, int(found.get("maxmemory", 0)), is_disk_full)
