"""What a store is asked for, in words that both databases know: conditions, orders and cursors.

An order is the names of fields with a minus where it falls, such as `-time_ms id`; so is an index.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from stormalert.store.nouns import Noun

Scalar = str | int
# (time in ms, id) of the last record seen; the next page goes on after it.
Cursor = tuple[int, str]
# (symbol, id), where a list runs by symbol.
SymbolCursor = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Where:
    """A field beside a value. What the code itself names, an enum's member or the empty text, may choose a partial index."""

    field: str
    comparison: Literal["=", "<>", "<", "<=", ">", ">="]
    value: Scalar


@dataclass(frozen=True, slots=True)
class OneOf:
    """Or none of them."""

    field: str
    values: Sequence[Scalar]
    is_not: bool = False


@dataclass(frozen=True, slots=True)
class Holds:
    """The text somewhere in the field, in capitals or not; with `is_first` where the field, or what follows a colon, begins."""

    field: str
    text: str
    is_first: bool = False


@dataclass(frozen=True, slots=True)
class Either:
    """All conditions of one of these."""

    groups: tuple[tuple["Condition", ...], ...]


@dataclass(frozen=True, slots=True)
class Named:
    """The field is the key of one of that noun for which all of these hold."""

    field: str
    noun: "Noun[Any]"
    where: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Has:
    """One of that noun, for which all of these hold, names the record in its field. MongoDB looks no further than the first
    some thousand of them in that order.
    """

    noun: "Noun[Any]"
    field: str
    where: tuple["Condition", ...]
    order: str


Condition = Where | OneOf | Holds | Either | Named | Has


def ordered(order: str) -> list[tuple[str, bool]]:
    """Each field of an order or an index, and whether it falls."""
    return [(name.removeprefix("-"), name.startswith("-")) for name in order.split()]
