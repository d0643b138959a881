"""What a person is told while our Valkey starts: how far it has read its file, and what was mended of it."""

import time
from collections.abc import Iterator
from pathlib import Path

import redis

from stormalert.health.checks.servers import loading
from stormalert.redis.embedded import MENDED

TOLD_EVERY_S = 5.0


class RedisStart:
    def __init__(self, client: redis.Redis, directory: Path) -> None:
        self._client = client
        self._mended = directory / MENDED
        self._read_to = self._mended.stat().st_size if self._mended.exists() else 0
        # The first look is too early: most starts take no time.
        self._told_s = time.monotonic()

    def look(self, *, is_well: bool) -> Iterator[str]:
        if self._mended.exists():
            with self._mended.open() as lines:
                lines.seek(self._read_to)
                yield from (line.partition(" ")[2].strip() for line in lines)
                self._read_to = lines.tell()
        if not is_well and time.monotonic() - self._told_s >= TOLD_EVERY_S:
            self._told_s = time.monotonic()
            try:
                found = loading(self._client.info("persistence"))
            except redis.RedisError:
                return
            if found:
                yield f"redis {found}"
