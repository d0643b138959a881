"""A server whose append-only file is damaged: mended before it is started, what was damaged kept, and what is lost told."""

import random
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import redis

from stormalert.redis.embedded import KEPT, MENDED, REDIS_CONF, START, lasting_server, link_checks
from tests.conftest import free_port

pytestmark = pytest.mark.usefixtures("processes")

WITHIN_S = 90
BEFORE, SINCE = 2_000, 500


class Server:
    """What `make run` and docker compose start again as often as it ends."""

    def __init__(self, directory: Path, *, is_embedded: bool) -> None:
        self.directory, self._port = directory, free_port()
        conf = directory.parent / "valkey.conf"
        conf.write_text(f'include "{REDIS_CONF}"\nbind 127.0.0.1\nport {self._port}\ndir "{directory}"\n')
        directory.mkdir()
        link_checks(directory)
        installed = ("sh", str(START), str(directory), "redis-check-aof", "redis-check-rdb", "redis-server", str(conf))
        self._command = lasting_server(directory, conf) if is_embedded else installed
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> redis.Redis:
        """As its supervisor does: again and again until it answers."""
        until_s = time.monotonic() + WITHIN_S
        client = redis.Redis(port=self._port, decode_responses=True)
        while time.monotonic() < until_s:
            if self._process is None or self._process.poll() is not None:
                self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            with suppress(redis.ConnectionError):
                client.ping()
                return client
            time.sleep(0.05)
        raise AssertionError(f"it did not start within {WITHIN_S} s")

    def cut_power(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(60)
            self._process = None

    @property
    def base(self) -> Path:
        return max((self.directory / "appendonlydir").glob("*.base.rdb"))

    @property
    def increments(self) -> list[Path]:
        return sorted((self.directory / "appendonlydir").glob("*.incr.aof"))

    @property
    def manifest(self) -> Path:
        return self.directory / "appendonlydir" / "appendonly.aof.manifest"

    @property
    def told(self) -> list[str]:
        file = self.directory / MENDED
        return file.read_text().splitlines() if file.exists() else []

    @property
    def kept(self) -> list[str]:
        return [path.name for path in self.directory.glob(KEPT)]


def fill(client: redis.Redis, name: str, count: int) -> None:
    with client.pipeline(transaction=False) as pipe:
        for number in range(count):
            pipe.set(f"{name}{number}", "x" * 20)
        pipe.execute()


# Also as docker compose starts it, where such a server is installed.
@pytest.fixture(params=["embedded", *(["installed"] if shutil.which("redis-check-rdb") else [])])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """With a snapshot of some keys, and more written since; its power is cut."""
    server = Server(tmp_path / "valkey", is_embedded=request.param == "embedded")
    client = server.start()
    fill(client, "before", BEFORE)
    client.bgrewriteaof()
    until_s = time.monotonic() + WITHIN_S
    while client.info("persistence")["aof_rewrite_in_progress"] or client.info("persistence")["aof_base_size"] == 0:
        assert time.monotonic() < until_s
    fill(client, "since", SINCE)
    client.config_set("appendfsync", "always")
    client.set("last", "1")
    client.close()
    server.cut_power()
    try:
        yield server
    finally:
        server.cut_power()


def zeros(path: Path) -> None:
    with path.open("ab") as file:
        file.write(bytes(4_096))


def garbage(path: Path) -> None:
    with path.open("ab") as file:
        file.write(random.Random(16).randbytes(3_000))


def garbage_that_ends_as_a_command_does(path: Path) -> None:
    garbage(path)
    with path.open("ab") as file:
        file.write(b"\r\n")


@pytest.mark.parametrize("damage", [zeros, garbage, garbage_that_ends_as_a_command_does])
def test_what_was_added_by_a_power_cut_is_cut_off_and_nothing_else_is_lost(
    server: Server, damage: Callable[[Path], None]
) -> None:
    part = server.increments[-1]
    damage(part)
    damaged = part.read_bytes()
    with server.start() as client:
        assert client.dbsize() == BEFORE + SINCE + 1
    (told,) = server.told
    assert f"{len(damaged) - part.stat().st_size} bytes are lost" in told
    (kept,) = server.kept
    assert (server.directory / kept).read_bytes() == damaged


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_zeros_from_the_middle_on_cost_what_was_written_after_them(server: Server, share: float) -> None:
    part = server.increments[-1]
    content = part.read_bytes()
    at = int(len(content) * share)
    part.write_bytes(content[:at] + bytes(len(content) - at))
    with server.start() as client:
        assert BEFORE + int(SINCE * share) - 2 <= client.dbsize() <= BEFORE + int(SINCE * share) + 2
    assert len(server.told) == len(server.kept) == 1


@pytest.mark.parametrize("seed", range(3))
def test_a_file_that_ends_at_any_byte_is_read_as_far_as_it_goes(server: Server, seed: int) -> None:
    part = server.increments[-1]
    content = part.read_bytes()
    part.write_bytes(content[: random.Random(seed).randrange(len(content))])
    with server.start() as client:
        assert BEFORE <= client.dbsize() <= BEFORE + SINCE


def test_later_parts_go_with_what_is_cut_off_before_them(server: Server) -> None:
    part = server.increments[-1]
    later = part.with_name("appendonly.aof.9.incr.aof")
    later.write_bytes(b"*3\r\n$3\r\nSET\r\n$5\r\nlater\r\n$1\r\n1\r\n")
    with server.manifest.open("a") as manifest:
        manifest.write(f"file {later.name} seq 9 type i\n")
    zeros(part)
    with server.start() as client:
        assert client.dbsize() == BEFORE + SINCE + 1
        assert client.get("later") is None
    assert sorted(name.partition(".damaged")[0] for name in server.kept) == [part.name, later.name]


@pytest.mark.parametrize("part", ["base", "manifest"])
def test_without_its_snapshot_or_its_list_it_begins_empty_and_all_is_kept(server: Server, part: str) -> None:
    path: Path = getattr(server, part)
    path.write_bytes(bytes(path.stat().st_size))
    with server.start() as client:
        assert client.dbsize() == 0
        client.set("new", "1")
    (told,) = server.told
    assert "It begins empty: the evaluator arms all rules anew" in told
    (kept,) = server.kept
    assert len(list((server.directory / kept).iterdir())) == 3


def test_a_file_that_is_whole_is_not_touched(server: Server) -> None:
    for _ in range(2):
        with server.start() as client:
            assert client.dbsize() == BEFORE + SINCE + 1
        server.cut_power()
    assert (server.told, server.kept) == ([], [])
