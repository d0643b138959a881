"""How many of a worker's hands a provider may hold that was slow again and again; the rest are the other channels'."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# An answer that takes longer is slow, whatever it is.
SLOW_S = 3.0
# So many slow ones on end, none quick between them.
IN_A_ROW = 10
# Of a worker's HANDS. Who answers slowly, and does answer, gets this many at a time.
MOST = 30


class Slowness:
    """`place`: a provider, or one of the servers that users chose. Belongs into one event loop."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._in_a_row: Counter[str] = Counter()
        self._under_way: Counter[str] = Counter()

    def is_full(self, place: str) -> bool:
        return self._in_a_row[place] >= IN_A_ROW and self._under_way[place] >= MOST

    @contextmanager
    def watched(self, place: str) -> Iterator[None]:
        """Ask inside."""
        began_s = self._clock_s()
        self._under_way[place] += 1
        try:
            yield
        finally:
            self._leave(place)
            if self._clock_s() - began_s < SLOW_S:
                # Places come and go: what is not slow is not kept.
                self._in_a_row.pop(place, None)
            else:
                self._in_a_row[place] += 1

    def _leave(self, place: str) -> None:
        self._under_way[place] -= 1
        if not self._under_way[place]:
            del self._under_way[place]
