"""Processes are started as such: signals, exit codes and what stands on stderr are what counts."""

import asyncio
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import pytest
import redis

from stormalert.errors import InputError
from stormalert.process import ALIVE_MS, Heartbeat, cancel, connect
from stormalert.redis import keys
from stormalert.redis.keys import Shard
from tests.conftest import free_port

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
SCRIPT = """
import asyncio, logging
from stormalert import process
from stormalert.errors import StormError
from stormalert.config.settings import Settings

async def main(settings: Settings, stopping: asyncio.Event) -> None:
    client = process.connect(settings.redis_url)
    if not await process.wait_for_redis(client, stopping):
        return
    heartbeat = process.Heartbeat("tester", client)
    heartbeat.stats = {"ticks": 7}
    logging.getLogger("stormalert").info("up", extra={"answer": 42})
    WORK
    await heartbeat.beat_until(stopping)
    await client.aclose()

process.run("tester", main)
"""


class Processes:
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self, work: str = "pass", stderr: int | None = None, **settings: str) -> subprocess.Popen[bytes]:
        ours = {"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": os.environ["PATH"]} | settings
        command = [sys.executable, "-c", SCRIPT.replace("WORK", work)]
        with self.log.open("wb") as log:
            process = subprocess.Popen(command, cwd=self._directory, env=ours, stderr=log if stderr is None else stderr)
        self._started.append(process)
        return process

    @property
    def log(self) -> Path:
        return self._directory / "log"

    def stop(self) -> None:
        for process in self._started:
            process.kill()
            process.wait(90)


@pytest.fixture
def spawner(processes: None, tmp_path: Path) -> Iterator[Processes]:
    started = Processes(tmp_path)
    yield started
    started.stop()


def wait_until(condition: Callable[[], object], within_s: float = 90) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_a_process_cleanly_and_its_heartbeat_goes_with_it(
    spawner: Processes, redis_url: str, number: signal.Signals
) -> None:
    process = spawner.start(STORM_REDIS_URL=redis_url, STORM_LOG_FORMAT="text")
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        wait_until(lambda: client.zcard(keys.BEATS))
        key = keys.alive("tester", socket.gethostname(), process.pid)
        assert client.zrange(keys.BEATS, 0, -1) == [key]
        stats = cast(dict[str, str], client.hgetall(key))
        assert {"started_ms", "beat_ms", "version", "rss_bytes", "cpu_s", "late_ms", "ticks"} == set(stats)
        assert stats["version"] == tomllib.loads(PYPROJECT.read_text())["project"]["version"]
        assert int(stats["rss_bytes"]) > 10_000_000
        assert 0 < client.pttl(key) <= ALIVE_MS  # type: ignore[operator]
        process.send_signal(number)
        assert process.wait(90) == 0
        assert client.keys("*") == [keys.STARTS] and client.hgetall(keys.STARTS) == {"tester": "1"}
    lines = spawner.log.read_text().splitlines()
    assert [line.partition(" tester: ")[2] for line in lines] == ["started", "up answer=42", "stopped"]


def test_a_process_that_waits_for_redis_can_be_stopped(spawner: Processes) -> None:
    process = spawner.start(STORM_REDIS_URL=f"redis://127.0.0.1:{free_port()}/0", STORM_LOG_FORMAT="text")
    wait_until(lambda: spawner.log.exists() and "waiting for redis" in spawner.log.read_text())
    process.send_signal(signal.SIGTERM)
    assert process.wait(90) == 0
    assert spawner.log.read_text().splitlines()[-1].endswith("tester: stopped")


def test_an_error_of_ours_is_one_sentence_and_exit_code_1(spawner: Processes, redis_url: str) -> None:
    process = spawner.start('raise StormError("the port is taken")', STORM_REDIS_URL=redis_url, STORM_LOG_FORMAT="text")
    assert process.wait(90) == 1
    assert spawner.log.read_text().splitlines()[-1].endswith("error   tester: the port is taken")
    assert "Traceback" not in spawner.log.read_text()


async def test_a_task_ends_though_what_it_waits_for_swallows_a_cancellation() -> None:
    swallowed = []

    async def works() -> None:
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                if swallowed:
                    raise
                swallowed.append(True)

    task = asyncio.create_task(works())
    await asyncio.sleep(0)
    await cancel(task)
    assert task.cancelled() and swallowed


async def test_who_cancels_a_task_that_failed_hears_of_it() -> None:
    async def fails() -> None:
        raise InputError("no port")

    task = asyncio.create_task(fails())
    await asyncio.sleep(0)
    with pytest.raises(InputError):
        await cancel(task)


DEAF = """
    async def deaf():
        while not stopping.is_set():
            try:
                await asyncio.wait_for(stopping.wait(), 60)
            except asyncio.CancelledError:
                pass

    async def fails():
        raise StormError("the port is taken")

    async with process.Tasks(stopping) as tasks:
        tasks.create_task(deaf())
        tasks.create_task(fails())
"""


def test_a_task_that_fails_ends_also_those_to_which_no_cancellation_comes_through(spawner: Processes, redis_url: str) -> None:
    process = spawner.start(DEAF, STORM_REDIS_URL=redis_url, STORM_LOG_FORMAT="text")
    assert process.wait(45) == 1
    assert spawner.log.read_text().splitlines()[-1].endswith("error   tester: the port is taken")


def test_settings_that_cannot_be_used_are_all_told_and_nothing_is_started(spawner: Processes) -> None:
    process = spawner.start(STORM_PORT="high", STORM_LOG_LEVEL="LOUD", STORM_COLOUR="red")
    assert process.wait(90) == 2
    lines = spawner.log.read_text().splitlines()
    assert [line.split()[1].rstrip(":") for line in lines] == ["STORM_COLOUR", "STORM_LOG_LEVEL", "STORM_PORT"]


def test_a_process_waits_for_a_redis_that_comes_later(spawner: Processes, redis_url: str) -> None:
    port = free_port()
    spawner.start(STORM_REDIS_URL=f"redis://127.0.0.1:{port}/0", STORM_LOG_FORMAT="text")
    wait_until(lambda: "waiting for redis" in spawner.log.read_text())
    # A door to the real server that opens late.
    with socket.create_server(("127.0.0.1", port)) as door:
        door.settimeout(90)
        for _ in range(2):
            visitor, _address = door.accept()
            with visitor, socket.create_connection(("127.0.0.1", urlsplit(redis_url).port or 0)) as server:
                visitor.settimeout(0.2)
                server.settimeout(0.2)
                if _carry(visitor, server, lambda: "up answer" in spawner.log.read_text()):
                    break
    assert spawner.log.read_text().count("waiting for redis") == 1


def _carry(visitor: socket.socket, server: socket.socket, is_done: Callable[[], bool], within_s: float = 60) -> bool:
    deadline = time.monotonic() + within_s
    while not is_done() and time.monotonic() < deadline:
        for source, target in ((visitor, server), (server, visitor)):
            try:
                taken = source.recv(65_536)
            except TimeoutError:
                continue
            if not taken:
                return is_done()
            target.sendall(taken)
    return is_done()


def test_a_log_for_machines_is_one_object_a_line_with_the_same_fields(spawner: Processes, redis_url: str) -> None:
    process = spawner.start(STORM_REDIS_URL=redis_url, STORM_LOG_FORMAT="json")
    wait_until(lambda: spawner.log.read_text().count("\n") >= 2)
    process.terminate()
    process.wait(90)
    entries = [json.loads(line) for line in spawner.log.read_text().splitlines()]
    assert [entry["message"] for entry in entries] == ["started", "up", "stopped"]
    assert entries[1]["answer"] == 42
    assert {(entry["process"], entry["level"], entry["pid"]) for entry in entries} == {("tester", "info", process.pid)}
    assert all(datetime.fromisoformat(entry["time"]).tzinfo for entry in entries)


LIBRARIES = """
    import warnings
    for name in ("uvicorn.error", "rq.worker", "twisted", "kiteconnect.ticker", "websockets.server", "httpx"):
        logging.getLogger(name).info("chatter of %s", name)
        logging.getLogger(name).warning("warned by %s", name)
    warnings.warn("something is old")
    logging.getLogger("stormalert").info("two\\nlines", extra={"time": "no field of ours", "pid": 1, "rule": "r1"})
    async def breaks():
        raise ValueError("broken on purpose")
    await breaks()
"""


def test_libraries_warnings_and_a_crash_are_events_like_all_others(spawner: Processes, redis_url: str) -> None:
    process = spawner.start(LIBRARIES, STORM_REDIS_URL=redis_url)
    assert process.wait(90) == 1
    entries = [json.loads(line) for line in spawner.log.read_text().splitlines()]
    assert {entry["pid"] for entry in entries} == {process.pid}
    told = [entry["message"] for entry in entries]
    assert not any("chatter" in text for text in told)
    assert sum(text.startswith("warned by") for text in told) == 6
    assert any("something is old" in text for text in told)
    ours = next(entry for entry in entries if entry["message"] == "two\nlines")
    assert ours["rule"] == "r1" and datetime.fromisoformat(ours["time"]).tzinfo is not None
    assert (entries[-1]["message"], entries[-1]["level"]) == ("crashed", "critical")
    assert "ValueError: broken on purpose" in entries[-1]["exception"] and "in breaks" in entries[-1]["exception"]


def test_on_a_terminal_the_log_is_text_unless_it_is_told_otherwise(spawner: Processes, redis_url: str) -> None:
    ours, theirs = pty.openpty()
    process = spawner.start(STORM_REDIS_URL=redis_url, stderr=theirs)
    os.close(theirs)
    read = b""
    while b"up answer=42" not in read:
        read += os.read(ours, 65_536)
    process.terminate()
    process.wait(90)
    os.close(ours)
    assert b" info    tester: up answer=42" in read


def test_an_event_with_a_line_break_is_one_line_for_people_too(spawner: Processes, redis_url: str) -> None:
    work = 'logging.getLogger("stormalert").info("two\\nlines", extra={"rule": "a\\nb"}); stopping.set()'
    spawner.start(work, STORM_REDIS_URL=redis_url, STORM_LOG_FORMAT="text").wait(90)
    assert "two\\nlines rule=a\\nb" in spawner.log.read_text()


async def test_more_shards_than_redis_py_has_connections_by_itself_wait_at_once(redis_url: str) -> None:
    async with connect(redis_url) as client:
        reads = [client.xread({Shard(f"s{number}").ticks: "$"}, block=50) for number in range(150)]
        assert await asyncio.gather(*reads) == [await client.xread({"none": "$"}, block=1)] * 150


async def test_a_beat_touches_the_file_of_the_health_check_and_a_place_that_is_none_ends_nothing(
    redis_url: str, tmp_path: Path
) -> None:
    async with connect(redis_url) as client:
        file = tmp_path / "beat"
        heartbeat = Heartbeat("tester", client, file)
        await heartbeat.beat()
        assert file.exists()
        # It has stopped in order: a check says so at once.
        stopping = asyncio.Event()
        stopping.set()
        await heartbeat.beat_until(stopping)
        assert not file.exists()
        await Heartbeat("tester", client, tmp_path / "nowhere" / "beat").beat()
