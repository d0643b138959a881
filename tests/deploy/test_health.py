"""Health checks of docker-compose.yml that must not find something well because it answers."""

import contextlib
import os
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from tests.conftest import needed
from tests.deploy.compose_file import ROOT, services
from tests.deploy.composed import composed


@pytest.mark.usefixtures("processes")
def test_a_redis_without_its_users_is_not_healthy() -> None:
    needed("redis-cli", "redis-server")
    with composed() as server:
        (server.root("redis") / "etc/stormalert/users.acl").write_text("")
        server.start("redis")
        with redis.Redis(port=server.ports["redis"], retry=Retry(ConstantBackoff(0.1), 100)) as anybody:
            assert anybody.ping()
        assert server.check("redis").returncode == 1


# What mongod 8.0 answers to {hello: 1}, from its flags on to the document's end, as far as the check reads it.
def _hello(writable: bool) -> bytes:
    document = b"\x08isWritablePrimary\0" + (b"\1" if writable else b"\0") + b"\x01ok\0" + struct.pack("<d", 1.0) + b"\0"
    message = b"\0\0\0\0\0" + struct.pack("<i", len(document) + 4) + document
    return struct.pack("<iiii", len(message) + 16, 1, 1, 2013) + message


@contextlib.contextmanager
def _mongod(address: str, answer: bytes) -> Iterator[list[bytes]]:
    """Answers so to whoever asks at `address`; gives what it was asked."""
    asked: list[bytes] = []
    try:
        server = socket.create_server((address, 27017))
    except OSError as error:
        pytest.skip(f"{address}:27017 is somebody's: {error}")
    with server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        asked.append(connection.recv(65536))
                        connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield asked
        server.shutdown(socket.SHUT_RDWR)


def _asked_of_mongo(tmp_path: Path) -> int:
    """The exit code of the check in a container whose name is that of 127.0.0.2."""
    name = tmp_path / "hostname"
    name.write_text("#!/bin/sh\necho 127.0.0.2\n")
    name.chmod(0o755)
    kind, *check = services()["mongo"]["healthcheck"]["test"]
    assert kind == "CMD"
    here = [word.replace("/etc/stormalert/mongo", str(ROOT / "deploy/mongo")) for word in check]
    return subprocess.run(here, env={"PATH": f"{tmp_path}:{os.environ['PATH']}"}, capture_output=True).returncode


@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize(
    ("address", "writable", "code"), [("127.0.0.2", True, 0), ("127.0.0.2", False, 1), ("127.0.0.1", True, 1)]
)
def test_a_mongodb_is_healthy_when_it_takes_writes_at_its_name(tmp_path: Path, address: str, writable: bool, code: int) -> None:
    """Its image starts another one to make the users, at 127.0.0.1 alone."""
    with _mongod(address, _hello(writable)) as asked:
        assert _asked_of_mongo(tmp_path) == code
    # OP_MSG, as long as it says, with one document.
    assert all(struct.unpack_from("<i", each)[0] == len(each) and each[12:16] == struct.pack("<i", 2013) for each in asked)
    assert len(asked) == (address == "127.0.0.2")
