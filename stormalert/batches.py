"""What is too much for one question, in pieces."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")


def batched(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """As itertools.batched, which Python 3.11 has not; lists, because that is what the clients take."""
    iterator = iter(items)
    return iter(lambda: list(islice(iterator, size)), [])
