"""What outlives a restart, in one SQLite file: access tokens and the outbox."""

import sqlite3
from pathlib import Path

SCHEMA = """
CREATE TABLE IF NOT EXISTS access_token (api_key TEXT PRIMARY KEY, token TEXT NOT NULL, made_s REAL NOT NULL);
CREATE TABLE IF NOT EXISTS message (
    id INTEGER PRIMARY KEY AUTOINCREMENT, channel TEXT NOT NULL, recipient TEXT NOT NULL,
    time_ms INTEGER NOT NULL, key TEXT NOT NULL, content TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS message_by_key ON message (channel, key);
"""


def open_database(folder: Path) -> sqlite3.Connection:
    """Open the file in this folder, made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(folder / "sandbox.sqlite3", isolation_level=None)
    # A crash of the machine may cost the last messages; every message as one fsync would cost more.
    database.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;" + SCHEMA)
    return database
