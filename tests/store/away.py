"""A store that is there and answers nothing."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path


@contextmanager
def away(path: Path, *tables: str) -> Iterator[None]:
    """Each question about the tables fails at once, as when a server refuses."""
    with closing(sqlite3.connect(path, timeout=60, isolation_level=None)) as db:
        for table in tables:
            db.execute(f"ALTER TABLE {table} RENAME TO {table}_away")
        try:
            yield
        finally:
            for table in tables:
                db.execute(f"ALTER TABLE {table}_away RENAME TO {table}")
