"""The tables of the embedded store, and how a file of any version is brought forward.

Each record is a JSON body beside the columns it is looked up by.
"""

import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

from stormalert.errors import StormError
from stormalert.store.sqlite_presence import check_gone

# Of SQLite's machine: some milliseconds.
STEPS_BETWEEN_LOOKS = 10_000
# One entry a schema version, run forward from the file's own version.
MIGRATIONS = (
    """
    CREATE TABLE users (id TEXT PRIMARY KEY, revision INTEGER NOT NULL, body TEXT NOT NULL, name TEXT NOT NULL UNIQUE);
    CREATE TABLE rules (id TEXT PRIMARY KEY, revision INTEGER NOT NULL, body TEXT NOT NULL, user TEXT NOT NULL,
                        token INTEGER NOT NULL, state TEXT NOT NULL, updated_ms INTEGER NOT NULL);
    CREATE INDEX rules_by_user ON rules (user, updated_ms DESC, id DESC);
    CREATE INDEX rules_by_change ON rules (updated_ms, id);
    CREATE TABLE channels (id TEXT PRIMARY KEY, revision INTEGER NOT NULL, body TEXT NOT NULL, user TEXT NOT NULL);
    CREATE INDEX channels_by_user ON channels (user, id);
    CREATE TABLE alerts (id TEXT PRIMARY KEY, body TEXT NOT NULL, user TEXT NOT NULL, rule TEXT NOT NULL,
                         time_ms INTEGER NOT NULL);
    CREATE INDEX alerts_by_user ON alerts (user, time_ms DESC, id DESC);
    CREATE INDEX alerts_by_rule ON alerts (rule, time_ms DESC);
    CREATE TABLE deliveries (id TEXT PRIMARY KEY, revision INTEGER NOT NULL, body TEXT NOT NULL, alert TEXT NOT NULL,
                             state TEXT NOT NULL, updated_ms INTEGER NOT NULL);
    CREATE INDEX deliveries_by_alert ON deliveries (alert, id);
    CREATE INDEX deliveries_by_state ON deliveries (state, updated_ms);
    CREATE TABLE instruments (token INTEGER PRIMARY KEY, body TEXT NOT NULL, symbol TEXT NOT NULL, name TEXT NOT NULL);
    CREATE INDEX instruments_by_symbol ON instruments (symbol COLLATE NOCASE);
    CREATE TABLE watchlists (user TEXT PRIMARY KEY, tokens TEXT NOT NULL);
    CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
    CREATE TABLE audit (id TEXT PRIMARY KEY, body TEXT NOT NULL, time_ms INTEGER NOT NULL);
    CREATE INDEX audit_by_time ON audit (time_ms DESC, id DESC);
    """,
    """
    CREATE TABLE mutes (id TEXT PRIMARY KEY, body TEXT NOT NULL, user TEXT NOT NULL, until_ms INTEGER NOT NULL);
    CREATE INDEX mutes_by_user ON mutes (user, id);
    CREATE INDEX channels_by_address ON channels (json_extract(body, '$.address'));
    """,
    """
    ALTER TABLE deliveries ADD COLUMN due_ms INTEGER NOT NULL DEFAULT 0;
    DROP INDEX deliveries_by_state;
    CREATE INDEX deliveries_by_due ON deliveries (state, due_ms, updated_ms);
    CREATE INDEX deliveries_by_summary ON deliveries (json_extract(body, '$.summary'))
    WHERE json_extract(body, '$.summary') <> '';
    """,
    """
    CREATE TABLE sessions (id TEXT PRIMARY KEY, body TEXT NOT NULL, user TEXT NOT NULL, created_ms INTEGER NOT NULL,
                           expires_ms INTEGER NOT NULL);
    CREATE INDEX sessions_by_user ON sessions (user, created_ms DESC, id DESC);
    CREATE INDEX sessions_by_end ON sessions (expires_ms);
    CREATE TABLE tickets (id TEXT PRIMARY KEY, body TEXT NOT NULL, created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL);
    CREATE INDEX alerts_by_time ON alerts (time_ms);
    CREATE INDEX audit_by_user ON audit (json_extract(body, '$.user'), time_ms DESC, id DESC);
    """,
    """
    DROP INDEX rules_by_user;
    CREATE INDEX rules_by_user ON rules (user, updated_ms DESC, id DESC) WHERE state <> 'deleted';
    CREATE INDEX rules_by_symbol ON rules (user, json_extract(body, '$.symbol'), id) WHERE state <> 'deleted';
    """,
    # All that alerts are filtered by is in the index, so that a filter that few of a million match reads no bodies.
    """
    ALTER TABLE alerts ADD COLUMN token INTEGER AS (json_extract(body, '$.token')) VIRTUAL;
    ALTER TABLE alerts ADD COLUMN symbol TEXT AS (json_extract(body, '$.symbol')) VIRTUAL;
    ALTER TABLE alerts ADD COLUMN kind TEXT AS (json_extract(body, '$.kind')) VIRTUAL;
    ALTER TABLE alerts ADD COLUMN direction TEXT AS (json_extract(body, '$.direction')) VIRTUAL;
    DROP INDEX alerts_by_user;
    CREATE INDEX alerts_by_user ON alerts (user, time_ms DESC, id DESC, symbol, token, kind, direction, rule);
    CREATE INDEX alerts_by_token ON alerts (user, token, time_ms DESC, id DESC, kind, direction, rule);
    CREATE INDEX deliveries_failed ON deliveries (alert) WHERE state = 'failed';
    """,
)


def schema_of(path: Path) -> int:
    """What a store is written as; 0 when there is none. Changes nothing. Raises StormError."""
    if not path.exists():
        check_gone(path)
        return 0
    try:
        with closing(_opened_to_look(path)) as db:
            return int(db.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.Error as error:
        raise StormError(f"the store {path} cannot be read: {error}") from None


def damage_of(path: Path, within_s: float) -> str | None:
    """What is wrong with the file, empty when it is whole; None when there was no time to read all of it. Changes nothing."""
    until_s = time.monotonic() + within_s
    try:
        with closing(_opened_to_look(path)) as db:
            db.set_progress_handler(lambda: time.monotonic() > until_s, STEPS_BETWEEN_LOOKS)
            found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        return None if error.sqlite_errorname in ("SQLITE_INTERRUPT", "SQLITE_BUSY", "SQLITE_LOCKED") else str(error)
    return "" if found == "ok" else " ".join(str(found).split())


def move_aside(path: Path, stamp: str) -> Path | None:
    """Without opening it, whatever it is; where it lies now, None when there was none. Nobody may use it meanwhile."""
    aside = path.with_name(f"{path.name}.{stamp}")
    # The log first: what a kill between the two leaves is a file without its newest writes, never a log for another file.
    for end in ("-shm", "-wal", ""):
        with suppress(FileNotFoundError):
            path.with_name(f"{path.name}{end}").rename(aside.with_name(f"{aside.name}{end}"))
    return aside if aside.exists() else None


def bring_forward(db: sqlite3.Connection, path: Path) -> None:
    """Inside a transaction. Raises StormError when a newer StormAlert wrote the file."""
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        known = f"schema {version}, this one knows {len(MIGRATIONS)}"
        raise StormError(f"the store {path} was written by a newer StormAlert ({known})")
    for statement in (statement for script in MIGRATIONS[version:] for statement in script.split(";")):
        db.execute(statement)
    db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def _opened_to_look(path: Path) -> sqlite3.Connection:
    # Without a write-ahead log the file is all there is, and reading it need not leave one.
    how = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "immutable=1"
    return sqlite3.connect(f"file:{quote(str(path.absolute()))}?{how}", uri=True, timeout=2)
