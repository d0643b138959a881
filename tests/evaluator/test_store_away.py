"""Evaluation needs no store: what is armed in Redis is evaluated without it, from the start on."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from redis import Redis

from stormalert import process
from stormalert.redis.keys import Shard
from stormalert.store import Store, open_store
from stormalert.units import now_ms
from tests.conftest import free_port
from tests.evaluator.test_pump import rolling
from tests.store.away import away

SHARD = Shard("s0")
ROOT = Path(__file__).resolve().parents[2]


class Evaluator:
    def __init__(self, redis: Redis, log: Path, running: subprocess.Popen[bytes]) -> None:
        self.redis, self._log, self.running = redis, log, running

    @property
    def log(self) -> str:
        return self._log.read_text()

    def alerts(self) -> list[str]:
        return [entry["rule"] for _, entry in self.redis.xrange(SHARD.alerts)]  # type: ignore[index, union-attr]

    def rise(self, token: int = 1) -> None:
        """By more than the rule's percent."""
        for price in ("100.00", "103.00"):
            self.redis.xadd(SHARD.ticks, {"token": token, "price": price, "time": now_ms()})

    def is_armed(self, rule: str) -> bool:
        return bool(self.redis.exists(SHARD.rule(rule)))


@contextmanager
def evaluator(redis_url: str, directory: Path, **settings: str) -> Iterator[Evaluator]:
    log = directory / "log"
    environment = os.environ | {"STORM_REDIS_URL": redis_url, "PYTHONPATH": str(ROOT), "STORM_LOG_FORMAT": "text"} | settings
    with log.open("wb") as file, process.connect_in_thread(redis_url) as redis:
        running = subprocess.Popen([sys.executable, "-m", "evaluator"], cwd=directory, env=environment, stderr=file)
        try:
            yield Evaluator(redis, log, running)
        finally:
            running.terminate()
            assert running.wait(60) == 0
            print(log.read_text())


def until(condition: Callable[[], object], what: str, within_s: float = 90) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.02)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store("", tmp_path / "store.sqlite3")
    store.save_rule(rolling("r1").model_copy(update={"revision": 0}))
    yield store
    store.close()


def test_it_goes_on_while_the_store_is_away_and_follows_it_afterwards(redis_url: str, tmp_path: Path, store: Store) -> None:
    path = tmp_path / "store.sqlite3"
    with evaluator(redis_url, tmp_path, STORM_SQLITE_PATH=str(path)) as started:
        until(lambda: started.is_armed("r1"), "the rule's arming")
        with away(path, "rules"):
            until(lambda: "rule sync lost" in started.log, "the word about the store")
            started.rise()
            until(lambda: started.alerts() == ["r1"], "the alert")
            assert started.running.poll() is None
        store.save_rule(rolling("r2", token=2).model_copy(update={"revision": 0}))
        until(lambda: started.is_armed("r2"), "the new rule's arming")
        until(lambda: "rule sync back" in started.log, "the word about the store")
        assert (started.log.count("rule sync lost"), started.log.count("rule sync back")) == (1, 1)


def test_it_starts_without_the_store_and_follows_it_when_it_is_there(redis_url: str, tmp_path: Path, store: Store) -> None:
    with evaluator(redis_url, tmp_path, STORM_SQLITE_PATH=str(tmp_path / "store.sqlite3")) as before:
        until(lambda: before.is_armed("r1"), "the rule's arming")
    # Its folder is none.
    folder = tmp_path / "mounted"
    folder.write_text("")
    with evaluator(redis_url, tmp_path, STORM_SQLITE_PATH=str(folder / "store.sqlite3")) as started:
        until(lambda: "store lost" in started.log, "the word about the store")
        started.rise()
        until(lambda: started.alerts() == ["r1"], "the alert")
        folder.unlink()
        until(lambda: "store back" in started.log, "the store")
        with closing(open_store("", folder / "store.sqlite3")) as found:
            found.save_rule(rolling("r2", token=2).model_copy(update={"revision": 0}))
        until(lambda: started.is_armed("r2"), "the new rule's arming")


def test_a_mongodb_that_does_not_answer_holds_up_neither_start_nor_stop(redis_url: str, tmp_path: Path) -> None:
    uri = f"mongodb://127.0.0.1:{free_port()}/storm"
    with evaluator(redis_url, tmp_path, MONGODB_URI=uri) as started:
        started.rise()
        until(lambda: started.redis.xinfo_groups(SHARD.ticks), "the evaluator's group")
        until(lambda: "store lost" in started.log, "the word about the store")
        assert started.running.poll() is None
