# ruff: noqa: S608 - names of tables and columns are this package's own; values are bound.
"""The embedded store: one SQLite file, several processes on it.

One connection a process behind a lock: SQLite has one writer anyway, and the store is never on the path of a tick.
"""

import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from stormalert.errors import Conflict, StoreError, StormError
from stormalert.model import Rule
from stormalert.store import sqlite_schema
from stormalert.store.dump import Row
from stormalert.store.nouns import NOUNS, RULES, Kept, Noun, Revised
from stormalert.store.query import Condition, Cursor, Scalar, SymbolCursor, Where
from stormalert.store.sqlite_presence import Presence
from stormalert.store.sqlite_query import Sql, Table
from stormalert.units import SECOND_MS, now_ms

# Who starts waits for another's schema, who copies for nobody in particular.
BUSY_S = 30
# A question waits so long for another program's lock: somebody waits for the answer.
LOCKED_S = 4.0
# Of that, at least, who waited for questions of this process before.
LOCKED_MIN_S = 0.1
HEADLINES = {
    sqlite3.SQLITE_BUSY: "The store is locked by another program",
    sqlite3.SQLITE_FULL: "The store's disk is full",
}


class Sqlite:
    """A `Backend`. Raises StormError when the file is no store, or is one of a newer StormAlert."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._is_opened = False
        # Whether SQLite waits otherwise than LOCKED_S now.
        self._is_hurried = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._presence = Presence(path)
        except OSError as error:
            raise StoreError(f"the store {path} cannot be opened: {error}") from None
        try:
            self._db = sqlite3.connect(path, timeout=BUSY_S, check_same_thread=False, isolation_level=None)
        except sqlite3.Error as error:
            self._presence.close()
            raise StoreError(f"the store {path} cannot be opened: {error}") from None
        try:
            self._go_wal()
            self._rows(Sql("PRAGMA synchronous = FULL"))
            with self.together():
                sqlite_schema.bring_forward(self._db, path)
            self._tables: dict[str, Table[Any]] = {}
            for noun in NOUNS.values():
                self._tables[noun.name] = Table(noun, self._columns(noun), self._tables)
            self._presence.opened()
            self._is_opened = self._is_hurried = True
        except StormError:
            self._db.close()
            self._presence.close()
            raise

    def close(self) -> None:
        with self._lock:
            self._db.close()
            self._presence.close()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Takes the write lock at once; a transaction inside another is part of it."""
        with self._asking():
            if self._db.in_transaction:
                yield
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            finally:
                # On a full disk SQLite may have rolled back by itself; what is left open would swallow every later write.
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    def get(self, noun: Noun[Kept], key: Scalar) -> Kept | None:
        return next(iter(self.find(noun, [Where(noun.key, "=", key)])), None)

    def find(
        self,
        noun: Noun[Kept],
        where: Sequence[Condition] = (),
        order: str = "",
        limit: int | None = None,
        after: Cursor | SymbolCursor | None = None,
    ) -> list[Kept]:
        table = self._tables[noun.name]
        rows = self._rows(table.select(table.body, where, order, limit, after))
        return [noun.kind.model_validate_json(body) for (body,) in rows]

    def values(
        self, noun: Noun[Any], field: str, where: Sequence[Condition], order: str = "", limit: int | None = None
    ) -> list[Any]:
        table = self._tables[noun.name]
        return [value for (value,) in self._rows(table.select(table.column(field), where, order, limit))]

    def distinct(self, noun: Noun[Any], field: str, where: Sequence[Condition] = ()) -> set[Any]:
        table = self._tables[noun.name]
        found = {value for (value,) in self._rows(table.select(f"DISTINCT {table.column(field)}", where))}
        return {each for value in found for each in json.loads(value)} if field in noun.lists else found

    def greatest(self, noun: Noun[Any], field: str, where: Sequence[Condition] = ()) -> int | None:
        return self._number(self._tables[noun.name].select(f"MAX({field})", where))

    def count(self, noun: Noun[Any], where: Sequence[Condition] = ()) -> int:
        return self._number(self._tables[noun.name].select("COUNT(*)", where)) or 0

    def save(self, noun: Noun[Revised], record: Revised) -> Revised:
        with self.together():
            if self._replaces(noun, record):
                return record.model_copy(update={"revision": record.revision + 1})
        raise Conflict(noun.was_changed(record) if record.revision else noun.is_there(record))

    def save_many(self, noun: Noun[Revised], records: Sequence[Revised]) -> list[str]:
        with self.together():
            return [record.id for record in records if not self._replaces(noun, record)]

    def save_in_order(self, noun: Noun[Rule], rules: Sequence[Rule]) -> list[Rule]:
        with self.together():
            first_ms = self._next_change_ms()
            return [
                self.save(noun, rule.model_copy(update={"updated_ms": first_ms + place})) for place, rule in enumerate(rules)
            ]

    def insert(self, noun: Noun[Kept], records: Sequence[Kept], *, skips_taken: bool = False) -> int:
        return self._write_all(noun, " OR IGNORE" if skips_taken else "", records)

    def put(self, noun: Noun[Kept], records: Sequence[Kept]) -> None:
        self._write_all(noun, " OR REPLACE", records)

    def amend(
        self, noun: Noun[Any], where: Sequence[Condition], fields: Mapping[str, Scalar], *, is_change: bool = False
    ) -> int:
        with self.together():
            changed = {"updated_ms": self._next_change_ms()} if is_change else {}
            return self._write(self._tables[noun.name].amend(where, {**fields, **changed}, counts=is_change))

    def take(self, noun: Noun[Kept], key: Scalar) -> Kept | None:
        with self.together():
            found = self.get(noun, key)
            return found if self.remove(noun, [Where(noun.key, "=", key)]) else None

    def remove(self, noun: Noun[Any], where: Sequence[Condition]) -> int:
        return self._write(self._tables[noun.name].delete(where))

    def dump(self) -> Iterator[Row]:
        # A connection of its own, because one transaction shows one moment, and a reader holds up nobody.
        try:
            with closing(sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None)) as db:
                db.execute("BEGIN")
                for name, table in self._tables.items():
                    yield from ((name, json.loads(body)) for (body,) in db.execute(f"SELECT {table.body} FROM {name}"))
        except sqlite3.Error as error:
            raise self._failure(error) from None

    def catch_up(self) -> None:
        """Nothing to do: each change looks at the one before it."""

    def _go_wal(self) -> None:
        """SQLite itself does not wait for others who do the same with a new file."""
        until_s = time.monotonic() + BUSY_S
        while True:
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
            except sqlite3.Error as error:
                if "locked" not in str(error) or time.monotonic() > until_s:
                    raise self._failure(error) from None
                time.sleep(0.02)
            else:
                return

    def _columns(self, noun: Noun[Any]) -> dict[str, bool]:
        """Each of the table, and whether it is written, not made by SQLite."""
        return {name: hidden == 0 for _, name, *_, hidden in self._rows(Sql(f"PRAGMA table_xinfo({noun.name})"))}

    def _next_change_ms(self) -> int:
        """Later than every change before it, so that a reader who goes on from the last one misses none."""
        return max(now_ms(), (self.greatest(RULES, "updated_ms") or 0) + 1)

    def _replaces(self, noun: Noun[Revised], record: Revised) -> bool:
        """Whether the record could be stored with the next revision; a unique field that is taken raises Conflict."""
        table: Table[Any] = self._tables[noun.name]
        row: list[Any] = table.row(record.model_copy(update={"revision": record.revision + 1}))
        try:
            if record.revision:
                return self._write(Sql(table.replace(), (*row, noun.key_of(record), record.revision))) == 1
            return self._write(Sql(f"{table.insert('')} ON CONFLICT ({table.key}) DO NOTHING", tuple(row))) == 1
        except sqlite3.IntegrityError:
            raise Conflict(noun.is_taken(record)) from None

    def _write_all(self, noun: Noun[Kept], how: str, records: Sequence[Kept]) -> int:
        table = self._tables[noun.name]
        with self.together():
            return self._db.executemany(table.insert(how), [table.row(record) for record in records]).rowcount

    def _write(self, sql: Sql) -> int:
        with self.together():
            return self._db.execute(*sql).rowcount

    def _rows(self, sql: Sql) -> list[tuple[Any, ...]]:
        with self._asking():
            return self._db.execute(*sql).fetchall()

    def _number(self, sql: Sql) -> int | None:
        number: int | None = self._rows(sql)[0][0]
        return number

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """SQLite's errors as one sentence; a name that is not unique is the caller's to explain."""
        began_s = time.monotonic()
        with self._lock:
            try:
                if self._is_opened:
                    self._presence.check()
                    self._wait_for_others(LOCKED_S - (time.monotonic() - began_s))
                yield
            except sqlite3.IntegrityError:
                raise
            except sqlite3.Error as error:
                raise self._failure(error) from None

    def _wait_for_others(self, wait_s: float) -> None:
        """Who had to wait for a question of this process has waited for another's lock with it."""
        is_hurried = wait_s < LOCKED_S / 2
        if is_hurried or self._is_hurried:
            wait_s = max(wait_s, LOCKED_MIN_S) if is_hurried else LOCKED_S
            self._db.execute(f"PRAGMA busy_timeout = {round(wait_s * SECOND_MS)}")
        self._is_hurried = is_hurried

    def _failure(self, error: sqlite3.Error) -> StoreError:
        # The code's first byte; the others are details.
        headline = HEADLINES.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
        text = f"the store {self._path} cannot be used: {error}"
        return StoreError(text, headline) if headline else StoreError(text)
