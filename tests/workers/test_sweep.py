from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from redis import Redis
from rq import Queue
from rq.utils import now

from stormalert.model import ChannelKind, Delivery, DeliveryState
from stormalert.redis import keys
from stormalert.store import Store, open_store
from stormalert.units import now_ms
from tests.workers.fixtures import a_worker
from workers import queues
from workers.sweep import QUIET_MS, WORKER_STAT, Sweeper

ID = "rule1-1-channel1"
WORKER = "some-host-17-abcdef"


@pytest.fixture
def queue(redis_url: str) -> Iterator[Queue]:
    with Redis.from_url(redis_url) as client:
        yield queues.open_queue(client)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store("", tmp_path / "store.sqlite3")
    store.save_delivery(delivery())
    yield store
    store.close()


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


@pytest.fixture
def sweeper(store: Store, queue: Queue, redis: Redis) -> Sweeper:
    return a_sweeper(store, queue, redis)


def a_sweeper(store: Store, queue: Queue, redis: Redis) -> Sweeper:
    return Sweeper(store, queue, queues.open_digests(queue.connection), redis)


def delivery(age_ms: int = 2 * QUIET_MS) -> Delivery:
    return Delivery(
        id=ID,
        alert="rule1-1",
        user="user1",
        channel="channel1",
        channel_kind=ChannelKind.EMAIL,
        state=DeliveryState.QUEUED,
        queued_ms=now_ms() - age_ms,
        updated_ms=now_ms() - age_ms,
    )


def start_job(queue: Queue) -> None:
    """As a worker does that takes the job, and is killed in it."""
    queues.enqueue(queue, ID)
    worker = a_worker(queue, WORKER)
    dequeued = queue.dequeue_any([queue], None, queue.connection, queues.DeliveryJob, queues.SERIALIZER)
    assert dequeued is not None
    worker.prepare_execution(dequeued[0])
    worker.prepare_job_execution(dequeued[0], remove_from_intermediate_queue=True)


def test_a_delivery_without_a_job_gets_one(sweeper: Sweeper, queue: Queue) -> None:
    sweeper.sweep()
    assert queue.job_ids == [ID]
    sweeper.sweep()
    assert (queue.job_ids, sweeper.swept) == ([ID], 1)


def test_a_job_whose_execution_has_expired_is_replaced(sweeper: Sweeper, queue: Queue) -> None:
    """Its worker was killed: RQ's record of it ends a minute before the name of the record does."""
    start_job(queue)
    (record,) = queue.connection.scan_iter("rq:execution:*")
    queue.connection.delete(record)
    sweeper.sweep()
    assert (queue.job_ids, sweeper.swept) == ([ID], 1)
    assert queue.started_job_registry.count == 0


def test_a_job_that_ends_while_it_is_replaced_is_replaced(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    queues.enqueue(queue, ID)
    (job,) = queues.DeliveryJob.fetch_many([ID], queue.connection, serializer=queues.SERIALIZER)
    assert job is not None
    job.delete()
    monkeypatch.setattr(queues, "_jobs", lambda _queue, _deliveries: [job])
    queues.enqueue_again(queue, ID)
    assert queue.job_ids == [ID]


def test_what_is_left_of_a_job_that_was_removed_under_its_worker_stops_nobody(sweeper: Sweeper, queue: Queue) -> None:
    queues.enqueue(queue, "rule2-1-channel1")
    queue.connection.hset(queues.DeliveryJob.key_for(ID), "ended_at", "2026-11-26T09:15:00.000000Z")
    queue.scheduled_job_registry.schedule(queues.DeliveryJob.fetch("rule2-1-channel1", queue.connection), now())
    queue.connection.zadd(queue.scheduled_job_registry.key, {ID: 1})
    queues.open_scheduler(queue.connection).enqueue_scheduled_jobs()
    sweeper.sweep()
    assert (set(queue.job_ids), sweeper.swept) == ({ID, "rule2-1-channel1"}, 1)


def test_a_delivery_on_its_way_to_the_queue_is_left_alone(tmp_path: Path, queue: Queue, redis: Redis) -> None:
    store = open_store("", tmp_path / "young.sqlite3")
    store.save_delivery(delivery(age_ms=0))
    a_sweeper(store, queue, redis).sweep()
    store.close()
    assert queue.job_ids == []


def test_a_job_that_waits_to_be_retried_is_left_alone(sweeper: Sweeper, queue: Queue) -> None:
    queue.enqueue_in(timedelta(minutes=5), queues.DELIVER, ID, job_id=ID)
    sweeper.sweep()
    assert (queue.job_ids, sweeper.swept) == ([], 0)


def test_a_job_in_the_hands_of_a_living_worker_is_left_alone(sweeper: Sweeper, queue: Queue, redis: Redis) -> None:
    start_job(queue)
    redis.hset(keys.alive("worker", "some-host", 17), WORKER_STAT, WORKER)
    sweeper.sweep()
    assert (queue.job_ids, sweeper.swept) == ([], 0)


def test_a_job_in_the_hands_of_a_dead_worker_is_queued_again(sweeper: Sweeper, queue: Queue) -> None:
    start_job(queue)
    sweeper.sweep()
    assert (queue.job_ids, sweeper.swept) == ([ID], 1)


def test_a_worker_with_its_predecessors_pid_is_not_taken_for_it(sweeper: Sweeper, queue: Queue, redis: Redis) -> None:
    start_job(queue)
    redis.hset(keys.alive("worker", "some-host", 17), WORKER_STAT, "some-host-17-another")
    sweeper.sweep()
    assert queue.job_ids == [ID]


def test_a_job_that_was_popped_but_never_started_is_queued_again(sweeper: Sweeper, queue: Queue) -> None:
    queues.enqueue(queue, ID)
    queue.dequeue_any([queue], None, queue.connection, queues.DeliveryJob, queues.SERIALIZER)
    assert queue.job_ids == []
    sweeper.sweep()
    assert queue.job_ids == [ID]


def test_a_retry_that_is_due_is_moved_into_the_queue(queue: Queue) -> None:
    queue.enqueue_in(timedelta(seconds=-1), queues.DELIVER, ID, job_id=ID)
    queues.open_scheduler(queue.connection).enqueue_scheduled_jobs()
    assert queue.job_ids == [ID]


def test_a_job_that_names_another_function_is_not_run(queue: Queue, tmp_path: Path) -> None:
    written = tmp_path / "written"
    queue.enqueue("os.mkdir", str(written), job_id="evil")
    a_worker(queue).work(burst=True, logging_level="CRITICAL")
    assert not written.exists()
    assert queue.failed_job_registry.get_job_ids() == ["evil"]


def park(store: Store, delivery_id: str, due_ms: int, summary: str = "") -> None:
    store.save_delivery(delivery().model_copy(update={"id": delivery_id, "due_ms": due_ms, "summary": summary}))


def test_a_summary_that_is_due_gets_a_job_and_its_alerts_get_none(sweeper: Sweeper, store: Store, queue: Queue) -> None:
    park(store, "rule2-1-channel1", now_ms(), "sum-channel1-1")
    park(store, "rule2-2-channel1", now_ms() + 60_000, "sum-channel1-2")
    sweeper.sweep()
    sweeper.sweep()
    assert queue.job_ids == [ID]
    assert queues.open_digests(queue.connection).job_ids == ["sum-channel1-1"]


def test_what_waited_by_itself_gets_a_job_when_it_is_due(sweeper: Sweeper, store: Store, queue: Queue) -> None:
    park(store, "rule2-1-channel1", now_ms())
    park(store, "rule2-2-channel1", now_ms() + 60_000)
    sweeper.sweep()
    # It was not left behind: only the other one is told of.
    assert (queue.job_ids, sweeper.swept) == ([ID, "rule2-1-channel1"], 1)
