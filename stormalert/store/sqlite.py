"""The embedded store: one SQLite file, several processes on it.

Each record is a JSON body beside the columns it is looked up by. One connection a process behind a lock: SQLite has one writer
anyway, and the store is never on the path of a tick.
"""

import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from stormalert.errors import Conflict, StormError
from stormalert.model import (
    Alert,
    AlertFilter,
    AuditEntry,
    Channel,
    ChannelKind,
    Delivery,
    DeliveryState,
    Instrument,
    Mute,
    Record,
    Rule,
    RuleFilter,
    RuleState,
    Session,
    Ticket,
    User,
)
from stormalert.store import LONGEST_SEARCH, Cursor, SymbolCursor, dump
from stormalert.store.dump import Row
from stormalert.units import now_ms

BUSY_S = 30
PAGE_OF_CHANGES = 500
# Ids in one query; SQLite takes some more.
MANY = 500
# Before every record that was ever stored, in a list that runs newest first.
NEWEST: Cursor = (2**62, "")

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

Kept = TypeVar("Kept", bound=Record)
Revised = TypeVar("Revised", User, Rule, Channel, Delivery)


_BY_USER = " AND json_extract(body, '$.user') = ?"
_BY_ACTION = " AND json_extract(body, '$.action') = ?"
# Spelled as in its index.
_SYMBOL = "json_extract(body, '$.symbol')"


def schema_of(path: Path) -> int:
    """What a store is written as; 0 when there is none. Changes nothing. Raises StormError."""
    if not path.exists():
        return 0
    # Without a write-ahead log the file is all there is, and reading it need not leave one.
    how = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "immutable=1"
    try:
        db = sqlite3.connect(f"file:{quote(str(path.absolute()))}?{how}", uri=True, timeout=2)
        try:
            return int(db.execute("PRAGMA user_version").fetchone()[0])
        finally:
            db.close()
    except sqlite3.Error as error:
        raise StormError(f"the store {path} cannot be read: {error}") from None


class SqliteStore:
    """Raises StormError when the file is no store, or is one of a newer StormAlert."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=BUSY_S, check_same_thread=False, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise StormError(f"the store {path} cannot be opened: {error}") from None
        try:
            self._go_wal()
            self._rows("PRAGMA synchronous = FULL")
            self._migrate()
        except StormError:
            self._db.close()
            raise

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def save_user(self, user: User) -> User:
        try:
            return self._save("users", user, {"name": user.name})
        except sqlite3.IntegrityError:
            raise Conflict(f"there is a user {user.name} already") from None

    def user(self, user_id: str) -> User | None:
        return self._one(User, "SELECT body FROM users WHERE id = ?", user_id)

    def user_by_name(self, name: str) -> User | None:
        return self._one(User, "SELECT body FROM users WHERE name = ?", name)

    def users(self) -> list[User]:
        return self._all(User, "SELECT body FROM users ORDER BY name")

    def erase_user(self, user_id: str) -> None:
        with self._transaction():
            for rule in self._all(Rule, "SELECT body FROM rules WHERE user = ? AND state <> 'deleted'", user_id):
                self.save_rule(rule.model_copy(update={"state": RuleState.DELETED}))
            self._db.execute("DELETE FROM deliveries WHERE alert IN (SELECT id FROM alerts WHERE user = ?)", (user_id,))
            for table in ("alerts", "channels", "mutes", "watchlists", "sessions"):
                self._db.execute(f"DELETE FROM {table} WHERE user = ?", (user_id,))  # noqa: S608
            self._db.execute("DELETE FROM tickets WHERE json_extract(body, '$.user') = ?", (user_id,))
            self._db.execute("DELETE FROM users WHERE id = ?", (user_id,))

    def save_session(self, session: Session) -> None:
        row = (session.id, session.model_dump_json(), session.user, session.created_ms, session.expires_ms)
        self._write("INSERT OR REPLACE INTO sessions (id, body, user, created_ms, expires_ms) VALUES (?, ?, ?, ?, ?)", row)

    def session(self, session_id: str) -> Session | None:
        return self._one(Session, "SELECT body FROM sessions WHERE id = ?", session_id)

    def sessions_of(self, user_id: str) -> list[Session]:
        return self._all(Session, "SELECT body FROM sessions WHERE user = ? ORDER BY created_ms DESC, id DESC", user_id)

    def delete_session(self, session_id: str) -> bool:
        return self._write("DELETE FROM sessions WHERE id = ?", (session_id,)) == 1

    def save_ticket(self, ticket: Ticket) -> None:
        row = (ticket.id, ticket.model_dump_json(), ticket.created_ms, ticket.expires_ms)
        self._write("INSERT OR REPLACE INTO tickets (id, body, created_ms, expires_ms) VALUES (?, ?, ?, ?)", row)

    def ticket(self, ticket_id: str) -> Ticket | None:
        return self._one(Ticket, "SELECT body FROM tickets WHERE id = ?", ticket_id)

    def tickets(self) -> list[Ticket]:
        return self._all(Ticket, "SELECT body FROM tickets ORDER BY created_ms DESC, id DESC")

    def take_ticket(self, ticket_id: str) -> Ticket | None:
        with self._transaction():
            ticket = self.ticket(ticket_id)
            return ticket if self._write("DELETE FROM tickets WHERE id = ?", (ticket_id,)) else None

    def save_rule(self, rule: Rule) -> Rule:
        return self.save_rules([rule])[0]

    def save_rules(self, rules: Sequence[Rule]) -> list[Rule]:
        with self._transaction():
            first_ms = self._next_change_ms()
            return [self._save_rule(rule, first_ms + place) for place, rule in enumerate(rules)]

    def rule(self, rule_id: str) -> Rule | None:
        return self._one(Rule, "SELECT body FROM rules WHERE id = ?", rule_id)

    def rules(self, rule_ids: Sequence[str]) -> list[Rule]:
        return self._many(Rule, "rules", rule_ids)

    def rules_of(
        self, user_id: str, after: Cursor | None = None, limit: int = 100, only: RuleFilter | None = None
    ) -> list[Rule]:
        narrowed, values = _narrowed_rules(only)
        return self._all(
            Rule,
            f"SELECT body FROM rules WHERE user = ? AND state <> 'deleted' AND (updated_ms, id) < (?, ?){narrowed}"  # noqa: S608
            " ORDER BY updated_ms DESC, id DESC LIMIT ?",
            user_id,
            *(after or NEWEST),
            *values,
            limit,
        )

    def rules_by_symbol(
        self, user_id: str, after: SymbolCursor | None = None, limit: int = 100, only: RuleFilter | None = None
    ) -> list[Rule]:
        narrowed, values = _narrowed_rules(only)
        symbol, last_id = after or ("", "")
        return self._all(
            Rule,
            # The first condition on the symbol is what its index can serve.
            f"SELECT body FROM rules WHERE user = ? AND state <> 'deleted' AND {_SYMBOL} >= ?"  # noqa: S608
            f" AND ({_SYMBOL} > ? OR id > ?){narrowed} ORDER BY {_SYMBOL}, id LIMIT ?",
            user_id,
            symbol,
            symbol,
            last_id,
            *values,
            limit,
        )

    def count_rules(self, user_id: str, only: RuleFilter | None = None) -> int:
        narrowed, values = _narrowed_rules(only)
        sql = f"SELECT COUNT(*) FROM rules WHERE user = ? AND state <> 'deleted'{narrowed}"  # noqa: S608
        return int(self._rows(sql, user_id, *values)[0][0])

    def rules_changed(self, since_ms: int) -> Iterator[Rule]:
        after: Cursor = (since_ms, "")
        while page := self._all(
            Rule,
            "SELECT body FROM rules WHERE (updated_ms, id) > (?, ?) ORDER BY updated_ms, id LIMIT ?",
            *after,
            PAGE_OF_CHANGES,
        ):
            yield from page
            after = (page[-1].updated_ms, page[-1].id)

    def mark_spent(self, rule_id: str, armed_ms: int) -> None:
        with self._transaction():
            rule = self.rule(rule_id)
            if rule and rule.state is RuleState.ACTIVE and rule.updated_ms <= armed_ms:
                self.save_rule(rule.model_copy(update={"state": RuleState.SPENT}))

    def rename_instrument(self, token: int, symbol: str) -> int:
        return self._write("UPDATE rules SET body = json_set(body, '$.symbol', ?) WHERE token = ?", (symbol, token))

    def save_channel(self, channel: Channel) -> Channel:
        return self._save("channels", channel, {"user": channel.user})

    def channel(self, channel_id: str) -> Channel | None:
        return self._one(Channel, "SELECT body FROM channels WHERE id = ?", channel_id)

    def channels(self, channel_ids: Sequence[str]) -> list[Channel]:
        return self._many(Channel, "channels", channel_ids)

    def channels_of(self, user_id: str) -> list[Channel]:
        return self._all(Channel, "SELECT body FROM channels WHERE user = ? ORDER BY id", user_id)

    def channels_at(self, kind: ChannelKind, address: str) -> list[Channel]:
        sql = "SELECT body FROM channels WHERE json_extract(body, '$.address') = ? ORDER BY id"
        return [channel for channel in self._all(Channel, sql, address) if channel.kind is kind]

    def delete_channel(self, channel_id: str) -> None:
        self._write("DELETE FROM channels WHERE id = ?", (channel_id,))

    def save_mute(self, mute: Mute) -> None:
        row = (mute.id, mute.model_dump_json(), mute.user, mute.until_ms)
        with self._transaction():
            # What is over is forgotten here, so that a user has no more than one for each subject.
            self._db.execute("DELETE FROM mutes WHERE user = ? AND until_ms BETWEEN 1 AND ?", (mute.user, now_ms()))
            self._db.execute("INSERT OR REPLACE INTO mutes (id, body, user, until_ms) VALUES (?, ?, ?, ?)", row)

    def mutes_of(self, user_id: str, at_ms: int) -> list[Mute]:
        sql = "SELECT body FROM mutes WHERE user = ? AND (until_ms = 0 OR until_ms > ?) ORDER BY id"
        return self._all(Mute, sql, user_id, at_ms)

    def delete_mute(self, mute_id: str) -> bool:
        return self._write("DELETE FROM mutes WHERE id = ?", (mute_id,)) == 1

    def record_alert(self, alert: Alert) -> bool:
        row = (alert.id, alert.model_dump_json(), alert.user, alert.rule, alert.time_ms)
        return self._write("INSERT OR IGNORE INTO alerts (id, body, user, rule, time_ms) VALUES (?, ?, ?, ?, ?)", row) == 1

    def record_fired(self, alerts: Sequence[Alert], deliveries: Sequence[Delivery]) -> list[Delivery]:
        with self._transaction():
            for alert in alerts:
                self.record_alert(alert)
            known = {delivery.id: delivery for delivery in self.deliveries([delivery.id for delivery in deliveries])}
            return [known.get(delivery.id) or self.save_delivery(delivery) for delivery in deliveries]

    def alert(self, alert_id: str) -> Alert | None:
        return self._one(Alert, "SELECT body FROM alerts WHERE id = ?", alert_id)

    def alerts(self, alert_ids: Sequence[str]) -> list[Alert]:
        return self._many(Alert, "alerts", alert_ids)

    def alerts_of(
        self, user_id: str, after: Cursor | None = None, limit: int = 100, only: AlertFilter | None = None
    ) -> list[Alert]:
        narrowed, values = _narrowed(only)
        # As a cursor, because that is what the index serves.
        until: Cursor = (only.until_ms, "") if only and only.until_ms else NEWEST
        return self._all(
            Alert,
            f"SELECT body FROM alerts WHERE user = ? AND (time_ms, id) < (?, ?){narrowed}"  # noqa: S608
            " ORDER BY time_ms DESC, id DESC LIMIT ?",
            user_id,
            *min(after or NEWEST, until),
            *values,
            limit,
        )

    def last_alert_ms(self, rule_id: str) -> int | None:
        rows = self._rows("SELECT MAX(time_ms) FROM alerts WHERE rule = ? OR (rule > ? AND rule < ?)", *_parts(rule_id))
        return rows[0][0] if rows else None

    def save_delivery(self, delivery: Delivery) -> Delivery:
        columns = {
            "alert": delivery.alert,
            "state": delivery.state,
            "updated_ms": delivery.updated_ms,
            "due_ms": delivery.due_ms,
        }
        return self._save("deliveries", delivery, columns)

    def save_deliveries(self, deliveries: Sequence[Delivery]) -> list[str]:
        refused = []
        with self._transaction():
            for delivery in deliveries:
                try:
                    self.save_delivery(delivery)
                except Conflict:
                    refused.append(delivery.id)
        return refused

    def delivery(self, delivery_id: str) -> Delivery | None:
        return self._one(Delivery, "SELECT body FROM deliveries WHERE id = ?", delivery_id)

    def deliveries(self, delivery_ids: Sequence[str]) -> list[Delivery]:
        return self._many(Delivery, "deliveries", delivery_ids)

    def deliveries_of(self, alert_id: str) -> list[Delivery]:
        return self._all(Delivery, "SELECT body FROM deliveries WHERE alert = ? ORDER BY id", alert_id)

    def unfinished_deliveries(self, before_ms: int, due_ms: int, limit: int = 100) -> list[Delivery]:
        return self._all(
            Delivery,
            "SELECT body FROM deliveries WHERE state = ? AND due_ms <= ? AND updated_ms < ?"
            " ORDER BY due_ms, updated_ms LIMIT ?",
            DeliveryState.QUEUED,
            due_ms,
            before_ms,
            limit,
        )

    def deliveries_in(self, summary: str) -> list[Delivery]:
        # Both conditions, for the sake of the index.
        column = "json_extract(body, '$.summary')"
        sql = f"SELECT body FROM deliveries WHERE {column} <> '' AND {column} = ? ORDER BY updated_ms, id"  # noqa: S608
        return self._all(Delivery, sql, summary)

    def save_instruments(self, instruments: Iterable[Instrument]) -> int:
        rows = [(row.token, row.model_dump_json(), *_folded(row).values()) for row in instruments]
        with self._transaction():
            self._db.executemany("INSERT OR REPLACE INTO instruments (token, body, symbol, name) VALUES (?, ?, ?, ?)", rows)
        return len(rows)

    def instrument(self, token: int) -> Instrument | None:
        return self._one(Instrument, "SELECT body FROM instruments WHERE token = ?", token)

    def instrument_by_symbol(self, symbol: str) -> Instrument | None:
        return self._one(Instrument, "SELECT body FROM instruments WHERE symbol = ? COLLATE NOCASE", symbol.casefold())

    def search_instruments(self, text: str, limit: int = 20) -> list[Instrument]:
        literal = _literal(text.strip()[:LONGEST_SEARCH].casefold())
        return self._all(
            Instrument,
            "SELECT body FROM instruments WHERE symbol LIKE :inside ESCAPE '\\' OR name LIKE :inside ESCAPE '\\'"
            " ORDER BY symbol LIKE :first ESCAPE '\\' OR symbol LIKE :behind ESCAPE '\\' DESC, symbol, token LIMIT :limit",
            {"inside": f"%{literal}%", "first": f"{literal}%", "behind": f"%:{literal}%", "limit": limit},
        )

    def save_watchlist(self, user_id: str, tokens: Sequence[int]) -> None:
        self._write("INSERT OR REPLACE INTO watchlists (user, tokens) VALUES (?, ?)", (user_id, json.dumps(list(tokens))))

    def watchlist(self, user_id: str) -> list[int]:
        rows = self._rows("SELECT tokens FROM watchlists WHERE user = ?", user_id)
        return list(json.loads(rows[0][0])) if rows else []

    def watched_tokens(self) -> set[int]:
        listed = {token for (tokens,) in self._rows("SELECT tokens FROM watchlists") for token in json.loads(tokens)}
        ruled = {token for (token,) in self._rows("SELECT DISTINCT token FROM rules WHERE state <> 'deleted'")}
        return listed | ruled - {0}

    def setting(self, name: str) -> str | None:
        rows = self._rows("SELECT value FROM settings WHERE name = ?", name)
        return rows[0][0] if rows else None

    def settings(self, names: Sequence[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for start in range(0, len(names), MANY):
            some = names[start : start + MANY]
            found |= self._rows(f"SELECT name, value FROM settings WHERE name IN ({', '.join('?' * len(some))})", *some)  # noqa: S608
        return found

    def settings_like(self, prefix: str) -> dict[str, str]:
        return dict(self._rows("SELECT name, value FROM settings WHERE substr(name, 1, ?) = ?", len(prefix), prefix))

    def delete_setting(self, name: str) -> None:
        self._write("DELETE FROM settings WHERE name = ?", (name,))

    def save_setting(self, name: str, value: str) -> None:
        self._write("INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?)", (name, value))

    def record_audit(self, entry: AuditEntry) -> None:
        self._write(
            "INSERT INTO audit (id, body, time_ms) VALUES (?, ?, ?)", (entry.id, entry.model_dump_json(), entry.time_ms)
        )

    def audit(self, after: Cursor | None = None, limit: int = 100, user: str = "", action: str = "") -> list[AuditEntry]:
        narrowed = (_BY_USER if user else "") + (_BY_ACTION if action else "")
        return self._all(
            AuditEntry,
            f"SELECT body FROM audit WHERE (time_ms, id) < (?, ?){narrowed} ORDER BY time_ms DESC, id DESC LIMIT ?",  # noqa: S608
            *(after or NEWEST),
            *(text for text in (user, action) if text),
            limit,
        )

    def forget(self, before_ms: int, audit_before_ms: int, limit: int = 1_000) -> int:
        now = now_ms()
        oldest = "SELECT id FROM alerts WHERE time_ms < ? ORDER BY time_ms LIMIT ?"
        with self._transaction():
            self._db.execute(f"DELETE FROM deliveries WHERE alert IN ({oldest})", (before_ms, limit))  # noqa: S608
            counts = [self._db.execute(f"DELETE FROM alerts WHERE id IN ({oldest})", (before_ms, limit)).rowcount]  # noqa: S608
            for table, where, bound_ms in (
                ("rules", "state = 'deleted' AND updated_ms < ?", before_ms),
                ("audit", "time_ms < ?", audit_before_ms),
                ("sessions", "expires_ms < ?", now),
                ("tickets", "expires_ms < ?", now),
            ):
                some = f"SELECT id FROM {table} WHERE {where} LIMIT ?"  # noqa: S608
                counts.append(self._db.execute(f"DELETE FROM {table} WHERE id IN ({some})", (bound_ms, limit)).rowcount)  # noqa: S608
        return sum(counts)

    def dump(self) -> Iterator[Row]:
        # A connection of its own, because one transaction shows one moment, and a reader holds up nobody.
        try:
            with closing(sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None)) as db:
                db.execute("BEGIN")
                for table in dump.RECORDS:
                    yield from ((table, json.loads(body)) for (body,) in db.execute(f"SELECT body FROM {table}"))  # noqa: S608
                for user, tokens in db.execute("SELECT user, tokens FROM watchlists"):
                    yield dump.WATCHLISTS, {"user": user, "tokens": json.loads(tokens)}
                for name, value in db.execute("SELECT name, value FROM settings"):
                    yield dump.SETTINGS, {"name": name, "value": value}
        except sqlite3.Error as error:
            raise StormError(f"the store {self._path} cannot be used: {error}") from None

    def load(self, rows: Iterable[Row]) -> None:
        with self._transaction():
            columns = {table: [row[1] for row in self._rows(f"PRAGMA table_info({table})")] for table in dump.RECORDS}
            for table in dump.COLLECTIONS:
                self._db.execute(f"DELETE FROM {table}")  # noqa: S608
            for table, fields in rows:
                if table == dump.WATCHLISTS:
                    self.save_watchlist(fields["user"], fields["tokens"])
                elif table == dump.SETTINGS:
                    self.save_setting(fields["name"], fields["value"])
                else:
                    record = dump.record(table, fields)
                    self._insert(table, columns[table], record)

    def counts(self) -> dict[str, int]:
        return {table: self._rows(f"SELECT COUNT(*) FROM {table}")[0][0] for table in dump.COLLECTIONS}  # noqa: S608

    def _insert(self, table: str, columns: Sequence[str], record: Record) -> None:
        """As it is, revision and times too."""
        values = {name: record.model_dump_json() if name == "body" else getattr(record, name) for name in columns}
        if isinstance(record, Instrument):
            values |= _folded(record)
        sql = f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})"  # noqa: S608
        self._db.execute(sql, tuple(values.values()))

    def _go_wal(self) -> None:
        """SQLite itself does not wait for others who do the same with a new file."""
        until_s = time.monotonic() + BUSY_S
        while True:
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
            except sqlite3.Error as error:
                if "locked" not in str(error) or time.monotonic() > until_s:
                    raise StormError(f"the store {self._path} cannot be used: {error}") from None
                time.sleep(0.02)
            else:
                return

    def _migrate(self) -> None:
        with self._transaction():
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version > len(MIGRATIONS):
                known = f"schema {version}, this one knows {len(MIGRATIONS)}"
                raise StormError(f"the store {self._path} was written by a newer StormAlert ({known})")
            for statement in (statement for script in MIGRATIONS[version:] for statement in script.split(";")):
                self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")

    def _next_change_ms(self) -> int:
        """Later than every change before it, so that a reader who goes on from the last one misses none."""
        (last_ms,) = self._db.execute("SELECT MAX(updated_ms) FROM rules").fetchone()
        return max(now_ms(), (last_ms or 0) + 1)

    def _save_rule(self, rule: Rule, change_ms: int) -> Rule:
        rule = rule.model_copy(update={"updated_ms": change_ms})
        columns = {"user": rule.user, "token": rule.token, "state": rule.state, "updated_ms": change_ms}
        return self._save("rules", rule, columns)

    def _save(self, table: str, record: Revised, columns: dict[str, Any]) -> Revised:
        """Compare-and-set by revision; the table's and columns' names are this file's own."""
        stored = record.model_copy(update={"revision": record.revision + 1})
        row: dict[str, Any] = {"id": record.id, "revision": stored.revision, "body": stored.model_dump_json(), **columns}
        if record.revision == 0:
            names = ", ".join(row)
            sql = f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(row))})"  # noqa: S608
            with self._transaction():
                if self._db.execute(f"SELECT 1 FROM {table} WHERE id = ?", (record.id,)).fetchone():  # noqa: S608
                    raise Conflict(f"{table} has {record.id} already")
                self._db.execute(sql, tuple(row.values()))
            return stored
        assignments = ", ".join(f"{column} = ?" for column in row)
        sql = f"UPDATE {table} SET {assignments} WHERE id = ? AND revision = ?"  # noqa: S608
        if self._write(sql, (*row.values(), record.id, record.revision)) == 0:
            raise Conflict(f"{record.id} in {table} was changed by somebody else")
        return stored

    @contextmanager
    def _transaction(self) -> Iterator[None]:
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

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """SQLite's errors as one sentence; a name that is not unique is the caller's to explain."""
        with self._lock:
            try:
                yield
            except sqlite3.IntegrityError:
                raise
            except sqlite3.Error as error:
                raise StormError(f"the store {self._path} cannot be used: {error}") from None

    def _write(self, sql: str, row: tuple[Any, ...]) -> int:
        with self._transaction():
            return self._db.execute(sql, row).rowcount

    def _rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._asking():
            return self._db.execute(sql, values[0] if values and isinstance(values[0], dict) else values).fetchall()

    def _one(self, kind: type[Kept], sql: str, value: Any) -> Kept | None:
        rows = self._rows(sql, value)
        return kind.model_validate_json(rows[0][0]) if rows else None

    def _many(self, kind: type[Kept], table: str, ids: Sequence[str]) -> list[Kept]:
        """Those that are there, in no order."""
        found: list[Kept] = []
        for start in range(0, len(ids), MANY):
            some = ids[start : start + MANY]
            found += self._all(kind, f"SELECT body FROM {table} WHERE id IN ({', '.join('?' * len(some))})", *some)  # noqa: S608
        return found

    def _all(self, kind: type[Kept], sql: str, *values: Any) -> list[Kept]:
        return [kind.model_validate_json(row[0]) for row in self._rows(sql, *values)]


def _folded(row: Instrument) -> dict[str, str]:
    """Because LIKE and NOCASE are about ASCII only."""
    return {"symbol": row.symbol.casefold(), "name": row.name.casefold()}


def _narrowed(only: AlertFilter | None) -> tuple[str, list[Any]]:
    """Conditions to go behind others, in this file's own words, and the values for them."""
    if only is None:
        return "", []
    found: list[tuple[str, tuple[Any, ...]]] = []
    if only.rule:
        found.append(("(rule = ? OR (rule > ? AND rule < ?))", _parts(only.rule)))
    if only.since_ms:
        found.append(("time_ms >= ?", (only.since_ms,)))
    for name, value in (("token", only.token), ("kind", only.kind), ("direction", only.direction)):
        if value:
            found.append((f"{name} = ?", (value,)))
    if only.text:
        inside = f"%{_literal(only.text)}%"
        named = "SELECT token FROM instruments WHERE name LIKE ? ESCAPE '\\'"
        found.append((f"(symbol LIKE ? ESCAPE '\\' OR token IN ({named}))", (inside, f"%{_literal(only.text.casefold())}%")))
    if only.has_failed:
        found.append(("EXISTS (SELECT 1 FROM deliveries WHERE alert = alerts.id AND state = 'failed')", ()))
    return "".join(f" AND {sql}" for sql, _ in found), [value for _, values in found for value in values]


def _narrowed_rules(only: RuleFilter | None) -> tuple[str, list[str]]:
    """The same for rules."""
    if only is None:
        return "", []
    asked = {
        "state = ?": only.state,
        "json_extract(body, '$.kind') = ?": only.kind,
        "json_extract(body, '$.direction') = ?": only.direction,
        f"{_SYMBOL} LIKE ? ESCAPE '\\'": f"%{_literal(only.text)}%" if only.text else None,
    }
    found = {sql: str(value) for sql, value in asked.items() if value}
    return "".join(f" AND {sql}" for sql in found), list(found.values())


def _literal(text: str) -> str:
    """For LIKE."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _parts(rule: str) -> tuple[str, str, str]:
    """The rule, and what lies around the ids of its parts on a watchlist's instruments; "`" is the letter after "_"."""
    return rule, f"{rule}_", f"{rule}`"
