"""A clock that a test sets."""

from dataclasses import dataclass
from typing import Generic, TypeVar

Moment = TypeVar("Moment", int, float)


@dataclass
class Clock(Generic[Moment]):
    """`now` is in the unit of whoever asks: epoch milliseconds, or seconds."""

    now: Moment

    def __call__(self) -> Moment:
        return self.now
