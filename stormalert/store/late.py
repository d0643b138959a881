"""A database that is opened when it is first asked, and tried again until it is there: for processes that can do something
without it, and begin with that.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

from stormalert.errors import StoreError
from stormalert.store.backend import Backend

# Who asks within this after a try has its answer: trying takes seconds where a server does not refuse.
AGAIN_S = 1.0


class Late:
    """A `Backend`, which asks the real one. As long as that cannot be opened, each question raises what opening does."""

    def __init__(self, open_backend: Callable[[], Backend]) -> None:
        self._open = open_backend
        self._lock = threading.Lock()
        self._found: Backend | None = None
        self._failure, self._headline, self._again_s = "", "", 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend(), name)

    def close(self) -> None:
        with self._lock:
            if self._found is not None:
                self._found.close()

    def _backend(self) -> Backend:
        with self._lock:
            if self._found is None:
                if time.monotonic() < self._again_s:
                    raise StoreError(self._failure, self._headline)
                try:
                    self._found = self._open()
                except StoreError as error:
                    self._failure, self._headline = str(error), error.headline
                    self._again_s = time.monotonic() + AGAIN_S
                    raise
            return self._found
