"""Where an instrument stands with its rules, as lua/inspect.lua tells it, and where given rules stand, as lua/aim.lua does."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from stormalert.redis.keys import shard_of
from stormalert.redis.scripts import Call, script


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
    # A script that the server stopped half-way may have left a rule in an index that is no more.
    return Standing(_dict(pairs), [Nearest(*row) for row in nearest if row[1]], waiting, next_ms)


class Aim(NamedTuple):
    """A side of an armed rule, as lua/aim.lua tells it."""

    side: str
    reference: str
    trigger: str


class Aims(NamedTuple):
    """`price`: the instrument's, empty before its first tick; `of`: by rule."""

    price: str
    of: dict[str, list[Aim]]


def aiming(token: int, shards: int, rules: Sequence[str]) -> Call:
    """The call that asks at which prices these rules fire."""
    aim = script("aim")
    return aim, aim.pack(instrument=shard_of(token, shards).instrument(token), token=token, rules=rules)


def read_aims(reply: Any) -> Aims:
    price, rows = reply
    found: dict[str, list[Aim]] = {}
    for rule, *aim in rows:
        found.setdefault(rule, []).append(Aim(*aim))
    return Aims(price, found)


def _dict(pairs: Sequence[str]) -> dict[str, str]:
    return dict(zip(pairs[::2], pairs[1::2], strict=True))
