"""Watches what was started, brings the demo to life, and tells a person about both."""

import threading
import time
from collections import deque
from collections.abc import Sequence

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from ops.launch import admin, summary
from ops.launch.health import Health
from ops.launch.plan import RunPlan
from ops.launch.programs import Program
from ops.launch.redis_start import RedisStart
from ops.launch.replaying import Replaying
from ops.launch.seeding import Seeding
from ops.launch.supervisor import Supervisor
from ops.launch.watch import News, ProcessWatch
from stormalert.store import open_store

LOOK_S = 0.5
LINES_OF_LOG = 8


class Launcher:
    def __init__(self, plan: RunPlan, programs: Sequence[Program], supervisor: Supervisor) -> None:
        self._plan, self._programs, self._supervisor = plan, programs, supervisor
        self._watch = ProcessWatch([it.name for it in programs], time.monotonic())
        self._redis = redis.Redis.from_url(
            plan.settings.redis_url,
            socket_timeout=2,
            socket_connect_timeout=2,
            retry=Retry(NoBackoff(), 0),
            decode_responses=True,
        )
        self._health = Health(self._redis)
        self._store = open_store(plan.settings.mongodb_uri, plan.settings.sqlite_path)
        self._start = RedisStart(self._redis, plan.valkey)
        self._seeding = Seeding(plan, self._store, self._redis)
        self._replaying = Replaying(plan, self._store, self._redis) if plan.recording else None
        self._is_announced = False

    def run_until(self, stopping: threading.Event) -> None:
        _say(summary.heading(self._plan))
        while not stopping.wait(LOOK_S):
            self._look()
            try:
                self._go_on()
            except redis.RedisError:
                # It was just being restarted; the watch has told so.
                continue
        self._store.close()

    def _look(self) -> None:
        if not self._supervisor.is_running():
            _say("! supervisord ended, and everything with it: starting it again")
            self._supervisor.restart()
        statuses = {status.name: status for status in self._supervisor.statuses()}
        for status in statuses.values():
            if status.state == "FATAL":
                self._supervisor.try_again(status)
        well = self._health.well(self._programs, statuses)
        if self._plan.is_redis_ours:
            for line in self._start.look(is_well="redis" in well):
                _say(f"! {line}")
        for news in self._watch.look(statuses, well, time.monotonic()):
            _say(self._line(news))

    def _go_on(self) -> None:
        """The next step that is possible: seeding, then the announcement, then a recording's progress."""
        if not self._is_announced:
            if not self._watch.is_well("ingest", "dashboard"):
                return
            if self._plan.is_demo and not self._seeding.is_done:
                for line in self._seeding.advance():
                    _say(line)
                return
            password = "" if self._plan.is_demo else admin.add_first(self._store, summary.FIRST_ADMIN)
            _say(summary.announcement(self._plan, password))
            self._is_announced = True
        elif self._replaying:
            for line in self._replaying.advance():
                _say(line)

    def _line(self, news: News) -> str:
        if not news.is_complaint:
            return f"{'!' if news.is_bad else '✓'} {news.name:10} {news.text or summary.place(self._plan, news.name)}".rstrip()
        log = self._plan.logs / f"{news.name}.log"
        with log.open(errors="replace") as lines:
            end = "".join(f"    {line}" for line in deque(lines, LINES_OF_LOG))
        return f"✗ {news.name:10} {news.text}; it is tried again and again. The end of {log}:\n{end}".rstrip()


def _say(text: str) -> None:
    print(text, flush=True)
