"""No job stays in a worker's hands because something broke on its way."""

from collections.abc import Callable, Iterator, Sequence

import pytest
from redis import Redis
from rq import Queue

from stormalert.errors import StormError
from stormalert.model import DeliveryState
from workers import queues
from workers.loop import Loop
from workers.pipeline.outcome import Done, Ended, Report
from workers.queues import NAME, SERIALIZER, DeliveryJob
from workers.worker import Deliver, DeliveryWorker

IDS = ["rule1-1-c1", "rule1-1-c2", "rule1-1-c3"]


@pytest.fixture
def queue(redis_url: str) -> Iterator[Queue]:
    with Redis.from_url(redis_url) as connection:
        queue = queues.open_queue(connection)
        queues.enqueue(queue, *IDS)
        yield queue


def work(queue: Queue, deliver: Deliver, record: Callable[[Sequence[Ended]], None]) -> None:
    """Until the queue is empty and no hand holds anything."""
    worker = DeliveryWorker(
        [queue],
        connection=queue.connection,
        serializer=SERIALIZER,
        job_class=DeliveryJob,
        deliver={NAME: deliver},
        record=record,
    )
    worker.work(burst=True, logging_level="ERROR")


def ends(queue: Queue) -> tuple[set[str], set[str]]:
    """Ids of the jobs that are finished, and of those that come again."""
    waiting = queue.scheduled_job_registry.get_job_ids(cleanup=False)
    return set(queue.finished_job_registry.get_job_ids(cleanup=False)), set(waiting)


def test_what_breaks_before_it_can_report_comes_again(queue: Queue) -> None:
    async def break_after_one(ids: Sequence[str], report: Report) -> None:
        report(Ended(ids[0], Done(DeliveryState.SENT)))
        raise LookupError("found nothing")

    with Loop() as loop:
        work(queue, lambda ids, report: loop.start(break_after_one(ids, report)), lambda _ended: None)
    assert ends(queue) == ({IDS[0]}, set(IDS[1:]))


def test_one_that_cannot_be_recorded_stops_no_other(queue: Queue) -> None:
    recorded: list[str] = []

    def record(ended: Sequence[Ended]) -> None:
        if any(each.id == IDS[1] for each in ended):
            raise LookupError("a record that nobody can write")
        recorded.extend(each.id for each in ended)

    async def deliver(ids: Sequence[str], report: Report) -> None:
        for each in ids:
            report(Ended(each, Done(DeliveryState.SENT)))

    with Loop() as loop:
        work(queue, lambda ids, report: loop.start(deliver(ids, report)), record)
    assert sorted(recorded) == [IDS[0], IDS[2]]
    assert ends(queue) == ({IDS[0], IDS[2]}, {IDS[1]})


def test_a_store_that_is_away_is_waited_for(queue: Queue) -> None:
    tries = iter([StormError("the store does not answer"), None])

    def record(_ended: Sequence[Ended]) -> None:
        if (error := next(tries)) is not None:
            raise error

    async def deliver(ids: Sequence[str], report: Report) -> None:
        for each in ids:
            report(Ended(each, Done(DeliveryState.SENT)))

    with Loop() as loop:
        work(queue, lambda ids, report: loop.start(deliver(ids, report)), record)
    assert ends(queue) == (set(IDS), set())
