"""Where an instrument stands with its rules, as lua/inspect.lua tells it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from stormalert.keys import shard_of
from stormalert.scripts import Call, script


class Nearest(NamedTuple):
    """An armed rule: `reference` and `trigger`, the first price at which it fires, in rupees."""

    rule: str
    text: str
    side: str
    reference: str
    trigger: str

    @property
    def user(self) -> str:
        return self.text.split()[-2]

    @property
    def condition(self) -> str:
        """Without token, user and revision."""
        return " ".join(self.text.split()[1:-2])


class Standing(NamedTuple):
    """`fields`: the instrument's hash, empty before its first tick; `waiting` rules, the next is armed at `next_ms`."""

    fields: dict[str, str]
    nearest: list[Nearest]
    waiting: int
    next_ms: str


def inspection(token: int, shards: int, count: int) -> Call:
    """The call that asks for at most `count` rules of each family, and as many in all."""
    inspect = script("inspect")
    return inspect, inspect.pack(instrument=shard_of(token, shards).instrument(token), token=token, count=count)


def read_standing(reply: Any) -> Standing:
    pairs, nearest, waiting, next_ms = reply
    return Standing(_dict(pairs), [Nearest(*row) for row in nearest], waiting, next_ms)


def _dict(pairs: Sequence[str]) -> dict[str, str]:
    return dict(zip(pairs[::2], pairs[1::2], strict=True))
