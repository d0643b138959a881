"""Whether the store's file is the one that was opened: SQLite itself goes on with a file that was removed, and nobody notices.

Whoever has the store open holds a shared lock beside it. Who finds no file while others hold it makes none: a second, empty
store would be worse than none.
"""

import fcntl
import os
import time
from pathlib import Path

from stormalert.errors import StoreError

LOOK_EVERY_S = 0.5
# Who makes the file holds the lock alone meanwhile.
MADE_WITHIN_S = 5.0
AGAIN_S = 0.02


class Presence:
    """Of one process at one file, whose folder is there. Raises StoreError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._looked_s = float("-inf")
        self._file: tuple[int, int] | None = None
        self._lock = os.open(path.with_name(f".{path.name}.open"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._wait_for_file()
        except StoreError:
            self.close()
            raise

    def close(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def opened(self) -> None:
        """The file is there, and ours."""
        fcntl.flock(self._lock, fcntl.LOCK_SH)
        self._file = self._found()

    def check(self) -> None:
        """Raises StoreError when it is not there any more; now and then, because it is asked before each question."""
        if time.monotonic() - self._looked_s < LOOK_EVERY_S:
            return
        found = self._found()
        if found is None:
            raise _gone(self._path)
        if found != self._file:
            what = "was replaced while it was in use: start all processes again, and they take the new one"
            raise StoreError(f"the store {self._path} {what}", "The store's file was replaced under the running processes")
        self._looked_s = time.monotonic()

    def _found(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _wait_for_file(self) -> None:
        until_s = time.monotonic() + MADE_WITHIN_S
        while self._found() is None:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                # Either somebody is making it, or had it.
                if time.monotonic() > until_s:
                    raise _gone(self._path) from None
                time.sleep(AGAIN_S)


def check_gone(path: Path) -> None:
    """Raises StoreError when a file that is not there is in use."""
    beside = path.with_name(f".{path.name}.open")
    if not beside.exists():
        return
    lock = os.open(beside, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _gone(path) from None
    finally:
        os.close(lock)


def _gone(path: Path) -> StoreError:
    what = "was removed while it was in use: put it back, or stop all processes to begin with an empty one"
    return StoreError(f"the store {path} {what}", "The store's file was removed")
