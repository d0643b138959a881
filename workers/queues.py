"""The RQ queue of deliveries: one job each, its id the delivery's, nothing but that id in it, and never a pickle."""

import rq.serializers
from redis import Redis
from rq import Queue
from rq.exceptions import DuplicateJobError
from rq.job import Job, JobStatus
from rq.scheduler import RQScheduler
from rq.serializers import JSONSerializer

from stormalert.errors import StormError

# RQ unpickles wherever it is given no serializer, and some of its own paths and most of rq-dashboard's give none. With this,
# our processes cannot unpickle at all, whatever somebody wrote into Redis.
rq.serializers.PickleSerializer = JSONSerializer  # type: ignore[assignment]

SERIALIZER = JSONSerializer
NAME = "deliveries"
DELIVER = "workers.jobs.deliver"

# The last resort; the channels' own time-outs are shorter.
JOB_TIMEOUT_S = 20
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


def enqueue(queue: Queue, delivery: str) -> bool:
    """Whether a job was made; False when the delivery has one."""
    try:
        queue.enqueue_call(
            DELIVER,
            args=(delivery,),
            job_id=delivery,
            timeout=JOB_TIMEOUT_S,
            result_ttl=RESULT_S,
            failure_ttl=FAILURE_S,
            unique=True,
        )
    except DuplicateJobError:
        return False
    return True


def enqueue_again(queue: Queue, delivery: str) -> None:
    """Replace the delivery's dead job, if there is one."""
    for job in _jobs(queue, [delivery]):
        if job is not None:
            job.delete()
    enqueue(queue, delivery)


def unattended(queue: Queue, deliveries: list[str]) -> dict[str, str]:
    """Deliveries that no job will bring forward by itself, and the worker that holds each: the empty text for none.

    A job that is waiting in the queue or scheduled is well; one that was started is as well as its worker is.
    """
    found = {}
    for delivery, job in zip(deliveries, _jobs(queue, deliveries), strict=True):
        status = job.get_status(refresh=False) if job is not None else None
        if status is JobStatus.QUEUED and queue.get_job_position(delivery) is not None:
            continue
        if status is JobStatus.SCHEDULED and queue.connection.zscore(queue.scheduled_job_registry.key, delivery) is not None:
            continue
        found[delivery] = (job.worker_name or "") if job is not None and status is JobStatus.STARTED else ""
    return found


def open_scheduler(connection: Redis) -> RQScheduler:
    """Moves the jobs that are due into the queue, when its enqueue_scheduled_jobs() is called.

    RQ's worker would fork a process for it, which outlives a killed worker and keeps its lock for a minute. Here the
    dispatcher calls it, without the lock: two that move the same job make it run twice, which delivering tolerates.
    """
    scheduler = RQScheduler([NAME], connection, serializer=SERIALIZER)
    scheduler.prepare_registries([NAME])
    return scheduler


def counts(queue: Queue) -> dict[str, int]:
    """For the status page."""
    return {
        "queued": queue.count,
        "waiting_to_retry": queue.scheduled_job_registry.get_job_count(cleanup=False),
        "failed": queue.failed_job_registry.get_job_count(cleanup=False),
    }


def _jobs(queue: Queue, deliveries: list[str]) -> list[Job | None]:
    return DeliveryJob.fetch_many(deliveries, queue.connection, serializer=SERIALIZER)
