"""The store: what must outlive Redis, in the product's own words.

`records.Store` has those words and stands on the primitives of `backend.Backend`, of which there are two: `mongo` (pymongo,
production, chosen by MONGODB_URI) and `sqlite` (standard library, the embedded default).
"""

from functools import partial
from pathlib import Path
from typing import NamedTuple

from stormalert.store.backend import Backend
from stormalert.store.late import Late
from stormalert.store.query import Cursor, SymbolCursor
from stormalert.store.records import Store

__all__ = ["Cursor", "Schema", "Store", "SymbolCursor", "look", "open_store", "open_store_late"]


class Schema(NamedTuple):
    """What a store was written as: 0 when there is none yet; and what this StormAlert writes."""

    found: int
    ours: int


def look(mongodb_uri: str, sqlite_path: Path) -> Schema:
    """Without changing anything, which opening does: it brings an older store forward. Raises StormError."""
    if mongodb_uri:
        from stormalert.store import mongo, mongo_schema

        return Schema(mongo.schema_of(mongodb_uri), mongo_schema.VERSION)
    from stormalert.store import sqlite_schema

    return Schema(sqlite_schema.schema_of(sqlite_path), len(sqlite_schema.MIGRATIONS))


def open_store(mongodb_uri: str, sqlite_path: Path) -> Store:
    """MongoDB when a URI is given, else the SQLite file, which is made when missing. Raises StormError."""
    return Store(_backend(mongodb_uri, sqlite_path))


def open_store_late(mongodb_uri: str, sqlite_path: Path) -> Store:
    """Opened when it is first asked, and until it is there each question raises StoreError."""
    return Store(Late(partial(_backend, mongodb_uri, sqlite_path)))


def _backend(mongodb_uri: str, sqlite_path: Path) -> Backend:
    # Imported here, so that a process loads only the driver it uses.
    if mongodb_uri:
        from stormalert.store.mongo import Mongo

        return Mongo(mongodb_uri)
    from stormalert.store.sqlite import Sqlite

    return Sqlite(sqlite_path)
