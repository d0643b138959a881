"""What a database has to be able to do, so that `records.Store` can stand on it.

Every method is synchronous and safe to call from several threads. StormError tells that the database is away or refuses;
Conflict that a record is there already, or was changed by somebody else.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from stormalert.model import Rule
from stormalert.store.dump import Row
from stormalert.store.nouns import Kept, Noun, Revised
from stormalert.store.query import Condition, Cursor, Scalar, SymbolCursor


class Backend(Protocol):
    def close(self) -> None: ...

    def together(self) -> AbstractContextManager[object]:
        """One transaction where the database has such. Else each write stands by itself, in the order given."""
        ...

    def get(self, noun: Noun[Kept], key: Scalar) -> Kept | None: ...

    def find(
        self,
        noun: Noun[Kept],
        where: Sequence[Condition] = (),
        order: str = "",
        limit: int | None = None,
        after: Cursor | SymbolCursor | None = None,
    ) -> list[Kept]:
        """`after`: past this value of the order's two fields, which rise or fall together."""
        ...

    def values(
        self, noun: Noun[Any], field: str, where: Sequence[Condition], order: str = "", limit: int | None = None
    ) -> list[Any]:
        """One field of each."""
        ...

    def distinct(self, noun: Noun[Any], field: str, where: Sequence[Condition] = ()) -> set[Any]:
        """Each value once, of a list each of its own."""
        ...

    def greatest(self, noun: Noun[Any], field: str, where: Sequence[Condition] = ()) -> int | None: ...
    def count(self, noun: Noun[Any], where: Sequence[Condition] = ()) -> int: ...

    def save(self, noun: Noun[Revised], record: Revised) -> Revised:
        """Compare-and-set: inserts at revision 0, else replaces the record whose revision matches. Raises Conflict."""
        ...

    def save_many(self, noun: Noun[Revised], records: Sequence[Revised]) -> list[str]:
        """The same for those that are stored already; returns the ids of those that somebody else changed first."""
        ...

    def save_in_order(self, noun: Noun[Rule], rules: Sequence[Rule]) -> list[Rule]:
        """All or none, each later than every change before it. Raises Conflict."""
        ...

    def insert(self, noun: Noun[Kept], records: Sequence[Kept], *, skips_taken: bool = False) -> int:
        """As they are; returns how many. Those whose key is taken stay as they are, or are an error."""
        ...

    def put(self, noun: Noun[Kept], records: Sequence[Kept]) -> None:
        """Each in the place of the one of the same key."""
        ...

    def amend(
        self, noun: Noun[Any], where: Sequence[Condition], fields: Mapping[str, Scalar], *, is_change: bool = False
    ) -> int:
        """Sets fields of all that match; returns how many did. As a change, they get a revision and a time of change too."""
        ...

    def take(self, noun: Noun[Kept], key: Scalar) -> Kept | None:
        """The record, for whoever asks first; it is gone then."""
        ...

    def remove(self, noun: Noun[Any], where: Sequence[Condition]) -> int:
        """Returns how many."""
        ...

    def dump(self) -> Iterator[Row]:
        """All that is in it, by noun, while others go on writing."""
        ...

    def catch_up(self) -> None:
        """After records were inserted as they are: the next change of a rule is later than all of them."""
        ...
