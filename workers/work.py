"""`python -m workers work`: one worker; its clients, the stages and the heartbeat are in an event loop beside it."""

import logging
import os
import socket
import sys
from collections.abc import Sequence
from concurrent.futures import Future

from redis import Redis
from redis.exceptions import RedisError

from stormalert import process
from stormalert.access import security
from stormalert.config import overrides
from stormalert.errors import StormError
from stormalert.logs import start_logging
from stormalert.units import now_ms
from workers.channels import open_channels
from workers.deliver import PATIENCE, Deliverer
from workers.limits import Limits
from workers.loop import Loop
from workers.pipeline.collect import Collector
from workers.pipeline.counters import Counters
from workers.pipeline.dedup import DedupMarkers
from workers.pipeline.failures import FailureCounter
from workers.pipeline.outcome import Ended, Report
from workers.pipeline.record import Recorder
from workers.pipeline.send import open_sending
from workers.queues import DIGESTS, NAME, SERIALIZER, DeliveryJob, open_digests, open_queue
from workers.sweep import WORKER_STAT
from workers.worker import DeliveryWorker

log = logging.getLogger("stormalert")

WORKER_TTL_S = 20
# So often a worker looks after what dead ones left in RQ's registries.
MAINTENANCE_S = 5


def run() -> None:
    config = process.load_or_exit()
    start_logging("worker", config)
    try:
        watch = process.OverridesWatch(config, overrides.CHANNELS)
        with Loop() as loop:
            _work(watch, loop)
    except StormError as error:
        log.error(str(error))
        sys.exit(1)
    except RedisError as error:
        log.error("redis lost", extra={"reason": type(error).__name__})
        sys.exit(1)
    if watch.has_changed:
        process.start_anew()


def _work(watch: process.OverridesWatch, loop: Loop) -> None:
    config = watch.config
    client = process.connect(config.redis_url)
    name = f"{socket.gethostname()}-{os.getpid()}-{security.new_id()[:6]}"
    store = process.wait_for_store(config)
    senders = loop.run(open_channels(config))
    thread_client = process.connect_in_thread(config.redis_url)
    counters = Counters()
    sending = open_sending(client, thread_client, store, Limits(client, config), senders, PATIENCE, counters)
    deliverer = Deliverer(Collector(store, DedupMarkers(client), now_ms), sending)
    recorder, failures = Recorder(store, counters, now_ms), FailureCounter(store, thread_client)

    heartbeat = process.Heartbeat("worker", client, config.beat_path)
    # One dictionary: what is counted is what the heartbeat shows.
    heartbeat.stats = counters.facts
    heartbeat.stats[WORKER_STAT] = name
    # RQ's own first words to a Redis that is full would end the process.
    loop.run(process.wait_for_redis(client, heartbeat=heartbeat))
    log.info("started", extra={"channels": ", ".join(sorted(senders)) or "none", WORKER_STAT: name})
    try:
        with loop.beating(heartbeat):
            worker = open_worker(Redis.from_url(config.rq_url), name, deliverer, recorder, failures, loop)
            watching = loop.start(watch.watch(worker.stop_when_idle))
            worker.work(logging_level="WARNING")
            watching.cancel()
    finally:
        for sender in senders.values():
            loop.run(sender.close())
        loop.run(client.aclose())
        thread_client.close()
        store.close()
    log.info("stopped")


def open_worker(
    connection: Redis, name: str, deliverer: Deliverer, recorder: Recorder, failures: FailureCounter, loop: Loop
) -> DeliveryWorker:
    def deliver(ids: Sequence[str], report: Report) -> Future[None]:
        return loop.start(deliverer.deliver(ids, report))

    def digest(ids: Sequence[str], report: Report) -> Future[None]:
        return loop.start(deliverer.digest(ids, report))

    def record(ended: Sequence[Ended]) -> None:
        recorder.record(ended)
        failures.count(ended)

    return DeliveryWorker(
        [open_queue(connection), open_digests(connection)],
        name=name,
        connection=connection,
        serializer=SERIALIZER,
        job_class=DeliveryJob,
        worker_ttl=WORKER_TTL_S,
        maintenance_interval=MAINTENANCE_S,
        log_job_description=False,
        deliver={NAME: deliver, DIGESTS: digest},
        record=record,
    )
