"""`python -m workers work`: one RQ worker, with its clients and its heartbeat in an event loop beside it."""

import logging
import os
import socket
import sys
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from rq import SimpleWorker
from rq.job import Job

from stormalert import process, security
from stormalert.errors import DeliveryError, StormError
from stormalert.settings import Settings
from stormalert.store import open_store
from workers import jobs
from workers.channels import open_channels
from workers.deliver import Courier
from workers.loop import Loop
from workers.marks import Marks
from workers.post import Post
from workers.queues import JOB_TIMEOUT_S, SERIALIZER, DeliveryJob, open_queue
from workers.sweep import WORKER_FACT

log = logging.getLogger("stormalert")

# RQ waits for a job in turns of this less 15 s, and between two of them looks after what dead workers left.
WORKER_TTL_S = 20
MAINTENANCE_S = 5


class DeliveryWorker(SimpleWorker):
    """Runs jobs in this process: connections live on from one to the next, and a fork for each costs five times as much."""

    max_connection_wait_time = 2.0

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:
        """After this without a word a started job counts as abandoned; RQ's own is a minute more."""
        return JOB_TIMEOUT_S + 5

    def handle_exception(self, job: Job, *exc_info: Any) -> None:
        """A delivery that failed was logged as that; only what nobody expected is worth a traceback."""
        if not isinstance(exc_info[1], DeliveryError):
            super().handle_exception(job, *exc_info)


def run() -> None:
    config = process.load_or_exit()
    process.start_logging("worker", config)
    try:
        with Loop() as loop:
            _work(config, loop)
    except StormError as error:
        log.error(str(error))
        sys.exit(1)
    except RedisError as error:
        log.error("redis lost", extra={"reason": type(error).__name__})
        sys.exit(1)


def _work(config: Settings, loop: Loop) -> None:
    client = process.connect(config.redis_url)
    loop.run(process.wait_for_redis(client))
    name = f"{socket.gethostname()}-{os.getpid()}-{security.new_id()[:6]}"
    store = open_store(config.mongodb_uri, config.sqlite_path)
    channels = loop.run(open_channels(config))
    marks = Marks(process.connect_in_thread(config.redis_url))
    courier = Courier(store, marks, Post(channels, loop))
    jobs.start(courier)

    heartbeat = process.Heartbeat("worker", client)
    # One dictionary: what the courier counts is what the heartbeat shows.
    heartbeat.facts = courier.counts
    heartbeat.facts[WORKER_FACT] = name
    log.info("started", extra={"channels": ", ".join(sorted(channels)) or "none", WORKER_FACT: name})
    try:
        with loop.beating(heartbeat):
            _worker(config, name).work(logging_level="WARNING")
    finally:
        for sender in channels.values():
            loop.run(sender.close())
        loop.run(client.aclose())
        store.close()
    log.info("stopped")


def _worker(config: Settings, name: str) -> DeliveryWorker:
    queue = open_queue(Redis.from_url(config.rq_url))
    return DeliveryWorker(
        [queue],
        name=name,
        connection=queue.connection,
        serializer=SERIALIZER,
        job_class=DeliveryJob,
        worker_ttl=WORKER_TTL_S,
        maintenance_interval=MAINTENANCE_S,
        log_job_description=False,
    )
