"""What a check found: how bad it is, in words, and what to do about it."""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    """GOOD; WAIT: it works, and should be seen to; BAD: something does not work, or is about to be lost."""

    GOOD = "good"
    WAIT = "wait"
    BAD = "bad"


WORST_FIRST = (Level.BAD, Level.WAIT, Level.GOOD)


class Finding(NamedTuple):
    """`what` is a sentence without its full stop, so that a view can go on from it; `todo` is empty when nothing is to be done.

    `name` says what was looked at, as `kind` or `kind-subject`, of letters, digits, _ and -: the same at each look.
    """

    level: Level
    part: str
    what: str
    todo: str = ""
    # Since when it is so; 0 when only the looking tells.
    since_ms: int = 0
    name: str = ""

    @property
    def kind(self) -> str:
        return self.name.partition("-")[0]


def good(part: str, what: str) -> Finding:
    return Finding(Level.GOOD, part, what)


def wait(part: str, what: str, todo: str) -> Finding:
    return Finding(Level.WAIT, part, what, todo)


def bad(part: str, what: str, todo: str) -> Finding:
    return Finding(Level.BAD, part, what, todo)


def worst(levels: Iterable[str]) -> Level:
    found = set(levels)
    return next((level for level in WORST_FIRST if level in found), Level.GOOD)


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    text = " ".join(text.split())
    return f"{text[:1].upper()}{text[1:]}" + ("" if text.endswith((".", "!", "?")) or not text else ".")
