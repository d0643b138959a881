"""Counts what a process asks of its store: how long it took and how often it failed. The heartbeat tells it."""

import functools
import inspect
import time
from collections.abc import Callable
from typing import Any, TypeVar

from stormalert.errors import Conflict, StormError
from stormalert.histogram import Histogram

T = TypeVar("T")


class Meter:
    def __init__(self) -> None:
        self.calls = Histogram()
        self.errors = 0
        self.is_used = False

    @property
    def stats(self) -> dict[str, str | int]:
        return {"store_calls": self.calls.text, "store_errors": self.errors} if self.is_used else {}


# A process has one store, whoever in it opens it.
METER = Meter()


def metered(kind: type[T]) -> type[T]:
    """Each operation of the class is looked at by the instance's `meter`, none is changed. None may call another: both would
    be counted.
    """
    for name, operation in list(vars(kind).items()):
        if inspect.isfunction(operation) and not name.startswith("_"):
            setattr(kind, name, _measured(operation))
    return kind


def _measured(operation: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(operation)
    def measured(store: Any, *given: Any, **named: Any) -> Any:
        began_s = time.monotonic()
        try:
            return operation(store, *given, **named)
        except Conflict:
            raise
        except StormError:
            store.meter.errors += 1
            raise
        finally:
            store.meter.calls.note((time.monotonic() - began_s) * 1_000)

    return measured
