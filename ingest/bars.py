"""Minute bars of the ticks, for charts: written when their minute is over."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence

from redis.asyncio import Redis

from stormalert.model import Tick
from stormalert.process import UNREACHABLE, sleep_unless
from stormalert.redis.keys import shard_of
from stormalert.redis.scripts import PASSING
from stormalert.units import DAY_MS, MINUTE_MS, format_price

# A day of the longest session and what is left of the day before.
BARS_MAX = 900
KEPT_MS = 4 * DAY_MS
WRITE_EVERY_S = 1.0
# So few that ticks, which share the event loop, do not wait for them.
WRITTEN_AT_ONCE = 100
# Half an hour of 500 instruments, while Redis is away; charts lose the oldest.
WAITING_MAX = 15_000
MINUTE_S = 60


class Bars:
    def __init__(self, redis: Redis, shards: int) -> None:
        self._redis = redis
        self._shards = shards
        # By token: minute in epoch ms, open, high, low, close, and when it was begun by our own clock.
        self._open: dict[int, list[float]] = {}
        self._over: deque[tuple[int, list[float]]] = deque(maxlen=WAITING_MAX)

    def add(self, ticks: Sequence[Tick]) -> None:
        """Never blocks. A tick that comes late counts for the minute that is on."""
        for token, price_e4, time_ms, _ in ticks:
            bar = self._open.get(token)
            if bar is None or time_ms >= bar[0] + MINUTE_MS:
                if bar:
                    self._over.append((token, bar))
                self._open[token] = [time_ms - time_ms % MINUTE_MS, price_e4, price_e4, price_e4, price_e4, time.monotonic()]
                continue
            if price_e4 > bar[2]:
                bar[2] = price_e4
            elif price_e4 < bar[3]:
                bar[3] = price_e4
            bar[4] = price_e4

    async def run_until(self, stopping: asyncio.Event) -> None:
        """What is unfinished at the end is written too: whoever reads puts a minute's entries together."""
        while not stopping.is_set():
            await sleep_unless(stopping, WRITE_EVERY_S)
            self._end_quiet(time.monotonic() - MINUTE_S)
            await self._write()
        self._end_quiet(time.monotonic())
        await self._write()

    def _end_quiet(self, begun_before_s: float) -> None:
        """Of an instrument that is not traded any more no newer tick ends the minute."""
        for token in [token for token, bar in self._open.items() if bar[5] <= begun_before_s]:
            self._over.append((token, self._open.pop(token)))

    async def _write(self) -> None:
        while self._over:
            part = [self._over.popleft() for _ in range(min(len(self._over), WRITTEN_AT_ONCE))]
            try:
                async with self._redis.pipeline(transaction=False) as pipe:
                    for token, (minute_ms, *prices, _) in part:
                        key = shard_of(token, self._shards).bars(token)
                        opened, high, low, close = (format_price(int(price_e4)) for price_e4 in prices)
                        fields = {"open": opened, "high": high, "low": low, "close": close}
                        # Any number of entries of one minute; one of an earlier minute is refused, and left out.
                        pipe.xadd(key, fields, id=f"{minute_ms:.0f}-*", maxlen=BARS_MAX)  # type: ignore[arg-type]
                        pipe.pexpire(key, KEPT_MS)
                    replies = await pipe.execute(raise_on_error=False)
                # A full server refuses an entry and goes on with the next; what it took twice, readers put together.
                for reply in replies:
                    if isinstance(reply, PASSING):
                        raise reply
            except UNREACHABLE:
                self._over.extendleft(reversed(part))
                return
