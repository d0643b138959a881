"""Redis for a command that may be given while nothing runs: the embedded Valkey is started for it where it is ours."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ops.launch import files
from ops.launch.lock import only_run
from ops.launch.plan import RunPlan, make_plan
from stormalert.config import settings
from stormalert.config.settings import Settings
from stormalert.errors import StormError
from stormalert.process import REDIS_ERRORS, connect_in_thread
from stormalert.redis.embedded import lasting_server

# It reads its file first.
START_WITHIN_S = 300
STOP_WITHIN_S = 60


@contextmanager
def redis_at_hand(*, is_written: bool = False) -> Iterator[Settings]:
    """The settings as all processes have them. Raises StormError when Redis does not answer and is not ours to start.

    `is_written`: nobody may start StormAlert here meanwhile.
    """
    given = settings.given()
    plan = make_plan(given, settings.read_file(settings.run_file(given)))
    is_up = _answers(plan.settings)
    if not plan.is_redis_ours:
        if not is_up:
            raise StormError("redis at STORM_REDIS_URL does not answer")
        # Not the plan's, which is for `make run`.
        yield settings.load()
        return
    if is_up and not is_written:
        yield plan.settings
        return
    os.umask(0o077)
    with only_run(plan.lock), _started(plan):
        yield plan.settings


@contextmanager
def _started(plan: RunPlan) -> Iterator[None]:
    files.write_run_env(plan)
    files.write_valkey_conf(plan)
    server = subprocess.Popen(lasting_server(plan.valkey, plan.valkey_conf), stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + START_WITHIN_S
        while not _answers(plan.settings):
            if server.poll() is not None or time.monotonic() > deadline:
                raise StormError(f"the embedded Valkey did not start at port {plan.settings.redis_port}")
            time.sleep(0.05)
        yield
    finally:
        # It writes down what it has before it ends.
        server.terminate()
        server.wait(STOP_WITHIN_S)


def _answers(config: Settings) -> bool:
    try:
        with connect_in_thread(config.redis_url) as client:
            return bool(client.ping())
    except REDIS_ERRORS:
        return False
