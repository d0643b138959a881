"""Whether a process is there, for pages."""

from typing import cast

from dashboard import resources
from stormalert import keys
from stormalert.process import ALIVE_MS
from stormalert.units import now_ms


def is_beating(name: str) -> bool:
    """Raises RedisError."""
    beats = cast(list[str], resources.thread_redis().zrangebyscore(keys.BEATS, now_ms() - ALIVE_MS, "+inf"))
    return any(key.split(":")[2] == name for key in beats)
