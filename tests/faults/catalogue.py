"""Every fault that can be injected while the product runs, with what is promised of it."""

import contextlib
import os
import resource
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis

from stormalert.model import ChannelKind
from tests.faults.fault_run import LINES, FaultRun
from tests.faults.line import Ailment
from workers.pipeline.pace import ON_THEIR_WAY

PROCESSES = ("ingest", "evaluator", "dispatch", "worker-1", "worker-2", "bot", "relay", "dashboard", "board")
# Long enough for every time-out of ours to have passed, and for a drip to have said something.
LINE_S = 30.0
STOPPED_S = 60.0
RESET_EVERY_S = 1.0
RESETS_S = 20.0
LOCKED_S = 30.0
LIMITED_S = 15.0
# Of the address space, so that soon nothing more can be had.
SPARE_BYTES = 8 << 20
SPARE_FILES = 2


@dataclass(frozen=True)
class Fault:
    """`breaks` breaks on entering and mends on leaving. No alert may be lost; so many messages may go out twice."""

    name: str
    breaks: Callable[[FaultRun], AbstractContextManager[None]]
    lasts_s: float
    twice_at_most: int = 0
    # Of the channel that is broken; every other one goes on as ever.
    channel: ChannelKind | None = None


@contextmanager
def _killed(run: FaultRun, process: str) -> Iterator[None]:
    os.kill(run.pid(process), signal.SIGKILL)
    yield


@contextmanager
def _restarted(run: FaultRun, process: str) -> Iterator[None]:
    os.kill(run.pid(process), signal.SIGTERM)
    yield


@contextmanager
def _reset_each_second(run: FaultRun) -> Iterator[None]:
    """Every connection to Redis but our own."""
    done = threading.Event()

    def reset() -> None:
        while not done.wait(RESET_EVERY_S):
            with run.product.redis() as client, contextlib.suppress(redis.RedisError):
                client.client_kill_filter(_type="normal", skipme=True)

    thread = threading.Thread(target=reset, name="resets")
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@contextmanager
def _locked(run: FaultRun) -> Iterator[None]:
    """The store, by another program that writes."""
    with contextlib.closing(sqlite3.connect(run.product.store_file, timeout=30, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.execute("ROLLBACK")


@contextmanager
def _without_files(run: FaultRun, process: str) -> Iterator[None]:
    held = len(list(Path(f"/proc/{run.pid(process)}/fd").iterdir()))
    with run.limited(process, resource.RLIMIT_NOFILE, held + SPARE_FILES):
        yield


@contextmanager
def _without_memory(run: FaultRun, process: str) -> Iterator[None]:
    pages = int(Path(f"/proc/{run.pid(process)}/statm").read_text().split()[0])
    with run.limited(process, resource.RLIMIT_AS, pages * resource.getpagesize() + SPARE_BYTES):
        yield


def _line(name: str, ailment: Ailment) -> Fault:
    channel = ChannelKind(name) if name in set(map(str, ChannelKind)) else None
    # A message that was taken while the answer was lost goes out again: nobody can know.
    twice = ON_THEIR_WAY * 2 if channel else 0
    return Fault(f"{name}: {ailment}", lambda run: run.lines[name].suffering(ailment), LINE_S, twice, channel)


def _of(process: str, what: str, breaks: Callable[[FaultRun, str], AbstractContextManager[None]], lasts_s: float) -> Fault:
    twice = ON_THEIR_WAY if process.startswith(("worker", "redis")) else 0
    return Fault(f"{process}: {what}", lambda run: breaks(run, process), lasts_s, twice)


def _all() -> Iterator[Fault]:
    for name in LINES:
        for ailment in Ailment:
            if ailment is not Ailment.NONE:
                yield _line(name, ailment)
    for process in (*PROCESSES, "redis"):
        yield _of(process, "is killed", _killed, 1)
        yield _of(process, "stands still for a minute", FaultRun.stopped, STOPPED_S)
    for process in PROCESSES:
        yield _of(process, "has no file left to open", _without_files, LIMITED_S)
        yield _of(process, "has no memory left", _without_memory, LIMITED_S)
    yield _of("redis", "is restarted", _restarted, 1)
    # Whatever was on its way when a connection ended may have been done.
    yield Fault("redis: resets every connection each second", _reset_each_second, RESETS_S, ON_THEIR_WAY * round(RESETS_S))
    yield Fault("store: locked by another program", _locked, LOCKED_S)


FAULTS = {fault.name: fault for fault in _all()}
# Those of `make test`, with how long each lasts there.
SHORT = {
    f"whatsapp: {Ailment.DRIPS}": 20.0,
    f"email: {Ailment.BLACK_HOLE}": 12.0,
    f"telegram: {Ailment.GARBAGE}": 5.0,
    f"Kite socket: {Ailment.RESETS}": 4.0,
    "redis: resets every connection each second": 5.0,
    "redis: stands still for a minute": 8.0,
    "store: locked by another program": 8.0,
    "worker-1: has no file left to open": 6.0,
    "evaluator: is killed": 1.0,
}
