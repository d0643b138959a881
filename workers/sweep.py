"""Finds deliveries that the store knows as queued while nothing works on them any more, and queues them again; also those
that waited for a moment, and are due.

A worker may die with a job in its hands, and Redis may come back without its newest second. RQ by itself would notice the
first after minutes, and the second never.
"""

import logging
from collections.abc import Sequence

from redis import Redis
from rq import Queue

from stormalert.redis import keys
from stormalert.store import Store
from stormalert.units import now_ms
from workers import queues

log = logging.getLogger("stormalert")

# Younger ones may still be on their way from the store into the queue.
QUIET_MS = 8_000
BATCH = 5_000
# The heartbeat's field with the name by which RQ knows the worker.
WORKER_FACT = "rq_worker"


class Sweeper:
    def __init__(self, store: Store, queue: Queue, digests: Queue, client: Redis) -> None:
        self._store = store
        self._queue = queue
        self._digests = digests
        self._client = client
        self.swept = 0

    def sweep(self) -> None:
        unfinished = self._store.unfinished_deliveries(now_ms() - QUIET_MS, now_ms(), BATCH)
        self._queue_digests(list({each.summary for each in unfinished if each.summary}))
        waiting = {delivery.id: delivery for delivery in unfinished if not delivery.summary}
        for delivery, worker in queues.unattended(self._queue, list(waiting)).items():
            # Its job may have come to its end since the store was asked; then the store knows more now.
            if (worker and self._is_alive(worker)) or self._store.delivery(delivery) != waiting[delivery]:
                continue
            queues.enqueue_again(self._queue, delivery)
            if waiting[delivery].due_ms:
                # It had no job while it waited.
                continue
            self.swept += 1
            log.warning("delivery queued again", extra={"delivery": delivery, "dead_worker": worker or "none"})

    def _queue_digests(self, due: Sequence[str]) -> None:
        """Make the jobs of digests; one that was told makes room for what came too late for it."""
        for digest, worker in queues.unattended(self._digests, due).items():
            if not worker or not self._is_alive(worker):
                queues.enqueue_again(self._digests, digest)

    def _is_alive(self, worker: str) -> bool:
        process, _, _random = worker.rpartition("-")
        host, _, pid = process.rpartition("-")
        # A restarted container has its predecessor's host and pid, but not its name.
        return bool(pid.isdigit() and self._client.hget(keys.alive("worker", host, int(pid)), WORKER_FACT) == worker)
