"""Stretches in which prices were lost, kept in Redis for the status page."""

import asyncio
import logging
from collections import deque
from typing import NamedTuple

from redis.asyncio import Redis

from stormalert.process import UNREACHABLE, sleep_unless
from stormalert.redis.keys import GAPS

log = logging.getLogger(__name__)

GAPS_MAX = 1_000
WRITE_EVERY_S = 0.5


class Gap(NamedTuple):
    """`lost` counts packets that are known to be lost; 0 where nobody can know how many there were."""

    from_ms: int
    to_ms: int
    reason: str
    lost: int


class GapLog:
    """Writes gaps in order; while Redis is away they wait, the oldest giving way beyond the bound."""

    def __init__(self, redis: Redis) -> None:
        self.count = 0
        self._redis = redis
        self._waiting: deque[Gap] = deque(maxlen=GAPS_MAX)

    def note(self, gap: Gap) -> None:
        """Never blocks."""
        self.count += 1
        self._waiting.append(gap)
        log.warning("gap in the feed", extra={"ms": gap.to_ms - gap.from_ms, "lost": gap.lost, "reason": gap.reason})

    async def run_until(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            await self._write()
            await sleep_unless(stopping, WRITE_EVERY_S)
        await self._write()

    async def _write(self) -> None:
        while self._waiting:
            gap = self._waiting[0]
            fields = {"from": gap.from_ms, "to": gap.to_ms, "reason": gap.reason, "lost": gap.lost}
            try:
                await self._redis.xadd(GAPS, fields, maxlen=GAPS_MAX, approximate=False)  # type: ignore[arg-type]
            except UNREACHABLE as error:
                log.debug("gaps not written", extra={"reason": str(error)})
                return
            # Beyond the bound it may have given way meanwhile.
            if self._waiting and self._waiting[0] is gap:
                self._waiting.popleft()
