"""Every tick of some instruments, read from the stream while it runs; for holding the engine against the definition."""

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar, cast

import redis

from stormalert.model import Tick
from stormalert.units import parse_price_e4
from tests.e2e.accounts import SHARD
from tests.e2e.product import Product

# Younger entries are left for the next look: a killed server may come back without its newest second or two.
SETTLED_MS = 3_000
LOOK_S = 1.0
READ_AT_ONCE = 5_000
Entries = list[tuple[str, dict[str, str]]]


class Follower:
    def __init__(self, product: Product, tokens: Iterable[int]) -> None:
        self.ticks: list[Tick] = []
        # Entries that were trimmed away before they were read: then nothing can be said about the alerts.
        self.lost_before = ""
        self._product, self._tokens = product, frozenset(tokens)
        self._last = "0-0"
        self._stopping = threading.Event()

    def run(self) -> None:
        while not self._stopping.wait(LOOK_S):
            try:
                with self._product.redis() as client:
                    self._read(client)
            except redis.RedisError:
                # It was just killed, and comes back.
                continue

    def stop(self) -> None:
        self._stopping.set()

    def _read(self, client: redis.Redis) -> None:
        deleted = client.xinfo_stream(SHARD.ticks)["max-deleted-entry-id"]
        if self._last != "0-0" and _place(deleted) > _place(self._last):
            self.lost_before = deleted
        settled_ms = round(time.time() * 1000) - SETTLED_MS
        while entries := cast(Entries, client.xrange(SHARD.ticks, f"({self._last}", str(settled_ms), count=READ_AT_ONCE)):
            for self._last, entry in entries:
                if (token := int(entry["token"])) in self._tokens:
                    self.ticks.append(Tick(token, parse_price_e4(entry["price"]), int(entry["time"])))


class Listens(Protocol):
    """Runs until it is told to stop."""

    def run(self) -> None: ...

    def stop(self) -> None: ...


Listening = TypeVar("Listening", bound=Listens)


@contextmanager
def in_thread(it: Listening) -> Iterator[Listening]:
    thread = threading.Thread(target=it.run, name=type(it).__name__)
    thread.start()
    try:
        yield it
    finally:
        it.stop()
        thread.join()


def _place(entry_id: str) -> tuple[int, int]:
    time_ms, _, number = entry_id.partition("-")
    return int(time_ms), int(number)
