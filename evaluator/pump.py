"""Drives lua/evaluate.lua over one shard. Stateless: any number of pumps may run, and killing one loses nothing."""

import asyncio
import logging
import time
from collections.abc import Callable

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from stormalert.process import UNREACHABLE
from stormalert.redis.keys import Shard
from stormalert.rules import engine
from stormalert.units import now_ms

log = logging.getLogger(__name__)

# A batch that holds the server longer makes others wait; what ends a batch takes most of a millisecond.
HOLD_MS = 3
# Rules that one tick fires at once: some 2 ms.
BURST = 50
BATCH_MIN, BATCH_MAX = 16, 2_000
BLOCK_MS = 1_000
TRIM_EVERY_S = 5
SLOWEST_OF_S = 5
# What stays readable behind the cursor.
KEEP_MS = 60_000
# Of one millisecond; it is as long as the server's clock has been set back, or was ahead before.
KEEP_OF_ONE_MS = 50_000
PAUSE_AFTER_FAILURE_S = 0.5

# Told how many ticks were taken and alerts appended, and how long the newest of the ticks had been in the stream, in ms.
OnBatch = Callable[[int, int, int], None]


class Slowest:
    """The largest of what was noted in the last seconds: of this span and of the one before."""

    def __init__(self) -> None:
        self._began_s = 0.0
        self._now, self._before = 0, 0

    def note(self, delay_ms: int) -> int:
        if time.monotonic() - self._began_s > SLOWEST_OF_S:
            self._began_s, self._before, self._now = time.monotonic(), self._now, 0
        self._now = max(self._now, delay_ms)
        return max(self._now, self._before)


def oldest_kept(cursor: str) -> str:
    """The id of the first entry that is kept; empty when all are."""
    at_ms, place = map(int, cursor.split("-"))
    if place > KEEP_OF_ONE_MS:
        return f"{at_ms}-{place - KEEP_OF_ONE_MS}"
    return str(at_ms - KEEP_MS) if at_ms > KEEP_MS else ""


class Pump:
    def __init__(self, redis: Redis, shard: Shard, on_batch: OnBatch) -> None:
        self._redis = redis
        self._shard = shard
        self._on_batch = on_batch
        self._batch = BATCH_MIN
        self._trimmed_s = 0.0
        self._is_failing = False

    async def run_until(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            try:
                taken, cursor = await self.step()
                if not taken:
                    await self._redis.xread({self._shard.ticks: cursor}, count=1, block=BLOCK_MS)
            except (*UNREACHABLE, ResponseError) as error:
                # The step is atomic and repeatable, so it is simply tried again; the cursor has not moved.
                self._log_edge(error)
                await asyncio.sleep(PAUSE_AFTER_FAILURE_S)
            else:
                self._log_edge(None)

    async def step(self) -> tuple[int, str]:
        """Evaluates one batch; returns how many ticks it took or began, and the cursor after it."""
        started_s = time.monotonic()
        step = engine.evaluate(self._shard, self._batch, HOLD_MS, BURST)
        taken, alerts, cursor, begun, held_us = await step.run(self._redis)
        self._adapt(taken, held_us / 1_000_000 if held_us >= 0 else time.monotonic() - started_s)
        # By the server's clock and ours.
        self._on_batch(taken, alerts, max(now_ms() - int(cursor.partition("-")[0]), 0) if taken else 0)
        if started_s - self._trimmed_s > TRIM_EVERY_S:
            self._trimmed_s = started_s
            await self._trim_behind(cursor)
        return taken + begun, cursor

    def _adapt(self, taken: int, held_s: float) -> None:
        """Towards what fits: what is read and not taken is read again, and some servers do not watch the clock.

        There the time that we waited stands for it, which is more where the machine is busy.
        """
        if taken == self._batch and held_s < HOLD_MS / 2_000:
            self._batch = min(self._batch * 2, BATCH_MAX)
        elif taken < self._batch // 2 or held_s > 2 * HOLD_MS / 1_000:
            self._batch = max(self._batch // 2, BATCH_MIN)

    async def _trim_behind(self, cursor: str) -> None:
        if oldest := oldest_kept(cursor):
            await self._redis.xtrim(self._shard.ticks, minid=oldest, approximate=True)

    def _log_edge(self, error: Exception | None) -> None:
        if error and not self._is_failing:
            log.error("evaluation failed, trying again", extra={"shard": self._shard.tag, "reason": str(error)})
        if not error and self._is_failing:
            log.info("evaluation goes on", extra={"shard": self._shard.tag})
        self._is_failing = error is not None
