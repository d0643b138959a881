"""The RQ queues of deliveries: one job each, its id the delivery's, nothing but that id in it, and never a pickle."""

import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, cast

import rq.serializers
from redis import Redis
from rq import Queue
from rq.exceptions import InvalidJobOperation, NoSuchJobError
from rq.executions import Execution, ExecutionRegistry
from rq.job import Job, JobStatus
from rq.scheduler import RQScheduler
from rq.scripts import get_unique_enqueue_script
from rq.serializers import JSONSerializer
from rq.utils import now

from stormalert.errors import StormError
from workers.deadlines import JOB_S

# RQ unpickles wherever it is given no serializer, and some of its own paths and most of rq-dashboard's give none. With this,
# our processes cannot unpickle at all, whatever somebody wrote into Redis.
rq.serializers.PickleSerializer = JSONSerializer  # type: ignore[assignment]

log = logging.getLogger("stormalert")

SERIALIZER = JSONSerializer


def _executions(registry: ExecutionRegistry, start: int = 0, end: int = -1) -> list[Execution]:
    """Those too whose own record has expired: their name stays a minute longer, and RQ's own would raise ValueError."""
    found = []
    for execution_id in registry.get_execution_ids(start, end):
        execution = Execution(execution_id, registry.job_id, registry.connection)
        if record := registry.connection.hgetall(execution.key):
            execution.restore(cast(dict[bytes, bytes], record))
        found.append(execution)
    return found


# Of a job whose worker died nothing could be removed for that minute, here and on the board.
ExecutionRegistry.get_executions = _executions  # type: ignore[assignment, method-assign]


def _fetched(kind: type[Job], job_ids: Iterable[str], connection: Redis, serializer: Any = None) -> list[Job | None]:
    """What is left of a job that was removed under its worker, which then notes its end, is none; RQ's own would raise
    NoSuchJobError for the whole batch. It goes, so that a new job can be made.
    """
    ids = list(job_ids)
    with connection.pipeline() as pipe:
        for job_id in ids:
            pipe.hgetall(kind.key_for(job_id))
        records = pipe.execute()
    jobs: list[Job | None] = []
    for job_id, record in zip(ids, records, strict=True):
        job = kind(job_id, connection=connection, serializer=serializer) if record else None
        try:
            if job is not None:
                job.restore(record)
        except (NoSuchJobError, ValueError) as error:
            log.warning("job dropped", extra={"job": job_id, "reason": str(error)})
            connection.delete(kind.key_for(job_id))
            job = None
        jobs.append(job)
    return jobs


# RQ's scheduler asks the plain kind.
Job.fetch_many = classmethod(_fetched)  # type: ignore[assignment, method-assign]

NAME = "deliveries"
# Behind the other one: a worker takes from it what it has hands for. In Redis it has its first name.
DIGESTS = "summaries"
DELIVER = "workers.jobs.deliver"

# Finished jobs are kept for the board to show, failed ones to be run again from there.
RESULT_S = 600
FAILURE_S = 7 * 24 * 3600


class DeliveryJob(Job):
    """A job that runs nothing but a delivery: RQ itself would run any function whose name stands in Redis."""

    @property
    def func(self):  # type: ignore[no-untyped-def]  # RQ's own has no type
        if self.func_name != DELIVER or self.instance:
            raise StormError(f"job {self.id} names another function than {DELIVER}")
        return super().func


def open_queue(connection: Redis) -> Queue:
    return Queue(NAME, connection=connection, serializer=SERIALIZER, job_class=DeliveryJob)


def open_digests(connection: Redis) -> Queue:
    """Jobs of digests; their one argument is the digest's id."""
    return Queue(DIGESTS, connection=connection, serializer=SERIALIZER, job_class=DeliveryJob)


def enqueue(queue: Queue, *deliveries: str) -> None:
    """Make a job for each delivery that has none, in one round trip."""
    if not deliveries:
        return
    make = get_unique_enqueue_script(queue.connection)  # type: ignore[no-untyped-call]
    with queue.connection.pipeline(transaction=False) as pipe:
        pipe.sadd(queue.redis_queues_keys, queue.key)
        for delivery in deliveries:
            job = _new_job(queue, delivery)
            fields = [part for pair in job.to_dict().items() if pair[1] is not None for part in pair]
            make(keys=[job.key, queue.key], args=[job.id, "R", -1, *fields], client=pipe)
        pipe.execute()


def enqueue_again(queue: Queue, delivery: str) -> None:
    """Replace the delivery's dead job, if there is one."""
    for job in _jobs(queue, [delivery]):
        if job is not None:
            # Its worker may end it just now; then it is gone.
            with suppress(InvalidJobOperation):
                job.delete()
    enqueue(queue, delivery)


def unattended(queue: Queue, deliveries: Sequence[str]) -> dict[str, str]:
    """Deliveries that no job will bring forward by itself, and the worker that holds each: the empty text for none.

    A job that is waiting in the queue or scheduled is well; one that was started is as well as its worker is.
    """
    found: dict[str, str] = {}
    if not deliveries:
        return found
    # Asked before the jobs: one that is taken meanwhile is seen as started.
    waiting = set(queue.get_job_ids()) | set(queue.scheduled_job_registry.get_job_ids(cleanup=False))
    for delivery, job in zip(deliveries, _jobs(queue, deliveries), strict=True):
        status = job.get_status(refresh=False) if job is not None else None
        if status in (JobStatus.QUEUED, JobStatus.SCHEDULED) and delivery in waiting:
            continue
        found[delivery] = (job.worker_name or "") if job is not None and status is JobStatus.STARTED else ""
    return found


def open_scheduler(connection: Redis) -> RQScheduler:
    """Moves the jobs that are due into the queue, when its enqueue_scheduled_jobs() is called.

    RQ's worker would fork a process for it, which outlives a killed worker and keeps its lock for a minute. Here the
    dispatcher calls it, without the lock: two that move the same job make it run twice, which delivering tolerates.
    """
    scheduler = RQScheduler([NAME, DIGESTS], connection, serializer=SERIALIZER)
    scheduler.prepare_registries([NAME, DIGESTS])
    return scheduler


def counts(queue: Queue) -> dict[str, int]:
    """For the status page."""
    return {
        "queued": queue.count,
        "queued_since_ms": _oldest_ms(queue),
        "waiting_to_retry": queue.scheduled_job_registry.get_job_count(cleanup=False),
        "failed": queue.failed_job_registry.get_job_count(cleanup=False),
    }


def _oldest_ms(queue: Queue) -> int:
    """Since when the next job waits; 0 when none does."""
    (job,) = _jobs(queue, queue.get_job_ids(0, 1)) or (None,)
    return round(job.enqueued_at.timestamp() * 1_000) if job is not None and job.enqueued_at else 0


def _new_job(queue: Queue, delivery: str) -> Job:
    job: Job = queue.create_job(
        DELIVER,
        args=(delivery,),
        job_id=delivery,
        timeout=JOB_S,
        result_ttl=RESULT_S,
        failure_ttl=FAILURE_S,
        status=JobStatus.QUEUED,
    )
    job.enqueued_at = now()
    return job


def _jobs(queue: Queue, deliveries: Sequence[str]) -> list[Job | None]:
    return DeliveryJob.fetch_many(deliveries, queue.connection, serializer=SERIALIZER)
