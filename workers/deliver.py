"""What a worker does with the jobs that it takes: each goes through the stages (workers/pipeline/), and how far it came is
reported whatever happens on the way.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from stormalert.errors import Retryable, StormError
from stormalert.model import DeliveryState
from stormalert.outage import Outage
from stormalert.units import now_ms
from workers.pipeline import answers
from workers.pipeline.collect import Collected, Collector, Steps
from workers.pipeline.outcome import BROKEN_S, Done, Ended, Later, Report
from workers.pipeline.pace import Patience
from workers.pipeline.send import Sending

log = logging.getLogger("stormalert")

# A message that has to wait for longer goes back into the queue.
PATIENCE = Patience(turn_s=2.0, total_s=6.0)
# The queue asks again whether the store is back.
STORE_AWAY_S = 2.0

Collect = Callable[[Sequence[str]], Awaitable[Steps]]


class Deliverer:
    """Belongs into one event loop."""

    def __init__(self, collector: Collector, sending: Sending, clock_ms: Callable[[], int] = now_ms) -> None:
        self._collector = collector
        self._sending = sending
        self._now_ms = clock_ms
        self._outage = Outage("store")

    async def deliver(self, delivery_ids: Sequence[str], report: Report) -> None:
        """Take each delivery as far as it goes now, and report each when it is there."""
        await self._run(self._collector.alone, delivery_ids, report)

    async def digest(self, digest_ids: Sequence[str], report: Report) -> None:
        """The same for digests."""
        await self._run(self._collector.together, digest_ids, report)

    async def _run(self, collect: Collect, jobs: Sequence[str], report: Report) -> None:
        try:
            steps = await collect(jobs)
        except StormError as error:
            self._outage.begin(str(error))
            for job in jobs:
                report(Ended(job, Later(STORE_AWAY_S, str(error))))
            return
        except Exception as error:  # boundary: one of them, whatever it holds, stops no other
            if len(jobs) > 1:
                await asyncio.gather(*(self._run(collect, [job], report) for job in jobs))
                return
            log.exception("delivery broke", extra={"job": jobs[0]})
            report(Ended(jobs[0], Later(BROKEN_S, f"unexpected error: {type(error).__name__}")))
            return
        self._outage.end()
        for step in steps:
            if isinstance(step, Ended):
                report(step)
        await asyncio.gather(*(self._send(step, report) for step in steps if isinstance(step, Collected)))

    async def _send(self, collected: Collected, report: Report) -> None:
        outcome: Done | Later
        try:
            outcome = await self._sending.send(collected.outgoing)
        except StormError as error:
            outcome = Later(STORE_AWAY_S, str(error))
        except Exception as error:  # boundary: the others in hand go on
            log.exception("delivery broke", extra={"delivery": collected.outgoing.id})
            outcome = answers.again(collected.outgoing, Retryable("unexpected error", type(error).__name__), self._now_ms())
        if isinstance(outcome, Done) and outcome.state is DeliveryState.SENT:
            outcome = replace(outcome, reason=collected.how)
        report(Ended(collected.job, outcome, collected.deliveries))
