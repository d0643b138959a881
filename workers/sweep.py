"""Finds deliveries that the store knows as queued while nothing works on them any more, and queues them again.

A worker may die with a job in its hands, and Redis may come back without its newest second. RQ by itself would notice the
first after minutes, and the second never.
"""

import logging

from redis import Redis
from rq import Queue

from stormalert import keys
from stormalert.store import Store
from stormalert.units import now_ms
from workers import queues
from workers.summary import is_due

log = logging.getLogger("stormalert")

# Younger ones may still be on their way from the store into the queue.
QUIET_MS = 8_000
BATCH = 5_000
# The heartbeat's field with the name by which RQ knows the worker.
WORKER_FACT = "rq_worker"


class Sweeper:
    def __init__(self, store: Store, queue: Queue, summaries: Queue, client: Redis, summary_ms: int) -> None:
        self._store = store
        self._queue = queue
        self._summaries = summaries
        self._client = client
        self._summary_ms = summary_ms
        self.swept = 0

    def sweep(self) -> None:
        unfinished = self._store.unfinished_deliveries(now_ms() - QUIET_MS, BATCH)
        self._summarize({each.summary for each in unfinished if each.summary})
        waiting = {delivery.id: delivery for delivery in unfinished if not delivery.summary}
        for delivery, worker in queues.unattended(self._queue, list(waiting)).items():
            # Its job may have come to its end since the store was asked; then the store knows more now.
            if (worker and self._is_alive(worker)) or self._store.delivery(delivery) != waiting[delivery]:
                continue
            queues.enqueue_again(self._queue, delivery)
            self.swept += 1
            log.warning("delivery queued again", extra={"delivery": delivery, "dead_worker": worker or "none"})

    def _summarize(self, summaries: set[str]) -> None:
        """Make the jobs of summaries that are due; one that was told makes room for what came too late for it."""
        due = [summary for summary in summaries if is_due(summary, now_ms(), self._summary_ms)]
        for summary, worker in queues.unattended(self._summaries, due).items():
            if not worker or not self._is_alive(worker):
                queues.enqueue_again(self._summaries, summary)

    def _is_alive(self, worker: str) -> bool:
        process, _, _random = worker.rpartition("-")
        host, _, pid = process.rpartition("-")
        # A restarted container has its predecessor's host and pid, but not its name.
        return bool(pid.isdigit() and self._client.hget(keys.alive("worker", host, int(pid)), WORKER_FACT) == worker)
