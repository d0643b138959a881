"""The store in the product's own words, on the few primitives of a database."""

import itertools
from collections.abc import Iterable, Iterator, Sequence

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
    OneTimeToken,
    Rule,
    RuleFilter,
    RuleState,
    Session,
    User,
)
from stormalert.store import dump
from stormalert.store.backend import Backend
from stormalert.store.dump import Row
from stormalert.store.meter import METER, Meter, metered
from stormalert.store.nouns import (
    ALERTS,
    AUDIT,
    CHANNELS,
    DELIVERIES,
    INSTRUMENTS,
    MUTES,
    NOUNS,
    ONE_TIME_TOKENS,
    RULES,
    SESSIONS,
    SETTINGS,
    USERS,
    WATCHLISTS,
    Noun,
    Setting,
    StoredWatchlist,
)
from stormalert.store.query import Condition, Cursor, Either, Has, Holds, Named, OneOf, SymbolCursor, Where
from stormalert.units import now_ms

# One character more than the longest name: a text that is cut there is still found nowhere.
LONGEST_SEARCH = 129
PAGE_OF_CHANGES = 500
# Of what is loaded, and of what is deleted with all that hangs on it.
AT_ONCE = 1_000
IS_NOT_DELETED = Where("state", "<>", RuleState.DELETED)


@metered
class Store:
    """What must outlive Redis. Every method is synchronous and safe to call from several threads; an event loop calls it
    through asyncio.to_thread. Where two may write one record, `save_*` compares `revision` and raises Conflict when somebody
    was first. Pages run by a cursor, never by an offset, and lists are newest first unless said otherwise.

    Raises StormError when the database is away or refuses.
    """

    def __init__(self, backend: Backend, meter: Meter = METER) -> None:
        self._db, self.meter = backend, meter
        meter.is_used = True

    def close(self) -> None:
        self._db.close()

    # Users. `save_*` inserts at revision 0, else replaces the record whose revision matches; returns it as stored, with the
    # next revision. Raises Conflict.

    def save_user(self, user: User) -> User:
        return self._db.save(USERS, user)

    def user(self, user_id: str) -> User | None:
        return self._db.get(USERS, user_id)

    def user_by_name(self, name: str) -> User | None:
        return next(iter(self._db.find(USERS, [Where("name", "=", name)], limit=1)), None)

    def users(self) -> list[User]:
        """All of them, by name."""
        return self._db.find(USERS, order="name")

    def erase_user(self, user_id: str) -> None:
        """The user with all that is theirs, alerts and deliveries too; settings are their makers' business. Their rules stay as
        deleted ones for the engine to hear of, until `forget`. The audit log keeps the id.
        """
        theirs = [Where("user", "=", user_id)]
        with self._db.together():
            rules = self._db.find(RULES, [*theirs, IS_NOT_DELETED])
            self._db.save_in_order(RULES, [rule.model_copy(update={"state": RuleState.DELETED}) for rule in rules])
            while self._remove_alerts(theirs, "", AT_ONCE) == AT_ONCE:
                pass
            for noun in (CHANNELS, MUTES, SESSIONS, ONE_TIME_TOKENS, WATCHLISTS):
                self._db.remove(noun, theirs)
            # The user last: whoever finds the account still there knows that this has to be done again.
            self._db.remove(USERS, [Where("id", "=", user_id)])

    # Sign-ins.

    def save_session(self, session: Session) -> None:
        """In the place of the one of the same id."""
        self._db.put(SESSIONS, [session])

    def session(self, session_id: str) -> Session | None:
        return self._db.get(SESSIONS, session_id)

    def sessions_of(self, user_id: str) -> list[Session]:
        """Newest first, expired ones too."""
        return self._db.find(SESSIONS, [Where("user", "=", user_id)], "-created_ms -id")

    def delete_session(self, session_id: str) -> bool:
        """Whether it was there."""
        return self._db.remove(SESSIONS, [Where("id", "=", session_id)]) == 1

    def save_one_time_token(self, token: OneTimeToken) -> None:
        self._db.put(ONE_TIME_TOKENS, [token])

    def one_time_token(self, token_id: str) -> OneTimeToken | None:
        return self._db.get(ONE_TIME_TOKENS, token_id)

    def one_time_tokens(self) -> list[OneTimeToken]:
        """Newest first, expired ones too."""
        return self._db.find(ONE_TIME_TOKENS, order="-created_ms -id")

    def take_one_time_token(self, token_id: str) -> OneTimeToken | None:
        """The token, for whoever asks first; it is gone then."""
        return self._db.take(ONE_TIME_TOKENS, token_id)

    # Rules.

    def save_rule(self, rule: Rule) -> Rule:
        return self._db.save_in_order(RULES, [rule])[0]

    def save_rules(self, rules: Sequence[Rule]) -> list[Rule]:
        """All of them or none, each as `save_rule` does, changed in the order given. Raises Conflict.

        MongoDB has no transaction over several records unless it is a replica set, so it is not asked for one: there everything
        is checked first, and what was written is undone when a later write fails. The undo is a change like any other, because
        an evaluator may know the rules already: a changed rule gets its former content and a new revision, a new rule is
        deleted. A crash before that, or a server that is away by then, leaves what was written; the same call made anew, with
        the revisions that are there now, goes on from it.
        """
        return self._db.save_in_order(RULES, rules)

    def rule(self, rule_id: str) -> Rule | None:
        return self._db.get(RULES, rule_id)

    def rules(self, rule_ids: Sequence[str]) -> list[Rule]:
        return self._db.find(RULES, [OneOf("id", rule_ids)])

    def rules_of(
        self, user_id: str, after: Cursor | None = None, limit: int = 100, only: RuleFilter | None = None
    ) -> list[Rule]:
        """Not the deleted ones; newest change first; `after` is (updated_ms, id)."""
        return self._db.find(RULES, _rules_of(user_id, only), "-updated_ms -id", limit, after)

    def rules_by_symbol(
        self, user_id: str, after: SymbolCursor | None = None, limit: int = 100, only: RuleFilter | None = None
    ) -> list[Rule]:
        """The same by symbol, and by id among those of one."""
        return self._db.find(RULES, _rules_of(user_id, only), "symbol id", limit, after)

    def count_rules(self, user_id: str, only: RuleFilter | None = None) -> int:
        """Not the deleted ones."""
        return self._db.count(RULES, _rules_of(user_id, only))

    def rules_changed(self, since_ms: int) -> Iterator[Rule]:
        """Every rule, deleted ones too, that changed at or after `since_ms`, oldest change first."""
        # Page by page: the reader may take its time, and a page is read by whichever thread asks.
        after: Cursor = (since_ms, "")
        while page := self._db.find(RULES, (), "updated_ms id", PAGE_OF_CHANGES, after):
            yield from page
            after = (page[-1].updated_ms, page[-1].id)

    def mark_spent(self, rule_id: str, armed_ms: int) -> None:
        """A `once` rule that was armed at `armed_ms` fired: ACTIVE becomes SPENT, unless it was changed after that."""
        unchanged = [
            Where("id", "=", rule_id),
            Where("state", "=", RuleState.ACTIVE),
            Where("updated_ms", "<=", armed_ms),
        ]
        self._db.amend(RULES, unchanged, {"state": RuleState.SPENT}, is_change=True)

    def rename_instrument(self, token: int, symbol: str) -> int:
        """Its rules carry the new symbol from now on; returns how many. No change of theirs: they stay armed as they are."""
        return self._db.amend(RULES, [Where("token", "=", token)], {"symbol": symbol})

    # Channels.

    def save_channel(self, channel: Channel) -> Channel:
        return self._db.save(CHANNELS, channel)

    def channel(self, channel_id: str) -> Channel | None:
        return self._db.get(CHANNELS, channel_id)

    def channels(self, channel_ids: Sequence[str]) -> list[Channel]:
        return self._db.find(CHANNELS, [OneOf("id", channel_ids)])

    def channels_of(self, user_id: str) -> list[Channel]:
        return self._db.find(CHANNELS, [Where("user", "=", user_id)], "id")

    def channels_at(self, kind: ChannelKind, address: str) -> list[Channel]:
        """Of whichever user, by id."""
        return self._db.find(CHANNELS, [Where("address", "=", address), Where("kind", "=", kind)], "id")

    def delete_channel(self, channel_id: str) -> None:
        """Its deliveries stay in the history."""
        self._db.remove(CHANNELS, [Where("id", "=", channel_id)])

    # What users do not want to hear.

    def save_mute(self, mute: Mute) -> None:
        """In the place of the user's mute of the same subject; the last one counts."""
        # What is over is forgotten here, so that a user has no more than one for each subject.
        is_over = [Where("until_ms", ">", 0), Where("until_ms", "<=", now_ms())]
        with self._db.together():
            self._db.remove(MUTES, [Where("user", "=", mute.user), *is_over, Where("id", "<>", mute.id)])
            self._db.put(MUTES, [mute])

    def mutes_of(self, user_id: str, at_ms: int) -> list[Mute]:
        """Those that hold at that time, by id."""
        holds = Either(((Where("until_ms", "=", 0),), (Where("until_ms", ">", at_ms),)))
        return self._db.find(MUTES, [Where("user", "=", user_id), holds], "id")

    def delete_mute(self, mute_id: str) -> bool:
        """Whether it was there."""
        return self._db.remove(MUTES, [Where("id", "=", mute_id)]) == 1

    # Alerts and deliveries.

    def record_alert(self, alert: Alert) -> bool:
        """False when the alert was there already; nothing is written then."""
        return self._db.insert(ALERTS, [alert], skips_taken=True) == 1

    def record_fired(self, alerts: Sequence[Alert], deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Alerts with their deliveries, in one transaction where the store has such; what was there already stays as it is.

        Returns the deliveries as they are stored.
        """
        with self._db.together():
            # The alerts first: a delivery without its alert could not be sent.
            self._db.insert(ALERTS, alerts, skips_taken=True)
            new = [delivery.model_copy(update={"revision": 1}) for delivery in deliveries]
            self._db.insert(DELIVERIES, new, skips_taken=True)
            stored = {it.id: it for it in self._db.find(DELIVERIES, [OneOf("id", [it.id for it in deliveries])])}
        return [stored[delivery.id] for delivery in deliveries]

    def alert(self, alert_id: str) -> Alert | None:
        return self._db.get(ALERTS, alert_id)

    def alerts(self, alert_ids: Sequence[str]) -> list[Alert]:
        return self._db.find(ALERTS, [OneOf("id", alert_ids)])

    def alerts_of(
        self, user_id: str, after: Cursor | None = None, limit: int = 100, only: AlertFilter | None = None
    ) -> list[Alert]:
        """`after` is (time_ms, id)."""
        if only and only.until_ms:
            # As a cursor, because that is what an index serves.
            after = min(after, (only.until_ms, "")) if after else (only.until_ms, "")
        return self._db.find(ALERTS, _alerts_of(user_id, only or AlertFilter()), "-time_ms -id", limit, after)

    def last_alert_ms(self, rule_id: str) -> int | None:
        """Event time of the rule's newest alert; of a watchlist's rule, of the newest on any instrument."""
        return self._db.greatest(ALERTS, "time_ms", [_is_of_rule(rule_id)])

    def save_delivery(self, delivery: Delivery) -> Delivery:
        return self._db.save(DELIVERIES, delivery)

    def save_deliveries(self, deliveries: Sequence[Delivery]) -> list[str]:
        """Many that are stored already; returns the ids of those that somebody else changed first, which are left alone."""
        return self._db.save_many(DELIVERIES, deliveries)

    def delivery(self, delivery_id: str) -> Delivery | None:
        return self._db.get(DELIVERIES, delivery_id)

    def deliveries(self, delivery_ids: Sequence[str]) -> list[Delivery]:
        return self._db.find(DELIVERIES, [OneOf("id", delivery_ids)])

    def deliveries_of(self, alert_id: str) -> list[Delivery]:
        return self._db.find(DELIVERIES, [Where("alert", "=", alert_id)], "id")

    def unfinished_deliveries(self, before_ms: int, due_ms: int, limit: int = 100) -> list[Delivery]:
        """QUEUED ones not updated since `before_ms`, oldest first: what a crash may have left behind, and what waited to be
        due, by `due_ms`, behind them.
        """
        waits = [
            Where("state", "=", DeliveryState.QUEUED),
            Where("due_ms", "<=", due_ms),
            Where("updated_ms", "<", before_ms),
        ]
        return self._db.find(DELIVERIES, waits, "due_ms updated_ms", limit)

    def deliveries_in(self, summary: str) -> list[Delivery]:
        """Those that wait to be told in this summary, and those that were, oldest change first."""
        # Both conditions, for the sake of a partial index.
        return self._db.find(DELIVERIES, [Where("summary", "<>", ""), Where("summary", "=", summary)], "updated_ms id")

    # Instruments and watchlists.

    def save_instruments(self, instruments: Iterable[Instrument]) -> int:
        """Insert or replace by token; returns how many."""
        rows = list(instruments)
        self._db.put(INSTRUMENTS, rows)
        return len(rows)

    def instrument(self, token: int) -> Instrument | None:
        return self._db.get(INSTRUMENTS, token)

    def instrument_by_symbol(self, symbol: str) -> Instrument | None:
        return next(iter(self._db.find(INSTRUMENTS, [Where("folded_symbol", "=", symbol.casefold())], limit=1)), None)

    def search_instruments(self, text: str, limit: int = 20) -> list[Instrument]:
        """Symbol prefix first, then symbol or name containing the text, case-insensitive."""
        literal = text.strip()[:LONGEST_SEARCH].casefold()
        order = "folded_symbol token"
        first = Holds("folded_symbol", literal, is_first=True)
        found = self._db.find(INSTRUMENTS, [first], order, limit)
        if len(found) == limit:
            return found
        inside = Either(((Holds("folded_symbol", literal),), (Holds("folded_name", literal),)))
        others: list[Condition] = [inside, OneOf("token", [row.token for row in found], is_not=True)]
        return found + self._db.find(INSTRUMENTS, others, order, limit - len(found))

    def save_watchlist(self, user_id: str, tokens: Sequence[int]) -> None:
        self._db.put(WATCHLISTS, [StoredWatchlist(user=user_id, tokens=tuple(tokens))])

    def watchlist(self, user_id: str) -> list[int]:
        listed = self._db.get(WATCHLISTS, user_id)
        return list(listed.tokens) if listed else []

    def watched_tokens(self) -> set[int]:
        """All that ingest must subscribe to: every watchlist and every rule that is not deleted."""
        ruled: set[int] = self._db.distinct(RULES, "token", [IS_NOT_DELETED, Where("token", "<>", 0)])
        return ruled | self._db.distinct(WATCHLISTS, "tokens")

    # Settings made in the panel (values may be sealed by stormalert.access.security) and the audit log.

    def setting(self, name: str) -> str | None:
        found = self._db.get(SETTINGS, name)
        return found.value if found else None

    def settings(self, names: Sequence[str]) -> dict[str, str]:
        """Those that are there."""
        return {it.name: it.value for it in self._db.find(SETTINGS, [OneOf("name", names)])}

    def settings_like(self, prefix: str) -> dict[str, str]:
        """Those whose names begin so; all of them for an empty prefix."""
        where = [Where("name", ">=", prefix)]
        if prefix:
            where.append(Where("name", "<", prefix[:-1] + chr(ord(prefix[-1]) + 1)))
        return {it.name: it.value for it in self._db.find(SETTINGS, where)}

    def save_setting(self, name: str, value: str) -> None:
        self._db.put(SETTINGS, [Setting(name=name, value=value)])

    def delete_setting(self, name: str) -> None:
        self._db.remove(SETTINGS, [Where("name", "=", name)])

    def record_audit(self, entry: AuditEntry) -> None:
        self._db.insert(AUDIT, [entry])

    def audit(self, after: Cursor | None = None, limit: int = 100, user: str = "", action: str = "") -> list[AuditEntry]:
        """`user`: only what this one did; `action`: only this."""
        only = [Where(field, "=", text) for field, text in (("user", user), ("action", action)) if text]
        return self._db.find(AUDIT, only, "-time_ms -id", limit, after)

    def forget(self, before_ms: int, audit_before_ms: int, limit: int = 1_000) -> int:
        """Deletes what is older: alerts with their deliveries and deleted rules (by `before_ms`), entries of the audit log (by
        `audit_before_ms`), and what expired before now: sessions and one-time tokens. At most `limit` of each, oldest first.

        Returns how many in all, so that the caller goes on until it is 0.
        """
        is_deleted, has_expired = Where("state", "=", RuleState.DELETED), Where("expires_ms", "<", now_ms())
        with self._db.together():
            return (
                self._remove_alerts([Where("time_ms", "<", before_ms)], "time_ms", limit)
                + self._sweep(RULES, [is_deleted, Where("updated_ms", "<", before_ms)], "updated_ms", limit)
                + self._sweep(AUDIT, [Where("time_ms", "<", audit_before_ms)], "time_ms", limit)
                + self._sweep(SESSIONS, [has_expired], "expires_ms", limit)
                + self._sweep(ONE_TIME_TOKENS, [has_expired], "expires_ms", limit)
            )

    # For backups.

    def dump(self) -> Iterator[Row]:
        """All that is in it, by noun, while others go on writing."""
        return self._db.dump()

    def load(self, rows: Iterable[Row]) -> None:
        """All rows in the place of all that is in it; in one transaction where the store has such. Raises InputError."""
        with self._db.together():
            for noun in NOUNS.values():
                self._db.remove(noun, [])
            for name, some in itertools.groupby(rows, key=lambda row: row[0]):
                while records := [dump.record(*row) for row in itertools.islice(some, AT_ONCE)]:
                    self._db.insert(NOUNS[name], records)
            self._db.catch_up()

    def counts(self) -> dict[str, int]:
        """How many records each noun has."""
        return {noun.name: self._db.count(noun) for noun in NOUNS.values()}

    def _remove_alerts(self, where: Sequence[Condition], order: str, limit: int) -> int:
        """So many alerts with their deliveries: these first, because without their alert nobody would find them any more."""
        ids = self._db.values(ALERTS, "id", where, order, limit)
        if ids:
            self._db.remove(DELIVERIES, [OneOf("alert", ids)])
            self._db.remove(ALERTS, [OneOf("id", ids)])
        return len(ids)

    def _sweep(
        self,
        noun: Noun[Rule] | Noun[AuditEntry] | Noun[Session] | Noun[OneTimeToken],
        where: Sequence[Condition],
        order: str,
        limit: int,
    ) -> int:
        ids = self._db.values(noun, "id", where, order, limit)
        return self._db.remove(noun, [OneOf("id", ids)]) if ids else 0


def _rules_of(user_id: str, only: RuleFilter | None) -> list[Condition]:
    where: list[Condition] = [Where("user", "=", user_id), IS_NOT_DELETED]
    if only is None:
        return where
    asked = (("kind", only.kind), ("direction", only.direction), ("state", only.state))
    where += [Where(field, "=", value) for field, value in asked if value]
    return [*where, Holds("symbol", only.text)] if only.text else where


def _alerts_of(user_id: str, only: AlertFilter) -> list[Condition]:
    where: list[Condition] = [Where("user", "=", user_id)]
    asked = (("token", only.token), ("kind", only.kind), ("direction", only.direction))
    where += [Where(field, "=", value) for field, value in asked if value]
    if only.rule:
        where.append(_is_of_rule(only.rule))
    if only.since_ms:
        where.append(Where("time_ms", ">=", only.since_ms))
    if only.text:
        is_named = Named("token", INSTRUMENTS, (Holds("folded_name", only.text.casefold()),))
        where.append(Either(((Holds("symbol", only.text),), (is_named,))))
    if only.has_failed:
        failed = (Where("user", "=", user_id), Where("state", "=", DeliveryState.FAILED))
        where.append(Has(DELIVERIES, "alert", failed, "-updated_ms"))
    return where


def _is_of_rule(rule: str) -> Either:
    """Of the rule, or of its parts on a watchlist's instruments; "`" is the letter after "_"."""
    return Either(((Where("rule", "=", rule),), (Where("rule", ">", f"{rule}_"), Where("rule", "<", f"{rule}`"))))
