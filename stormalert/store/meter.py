"""Counts what a process asks of its store: how long it took and how often it failed. The heartbeat tells it."""

import functools
import time
from typing import Any

from stormalert.errors import Conflict, StormError
from stormalert.histogram import Histogram


class Meter:
    def __init__(self) -> None:
        self.calls = Histogram()
        self.errors = 0
        self.is_used = False

    @property
    def facts(self) -> dict[str, str | int]:
        return {"store_calls": self.calls.text, "store_errors": self.errors} if self.is_used else {}


# A process has one store, whoever in it opens it.
METER = Meter()


class MeteredStore:
    """A store with its meter: each of its operations is looked at, none is changed."""

    def __init__(self, store: Any, meter: Meter = METER) -> None:
        self._store, self._meter = store, meter
        meter.is_used = True

    def __getattr__(self, name: str) -> Any:
        operation = getattr(self._store, name)
        if not callable(operation):
            return operation

        @functools.wraps(operation)
        def metered(*given: Any, **named: Any) -> Any:
            began_s = time.monotonic()
            try:
                return operation(*given, **named)
            except Conflict:
                raise
            except StormError:
                self._meter.errors += 1
                raise
            finally:
                self._meter.calls.note((time.monotonic() - began_s) * 1_000)

        # Found by itself from now on.
        self.__dict__[name] = metered
        return metered
