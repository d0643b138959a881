"""One run at a time in one directory."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stormalert.errors import StormError

# A launcher that was killed leaves a supervisor that needs this long to stop everything; it holds the lock meanwhile.
LEFT_OVER_STOPS_WITHIN_S = 30


@contextmanager
def only_run(path: Path) -> Iterator[int]:
    """The lock's file descriptor, for the supervisor to inherit. Raises StormError when another run goes on."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        opened = path.open("a+")
    except OSError as error:
        raise StormError(f"STORM_VAR: cannot write in {path.parent}: {error.strerror}") from None
    with opened as file:
        _take(file.fileno(), path)
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield file.fileno()


def _take(descriptor: int, path: Path) -> None:
    deadline = time.monotonic() + LEFT_OVER_STOPS_WITHIN_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = path.read_text().strip()
            if _is_alive(holder):
                raise StormError(
                    f"StormAlert already runs here, as process {holder}: stop it with Ctrl-C there, or with: kill {holder}"
                ) from None
            if time.monotonic() > deadline:
                raise StormError("an earlier run does not stop: see supervisord.log in the log directory") from None
            time.sleep(0.2)
        else:
            return


def _is_alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True
