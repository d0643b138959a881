"""An RQ worker that has many deliveries in hand at once.

RQ's own runs one job at a time, with a dozen round trips for each. This one takes jobs by the batch, hands them to the
deliverer's event loop, and closes them by the batch as they end. In Redis everything stands as RQ would have written it, so its
dashboard, its registries and its clean-up work. What a killed worker had in hand is found by sweep.py.
"""

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from typing import Any, cast

from redis.client import Pipeline
from rq import Queue, SimpleWorker
from rq.exceptions import StopRequested
from rq.executions import Execution
from rq.job import Job, JobStatus
from rq.utils import now, utcformat
from rq.worker.base import WorkerStatus

from stormalert.errors import StormError
from stormalert.model import DeliveryState
from stormalert.outage import Outage
from stormalert.process import AWAY_S, UNREACHABLE
from workers.deadlines import JOB_S
from workers.pipeline.outcome import BROKEN_S, Done, Ended, Later, Outcome, Report
from workers.queues import RESULT_S

log = logging.getLogger("stormalert")

# How many deliveries a worker has in hand, most of them waiting for their provider.
HANDS = 100
# As long as stopping may take to be noticed.
BLOCK_S = 1
BEAT_S = 5.0
# What ends within this is told to the store and to RQ at once; the people have it already.
LINGER_S = 0.03

Deliver = Callable[[Sequence[str], Report], Future[None]]
Record = Callable[[Sequence[Ended]], None]


class DeliveryWorker(SimpleWorker):
    """`deliver` starts deliveries, by the name of the queue that their jobs came from, and reports each from another thread;
    `record` tells the store before RQ is told.
    """

    max_connection_wait_time = 2.0

    def __init__(self, *args: Any, deliver: Mapping[str, Deliver], record: Record, **options: Any) -> None:
        super().__init__(*args, **options)
        self._deliver, self._record = deliver, record
        self._hands: dict[str, tuple[Job, Execution]] = {}
        self._ended: queue.SimpleQueue[Ended | None] = queue.SimpleQueue()
        self._freed = threading.Event()
        self._beat_s = float("-inf")
        self._clerk = threading.Thread(target=self._close_jobs, name="clerk", daemon=True)

    def work(self, *args: Any, **options: Any) -> bool:
        self._clerk.start()
        return super().work(*args, **options)

    def request_stop(self, signum: Any, frame: Any) -> None:
        # RQ's own interrupts the wait for a job, which may just be arriving.
        self.stop_when_idle()

    def stop_when_idle(self) -> None:
        """As the signal does: what is in hand is finished first."""
        self._stop_requested = True

    # RQ's loop ends with the first command that the server does not take, because it is away or full. What it calls bears that.

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        with _bearing():
            self._beat(timeout, pipeline)

    def run_maintenance_tasks(self) -> None:
        with _bearing():
            super().run_maintenance_tasks()  # type: ignore[no-untyped-call]

    def check_for_suspension(self, burst: bool) -> None:
        with _bearing():
            super().check_for_suspension(burst)

    def _beat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        if pipeline is None and time.monotonic() - self._beat_s < BEAT_S:
            return
        self._beat_s = time.monotonic()
        super().heartbeat(timeout, pipeline)

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:
        """After this without a word a started job counts as abandoned; RQ's own is a minute more."""
        return JOB_S + 5

    def dequeue_job_and_maintain_ttl(self, timeout: int | None, max_idle_time: int | None = None) -> Any:
        """RQ's loop hands what this returns to execute_job: a batch. None ends it; without a time-out when all is done."""
        is_burst = timeout is None
        outage = Outage("redis")
        while not self._stop_requested:
            if not self._clerk.is_alive():
                raise StormError("the thread that closes jobs has ended")
            try:
                self._beat()
                if self.should_run_maintenance_tasks:
                    self.run_maintenance_tasks()
                ids = self._pop(is_burst)
                outage.end()
            except UNREACHABLE as error:
                outage.begin(type(error).__name__)
                time.sleep(AWAY_S)
                continue
            if ids:
                return ids, self.queues[0]
            if is_burst and not self._hands:
                return None
        raise StopRequested

    def execute_job(self, job: Any, queue: Queue) -> None:
        """Start a batch of jobs."""
        # One that was queued again while it is in hand comes to its end there.
        ids = [delivery for delivery in cast(list[str], job) if delivery not in self._hands]
        self._patiently(partial(self._start, ids))

    def _start(self, ids: Sequence[str]) -> None:
        jobs = [each for each in self.job_class.fetch_many(ids, self.connection, self.serializer) if each is not None]
        with self.connection.pipeline() as pipe:
            for each in jobs:
                execution = Execution.create(each, self.get_heartbeat_ttl(each), pipe, self.name)
                self.executions[execution.id] = execution
                each.prepare_for_execution(self.name, pipe)
                pipe.persist(each.key)
                self._hands[each.id] = (each, execution)
            self.set_state(WorkerStatus.BUSY, pipe)
            pipe.execute()
        accepted = [each for each in jobs if self._accepts(each)]
        for origin, deliver in self._deliver.items():
            if ids_of_queue := [each.id for each in accepted if each.origin == origin]:
                self._hear(deliver, ids_of_queue)

    def _hear(self, deliver: Deliver, ids: Sequence[str]) -> None:
        """Start them, and see to it that each comes to an end: a delivery that breaks before it can report keeps no hand."""
        open_ids = set(ids)

        def report(ended: Ended) -> None:
            open_ids.discard(ended.id)
            self._report(ended)

        def close(delivering: Future[None]) -> None:
            error = None if delivering.cancelled() else delivering.exception()
            if error is not None:
                log.error("deliveries broke", exc_info=error, extra={"count": len(open_ids)})
            for job_id in open_ids:
                self._report(Ended(job_id, Later(BROKEN_S, f"unexpected error: {type(error).__name__}")))

        deliver(ids, report).add_done_callback(close)

    def teardown(self) -> None:
        """What is in hand comes to its end first."""
        until_s = time.monotonic() + JOB_S
        while self._hands and time.monotonic() < until_s:
            self._wait_for_a_hand()
        self._ended.put(None)
        self._clerk.join(AWAY_S)
        super().teardown()  # type: ignore[no-untyped-call]

    def _pop(self, is_burst: bool) -> list[str]:
        """The next jobs of the first queue, then of the second, as many as there are hands for."""
        room = HANDS - len(self._hands)
        if room <= 0:
            self._wait_for_a_hand()
            return []
        ids = self._pop_waiting(room)
        if not ids and is_burst and self._hands:
            self._wait_for_a_hand()
        elif not ids and not is_burst:
            popped = cast(Any, self.connection.blpop([each.key for each in self._ordered_queues], BLOCK_S))
            # One alert makes several jobs.
            ids = [popped[1], *self._pop_waiting(room - 1)] if popped else []
        return [job_id.decode() for job_id in ids]

    def _pop_waiting(self, room: int) -> list[bytes]:
        ids: list[bytes] = []
        for each in self._ordered_queues:
            if len(ids) < room:
                ids += cast(list[bytes] | None, self.connection.lpop(each.key, room - len(ids))) or []
        return ids

    def _accepts(self, job: Job) -> bool:
        try:
            job.func  # noqa: B018 - raises for all but a delivery
        except Exception as error:  # boundary: whatever somebody wrote into Redis
            log.error("job refused", extra={"job": job.id, "reason": str(error)})
            self._report(Ended(job.id, Done(DeliveryState.FAILED, f"refused: {error}")))
            return False
        return True

    def _report(self, ended: Ended) -> None:
        self._ended.put(ended)

    def _tell_rq(self, ended: Sequence[Ended]) -> None:
        with self.connection.pipeline() as pipe:
            for each in ended:
                if each.id in self._hands:
                    job, execution = self._hands[each.id]
                    self._close(job, execution, each.outcome, pipe)
            if len(self._hands) <= len(ended):
                self.set_state(WorkerStatus.IDLE, pipe)
            pipe.execute()

    def _close(self, job: Job, execution: Execution, outcome: Outcome, pipe: Pipeline) -> None:
        job.ended_at = now()
        if isinstance(outcome, Later):
            # RQ's own schedule() knows whole seconds only.
            job.set_status(JobStatus.SCHEDULED, pipeline=pipe)
            pipe.zadd(Queue(job.origin, self.connection).scheduled_job_registry.key, {job.id: time.time() + outcome.after_s})
        elif isinstance(outcome, Done) and outcome.is_failed:
            self._fail(job, execution, outcome.reason, pipe)
            return
        else:
            job.set_status(JobStatus.FINISHED, pipeline=pipe)
            pipe.hset(job.key, "ended_at", utcformat(job.ended_at))
            job.cleanup(RESULT_S, pipe, remove_from_queue=False)
            job.finished_job_registry.add(job, RESULT_S, pipe)
            self.increment_successful_job_count(pipe)
        self.increment_total_working_time(job.ended_at - (job.started_at or job.ended_at), pipe)
        self.cleanup_execution(job, pipe, execution)

    def _fail(self, job: Job, execution: Execution, reason: str, pipe: Pipeline) -> None:
        job.ended_at = now()
        job.set_status(JobStatus.FAILED, pipeline=pipe)
        self.cleanup_execution(job, pipe, execution)
        job._handle_failure(reason, pipe, self.name, execution.id, execution.created_at, job.ended_at)
        self.increment_failed_job_count(pipe)

    def _patiently(self, tell: Callable[[], None]) -> None:
        """Until it is told: what is in hand waits for a store or a Redis that is away."""
        outage = Outage("store or redis")
        while True:
            try:
                tell()
            except (StormError, *UNREACHABLE) as error:
                outage.begin(str(error) if isinstance(error, StormError) else type(error).__name__)
                time.sleep(AWAY_S)
            else:
                return outage.end()

    def _wait_for_a_hand(self) -> None:
        self._freed.clear()
        self._freed.wait(AWAY_S)

    def _close_jobs(self) -> None:
        """The clerk's thread: tells the store and RQ what ended, all at once that has ended meanwhile."""
        is_open = True
        while is_open:
            batch = [self._ended.get()]
            time.sleep(LINGER_S)
            while not self._ended.empty():
                batch.append(self._ended.get())
            is_open = None not in batch
            ended = [each for each in batch if each is not None]
            if ended:
                self._patiently(partial(self._tell_rq, self._recorded(ended)))
                for each in ended:
                    self._hands.pop(each.id, None)
                self._freed.set()

    def _recorded(self, ended: Sequence[Ended]) -> Sequence[Ended]:
        """As RQ is to hear of them; what the store cannot be told comes again."""
        try:
            self._patiently(partial(self._record, ended))
        except Exception as error:  # boundary: one of them, whatever it holds, stops no other
            if len(ended) > 1:
                return [told for each in ended for told in self._recorded([each])]
            log.exception("delivery not recorded", extra={"delivery": ended[0].id})
            return [replace(ended[0], outcome=Later(BROKEN_S, f"unexpected error: {type(error).__name__}"))]
        return ended


@contextlib.contextmanager
def _bearing() -> Iterator[None]:
    try:
        yield
    except UNREACHABLE as error:
        log.debug("redis is away", extra={"reason": type(error).__name__})
