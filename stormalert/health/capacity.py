"""Whether a Redis can take more: with its memory used up (noeviction) or its disk full it takes nothing, and all wait."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stormalert import words
from stormalert.health.limits import MEMORY_FULL_PERCENT, MEMORY_WAIT_PERCENT

MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Capacity:
    """Of one node; `most_bytes` is 0 without a limit."""

    used_bytes: int = 0
    most_bytes: int = 0
    # Its append-only file could not be written; it takes no write until it can be.
    is_disk_full: bool = False

    @property
    def percent(self) -> int:
        return self.used_bytes * 100 // self.most_bytes if self.most_bytes else 0

    @property
    def is_full(self) -> bool:
        return self.percent >= MEMORY_FULL_PERCENT or self.is_disk_full

    @property
    def is_enough(self) -> bool:
        return not self.is_disk_full and self.percent < MEMORY_WAIT_PERCENT

    @property
    def words(self) -> str:
        """Of the memory; nothing without a limit."""
        if not self.most_bytes:
            return ""
        return f"{words.grouped(self.used_bytes // MB)} of {words.grouped(self.most_bytes // MB)} MB"


def capacity_of(info: Mapping[str, Any]) -> Capacity:
    """Of a node, by its INFO."""
    # What the server itself leaves out when it compares: buffers of replicas and of the append-only file.
    uncounted = int(info.get("mem_not_counted_for_evict", 0))
    is_disk_full = bool(info.get("aof_enabled")) and info.get("aof_last_write_status", "ok") != "ok"
    return Capacity(int(info.get("used_memory", 0)) - uncounted, int(info.get("maxmemory", 0)), is_disk_full)
