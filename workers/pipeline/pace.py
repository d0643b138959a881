"""The stage that gives a message its turn: what its provider takes, who goes first, and how many are on their way at once."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from workers.limits import Limits, Permit
from workers.pipeline.counters import Counters
from workers.pipeline.insist import insist
from workers.pipeline.outcome import Later
from workers.pipeline.outgoing import Outgoing

# What a queue is to bring again comes a little early: its clock ticks in seconds.
EARLY_S = 1.5
# A process that is killed may have sent what it did not mark: so few are on their way at once. One that its provider takes
# longer for does not hold up the next.
ON_THEIR_WAY = 2
PACE_S = 0.05


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a message is kept that waits for its turn: when it is so far away, and altogether."""

    turn_s: float
    total_s: float


class Pacer:
    """Belongs into one event loop."""

    def __init__(self, limits: Limits, counters: Counters, patience: Patience) -> None:
        self._limits = limits
        self._counters = counters
        self._patience = patience
        self._gate = asyncio.Semaphore(ON_THEIR_WAY)

    @asynccontextmanager
    async def turn(self, outgoing: Outgoing) -> AsyncIterator[Permit | Later]:
        """Inside, it may go now and is to be settled; or it has to wait for longer than it is kept."""
        channel = outgoing.channel
        until_s = time.monotonic() + self._patience.total_s
        while True:
            async with self._paced():
                permit = await insist(lambda: self._limits.take(outgoing.id, channel.kind, channel.address, outgoing.priority))
                if isinstance(permit, Permit):
                    yield permit
                    return
            self._counters.count("waits")
            self._counters.count(f"{channel.kind}_waits")
            if permit > self._patience.turn_s or time.monotonic() + permit > until_s:
                yield Later(max(0.0, permit - EARLY_S), "waiting for the rate limit")
                return
            await asyncio.sleep(permit)

    async def settle(self, permit: Permit, pause_s: float = 0.0) -> None:
        """Its provider has answered, and may have asked to be left alone for a while."""
        await insist(lambda: self._limits.settle(permit, pause_s))

    @asynccontextmanager
    async def _paced(self) -> AsyncIterator[None]:
        await self._gate.acquire()
        is_passed = False

        def pass_on() -> None:
            nonlocal is_passed
            if not is_passed:
                is_passed = True
                self._gate.release()

        timer = asyncio.get_running_loop().call_later(PACE_S, pass_on)
        try:
            yield
        finally:
            timer.cancel()
            pass_on()
