"""How often something took how long: counted by a process, told as one text in its heartbeat, and read by /metrics."""

import threading
from bisect import bisect_left
from typing import NamedTuple, Self

# Upper bounds of the buckets; the last bucket has none.
BOUNDS_MS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000, 3_600_000)


class Counted(NamedTuple):
    """What a histogram told: how often, by bucket, and all durations together."""

    by_bucket: tuple[int, ...]
    sum_ms: int

    @classmethod
    def read(cls, text: str) -> Self | None:
        """None for what is no histogram of these buckets, such as that of another version."""
        numbers = text.split()
        if len(numbers) != len(BOUNDS_MS) + 2 or not all(number.isdigit() for number in numbers):
            return None
        return cls(tuple(map(int, numbers[:-1])), int(numbers[-1]))


class Histogram:
    """May be told of by several threads."""

    def __init__(self) -> None:
        self._by_bucket = [0] * (len(BOUNDS_MS) + 1)
        self._sum_ms = 0.0
        self._lock = threading.Lock()

    def note(self, took_ms: float, times: int = 1) -> None:
        with self._lock:
            self._by_bucket[bisect_left(BOUNDS_MS, took_ms)] += times
            self._sum_ms += took_ms * times

    @property
    def text(self) -> str:
        """As it stands in a heartbeat: the counts of the buckets, then the sum in ms."""
        return " ".join(map(str, (*self._by_bucket, round(self._sum_ms))))
