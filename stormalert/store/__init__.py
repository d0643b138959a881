"""The store: what must outlive Redis, in the product's own words.

One interface, two implementations: `mongo` (pymongo, production, chosen by MONGODB_URI) and `sqlite` (standard library, the
embedded default). Every method is synchronous and safe to call from several threads; an event loop calls it through
asyncio.to_thread. Where two may write one record, `save_*` compares `revision` and raises Conflict when somebody was first.
Pages run by a cursor, never by an offset, and lists are newest first unless said otherwise.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, cast

from stormalert.model import (
    Alert,
    AlertFilter,
    AuditEntry,
    Channel,
    ChannelKind,
    Delivery,
    Instrument,
    Mute,
    Rule,
    RuleFilter,
    Session,
    Ticket,
    User,
)
from stormalert.store.dump import Row
from stormalert.store.meter import MeteredStore

# (time in ms, id) of the last record seen; the next page goes on after it.
Cursor = tuple[int, str]
# (symbol, id), where a list runs by symbol.
SymbolCursor = tuple[str, str]

# One character more than the longest name: a text that is cut there is still found nowhere.
LONGEST_SEARCH = 129


class Store(Protocol):
    def close(self) -> None: ...

    # Users. `save_*` inserts at revision 0, else replaces the record whose revision matches; returns it as stored, with the
    # next revision. Raises Conflict.
    def save_user(self, user: User) -> User: ...
    def user(self, user_id: str) -> User | None: ...
    def user_by_name(self, name: str) -> User | None: ...
    def users(self) -> list[User]:
        """All of them, by name."""
        ...

    def erase_user(self, user_id: str) -> None:
        """The user with all that is theirs, alerts and deliveries too; settings are their makers' business. Their rules stay as
        deleted ones for the engine to hear of, until `forget`. The audit log keeps the id.
        """
        ...

    # Sign-ins.
    def save_session(self, session: Session) -> None:
        """In the place of the one of the same id."""
        ...

    def session(self, session_id: str) -> Session | None: ...
    def sessions_of(self, user_id: str) -> list[Session]:
        """Newest first, expired ones too."""
        ...

    def delete_session(self, session_id: str) -> bool:
        """Whether it was there."""
        ...

    def save_ticket(self, ticket: Ticket) -> None: ...
    def ticket(self, ticket_id: str) -> Ticket | None: ...
    def tickets(self) -> list[Ticket]:
        """Newest first, expired ones too."""
        ...

    def take_ticket(self, ticket_id: str) -> Ticket | None:
        """The ticket, for whoever asks first; it is gone then."""
        ...

    # Rules.
    def save_rule(self, rule: Rule) -> Rule: ...
    def save_rules(self, rules: Sequence[Rule]) -> list[Rule]:
        """All of them or none, each as `save_rule` does, changed in the order given. Raises Conflict.

        MongoDB has no transaction over several records unless it is a replica set, so it is not asked for one: there everything
        is checked first, and what was written is undone when a later write fails. The undo is a change like any other, because
        an evaluator may know the rules already: a changed rule gets its former content and a new revision, a new rule is
        deleted. A crash before that, or a server that is away by then, leaves what was written; the same call made anew, with
        the revisions that are there now, goes on from it.
        """
        ...

    def rule(self, rule_id: str) -> Rule | None: ...
    def rules(self, rule_ids: Sequence[str]) -> list[Rule]: ...
    def rules_of(
        self, user_id: str, after: Cursor | None = None, limit: int = 100, only: RuleFilter | None = None
    ) -> list[Rule]:
        """Not the deleted ones; newest change first; `after` is (updated_ms, id)."""
        ...

    def rules_by_symbol(
        self, user_id: str, after: SymbolCursor | None = None, limit: int = 100, only: RuleFilter | None = None
    ) -> list[Rule]:
        """The same by symbol, and by id among those of one."""
        ...

    def count_rules(self, user_id: str, only: RuleFilter | None = None) -> int:
        """Not the deleted ones."""
        ...

    def rules_changed(self, since_ms: int) -> Iterator[Rule]:
        """Every rule, deleted ones too, that changed at or after `since_ms`, oldest change first."""
        ...

    def mark_spent(self, rule_id: str, armed_ms: int) -> None:
        """A `once` rule that was armed at `armed_ms` fired: ACTIVE becomes SPENT, unless it was changed after that."""
        ...

    def rename_instrument(self, token: int, symbol: str) -> int:
        """Its rules carry the new symbol from now on; returns how many. No change of theirs: they stay armed as they are."""
        ...

    # Channels.
    def save_channel(self, channel: Channel) -> Channel: ...
    def channel(self, channel_id: str) -> Channel | None: ...
    def channels(self, channel_ids: Sequence[str]) -> list[Channel]: ...
    def channels_of(self, user_id: str) -> list[Channel]: ...
    def channels_at(self, kind: ChannelKind, address: str) -> list[Channel]:
        """Of whichever user, by id."""
        ...

    def delete_channel(self, channel_id: str) -> None:
        """Its deliveries stay in the history."""
        ...

    # What users do not want to hear.
    def save_mute(self, mute: Mute) -> None:
        """In the place of the user's mute of the same subject; the last one counts."""
        ...

    def mutes_of(self, user_id: str, at_ms: int) -> list[Mute]:
        """Those that hold at that time, by id."""
        ...

    def delete_mute(self, mute_id: str) -> bool:
        """Whether it was there."""
        ...

    # Alerts and deliveries.
    def record_alert(self, alert: Alert) -> bool:
        """False when the alert was there already; nothing is written then."""
        ...

    def record_fired(self, alerts: Sequence[Alert], deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Alerts with their deliveries, in one transaction where the store has such; what was there already stays as it is.

        Returns the deliveries as they are stored.
        """
        ...

    def alert(self, alert_id: str) -> Alert | None: ...
    def alerts(self, alert_ids: Sequence[str]) -> list[Alert]: ...
    def alerts_of(
        self, user_id: str, after: Cursor | None = None, limit: int = 100, only: AlertFilter | None = None
    ) -> list[Alert]:
        """`after` is (time_ms, id)."""
        ...

    def last_alert_ms(self, rule_id: str) -> int | None:
        """Event time of the rule's newest alert; of a watchlist's rule, of the newest on any instrument."""
        ...

    def save_delivery(self, delivery: Delivery) -> Delivery: ...
    def save_deliveries(self, deliveries: Sequence[Delivery]) -> list[str]:
        """Many that are stored already; returns the ids of those that somebody else changed first, which are left alone."""
        ...

    def delivery(self, delivery_id: str) -> Delivery | None: ...
    def deliveries(self, delivery_ids: Sequence[str]) -> list[Delivery]: ...
    def deliveries_of(self, alert_id: str) -> list[Delivery]: ...
    def unfinished_deliveries(self, before_ms: int, due_ms: int, limit: int = 100) -> list[Delivery]:
        """QUEUED ones not updated since `before_ms`, oldest first: what a crash may have left behind, and what waited to be
        due, by `due_ms`, behind them.
        """
        ...

    def deliveries_in(self, summary: str) -> list[Delivery]:
        """Those that wait to be told in this summary, and those that were, oldest change first."""
        ...

    # Instruments and watchlists.
    def save_instruments(self, instruments: Iterable[Instrument]) -> int:
        """Insert or replace by token; returns how many."""
        ...

    def instrument(self, token: int) -> Instrument | None: ...
    def instrument_by_symbol(self, symbol: str) -> Instrument | None: ...
    def search_instruments(self, text: str, limit: int = 20) -> list[Instrument]:
        """Symbol prefix first, then symbol or name containing the text, case-insensitive."""
        ...

    def save_watchlist(self, user_id: str, tokens: Sequence[int]) -> None: ...
    def watchlist(self, user_id: str) -> list[int]: ...
    def watched_tokens(self) -> set[int]:
        """All that ingest must subscribe to: every watchlist and every rule that is not deleted."""
        ...

    # Settings made as an override (values may be sealed by stormalert.access.security) and the audit log.
    def setting(self, name: str) -> str | None: ...
    def settings(self, names: Sequence[str]) -> dict[str, str]:
        """Those that are there."""
        ...

    def settings_like(self, prefix: str) -> dict[str, str]:
        """Those whose names begin so."""
        ...

    def save_setting(self, name: str, value: str) -> None: ...
    def delete_setting(self, name: str) -> None: ...
    def record_audit(self, entry: AuditEntry) -> None: ...
    def audit(self, after: Cursor | None = None, limit: int = 100, user: str = "", action: str = "") -> list[AuditEntry]:
        """`user`: only what this one did; `action`: only this."""
        ...

    def forget(self, before_ms: int, audit_before_ms: int, limit: int = 1_000) -> int:
        """Deletes what is older: alerts with their deliveries and deleted rules (by `before_ms`), entries of the audit log (by
        `audit_before_ms`), and what expired before now: sessions and tickets. At most `limit` of each, oldest first.

        Returns how many in all, so that the caller goes on until it is 0.
        """
        ...

    # For backups; see stormalert/store/dump.py.
    def dump(self) -> Iterator[Row]:
        """All that is in it, by collection, while others go on writing."""
        ...

    def load(self, rows: Iterable[Row]) -> None:
        """All rows in the place of all that is in it; in one transaction where the store has such. Raises InputError."""
        ...

    def counts(self) -> dict[str, int]:
        """How many records each collection has."""
        ...


class Schema(NamedTuple):
    """What a store was written as: 0 when there is none yet; and what this StormAlert writes."""

    found: int
    ours: int


def look(mongodb_uri: str, sqlite_path: Path) -> Schema:
    """Without changing anything, which opening does: it brings an older store forward. Raises StormError."""
    if mongodb_uri:
        from stormalert.store import mongo, mongo_schema

        return Schema(mongo.schema_of(mongodb_uri), mongo_schema.VERSION)
    from stormalert.store import sqlite

    return Schema(sqlite.schema_of(sqlite_path), len(sqlite.MIGRATIONS))


def open_store(mongodb_uri: str, sqlite_path: Path) -> Store:
    """MongoDB when a URI is given, else the SQLite file, which is made when missing."""
    # Imported here, so that a process loads only the driver it uses.
    if mongodb_uri:
        from stormalert.store.mongo import MongoStore

        return cast(Store, MeteredStore(MongoStore(mongodb_uri)))
    from stormalert.store.sqlite import SqliteStore

    return cast(Store, MeteredStore(SqliteStore(sqlite_path)))
