"""The production store: MongoDB, one collection a noun.

A document is the record itself: `_id` is its id (of an instrument its token), the other fields are plain values under the
model's names and enums are their text, so that a person can ask for them in mongosh. No transaction is needed: every write
touches one document, but for many rules at once, which are undone together; and the clock below orders the changes of rules.
"""

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from typing import Any, TypeVar

import pymongo
from pymongo import ASCENDING, DESCENDING, InsertOne, MongoClient, ReplaceOne, ReturnDocument, WriteConcern
from pymongo.errors import BulkWriteError, ConnectionFailure, DuplicateKeyError, OperationFailure, PyMongoError

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
from stormalert.store import LONGEST_SEARCH, Cursor, SymbolCursor, dump, mongo_schema
from stormalert.store.dump import Row
from stormalert.units import now_ms

DATABASE = "storm"
# Finding a server, and one operation on it with its repeats; an election takes less.
OPERATION_MS = 8_000
# From reading the clock to the rule being stored. Below the overlap with which the evaluator reads changes again, so that one
# which overtook another hides none.
CHANGE_S = 3.0
PAGE_OF_CHANGES = 500
# So few that they are stored within CHANGE_S.
RULES_AT_ONCE = 500
# Documents of a backup.
LOADED_AT_ONCE = 1_000

Document = dict[str, Any]
Kept = TypeVar("Kept", bound=Record)
Revised = TypeVar("Revised", User, Rule, Channel, Delivery)

COLLECTIONS: Mapping[type[Record], str] = {
    User: "users",
    Rule: "rules",
    Channel: "channels",
    Mute: "mutes",
    Alert: "alerts",
    Delivery: "deliveries",
    Instrument: "instruments",
    AuditEntry: "audit",
    Session: "sessions",
    Ticket: "tickets",
}
# One index each, as `_order` reads them.
INDEXES = (
    (Rule, "user -updated_ms -_id"),
    (Rule, "updated_ms _id"),
    (Rule, "user symbol _id"),
    (Channel, "user _id"),
    (Channel, "address _id"),
    (Mute, "user _id"),
    (Alert, "user -time_ms -_id"),
    (Alert, "user token -time_ms -_id"),
    (Alert, "rule -time_ms"),
    (Alert, "time_ms"),
    (Delivery, "alert _id"),
    (Delivery, "state due_ms updated_ms"),
    (Delivery, "summary updated_ms"),
    (Delivery, "user state -updated_ms"),
    (Instrument, "folded_symbol _id"),
    (AuditEntry, "-time_ms -_id"),
    (AuditEntry, "user -time_ms -_id"),
    (Session, "user -created_ms -_id"),
    (Session, "expires_ms"),
)
DUPLICATE_KEY = 11000
# What is looked up first, to filter alerts by it; a server's own list of ids may have some 16 MB.
MANY_NAMED = 10_000
FAILED_LOOKED_AT = 10_000
NOT_DELETED = {"$ne": RuleState.DELETED.value}


class MongoStore:
    """Raises StormError when the server is away or refuses; never with the URI's password in it."""

    def __init__(self, uri: str, client: "MongoClient[Document] | None" = None) -> None:
        self._host = _host(uri)
        self._client = client or _connect(uri)
        self._db = self._client.get_default_database(DATABASE, write_concern=WriteConcern("majority", j=True))
        try:
            self._prepare()
        except StormError:
            self._client.close()
            raise

    def close(self) -> None:
        self._client.close()

    def save_user(self, user: User) -> User:
        return self._save(user, taken=f"there is a user {user.name} already")

    def user(self, user_id: str) -> User | None:
        return self._one(User, _id=user_id)

    def user_by_name(self, name: str) -> User | None:
        return self._one(User, name=name)

    def users(self) -> list[User]:
        return self._all(User, {}, "name")

    def erase_user(self, user_id: str) -> None:
        # The user last: whoever finds the account still there knows that this has to be done again.
        for rule in self._all(Rule, {"user": user_id, "state": NOT_DELETED}, "_id"):
            self.save_rule(rule.model_copy(update={"state": RuleState.DELETED}))
        with self._asking():
            for collection in ("deliveries", "alerts", "channels", "mutes", "sessions", "tickets"):
                self._db[collection].delete_many({"user": user_id})
            self._db["watchlists"].delete_one({"_id": user_id})
            self._db["users"].delete_one({"_id": user_id})

    def save_session(self, session: Session) -> None:
        self._replace(session)

    def session(self, session_id: str) -> Session | None:
        return self._one(Session, _id=session_id)

    def sessions_of(self, user_id: str) -> list[Session]:
        return self._all(Session, {"user": user_id}, "-created_ms -_id")

    def delete_session(self, session_id: str) -> bool:
        return self._delete("sessions", session_id)

    def save_ticket(self, ticket: Ticket) -> None:
        self._replace(ticket)

    def ticket(self, ticket_id: str) -> Ticket | None:
        return self._one(Ticket, _id=ticket_id)

    def tickets(self) -> list[Ticket]:
        return self._all(Ticket, {}, "-created_ms -_id")

    def take_ticket(self, ticket_id: str) -> Ticket | None:
        with self._asking():
            document = self._db["tickets"].find_one_and_delete({"_id": ticket_id})
        return _record(Ticket, document) if document else None

    def save_rule(self, rule: Rule) -> Rule:
        with self._asking(), pymongo.timeout(CHANGE_S):
            return self._save(rule.model_copy(update={"updated_ms": self._next_change_ms()}))

    def save_rules(self, rules: Sequence[Rule]) -> list[Rule]:
        before = {rule.id: rule for rule in self.rules([rule.id for rule in rules])}
        _check_revisions(rules, before)
        tried: list[Rule] = []
        with ExitStack() as undo:
            undo.callback(self._take_back, tried, before)
            for start in range(0, len(rules), RULES_AT_ONCE):
                self._change_rules(rules[start : start + RULES_AT_ONCE], tried)
            undo.pop_all()
        return tried

    def rule(self, rule_id: str) -> Rule | None:
        return self._one(Rule, _id=rule_id)

    def rules(self, rule_ids: Sequence[str]) -> list[Rule]:
        return self._many(Rule, rule_ids)

    def rules_of(
        self, user_id: str, after: Cursor | None = None, limit: int = 100, only: RuleFilter | None = None
    ) -> list[Rule]:
        return self._newest(Rule, "updated_ms", _rules_where(user_id, only), after, limit)

    def rules_by_symbol(
        self, user_id: str, after: SymbolCursor | None = None, limit: int = 100, only: RuleFilter | None = None
    ) -> list[Rule]:
        beyond = [_beyond("symbol", "$gt", after)] if after else []
        return self._all(Rule, {"$and": [_rules_where(user_id, only), *beyond]}, "symbol _id", limit)

    def count_rules(self, user_id: str, only: RuleFilter | None = None) -> int:
        with self._asking():
            return int(self._db["rules"].count_documents(_rules_where(user_id, only)))

    def rules_changed(self, since_ms: int) -> Iterator[Rule]:
        # Page by page, not one server cursor: the reader may take its time, and a page is read by whichever thread asks.
        after: Cursor = (since_ms, "")
        while page := self._all(Rule, _beyond("updated_ms", "$gt", after), "updated_ms _id", PAGE_OF_CHANGES):
            yield from page
            after = (page[-1].updated_ms, page[-1].id)

    def mark_spent(self, rule_id: str, armed_ms: int) -> None:
        unchanged = {"_id": rule_id, "state": RuleState.ACTIVE.value, "updated_ms": {"$lte": armed_ms}}
        with self._asking(), pymongo.timeout(CHANGE_S):
            spent = {"state": RuleState.SPENT.value, "updated_ms": self._next_change_ms()}
            self._db["rules"].find_one_and_update(unchanged, {"$set": spent, "$inc": {"revision": 1}})

    def rename_instrument(self, token: int, symbol: str) -> int:
        with self._asking():
            return int(self._db["rules"].update_many({"token": token}, {"$set": {"symbol": symbol}}).matched_count)

    def save_channel(self, channel: Channel) -> Channel:
        return self._save(channel)

    def channel(self, channel_id: str) -> Channel | None:
        return self._one(Channel, _id=channel_id)

    def channels(self, channel_ids: Sequence[str]) -> list[Channel]:
        return self._many(Channel, channel_ids)

    def channels_of(self, user_id: str) -> list[Channel]:
        return self._all(Channel, {"user": user_id}, "_id")

    def channels_at(self, kind: ChannelKind, address: str) -> list[Channel]:
        return self._all(Channel, {"address": address, "kind": kind.value}, "_id")

    def delete_channel(self, channel_id: str) -> None:
        self._delete("channels", channel_id)

    def save_mute(self, mute: Mute) -> None:
        with self._asking():
            # What is over is forgotten here, so that a user has no more than one for each subject.
            self._db["mutes"].delete_many(
                {"user": mute.user, "until_ms": {"$gt": 0, "$lte": now_ms()}, "_id": {"$ne": mute.id}}
            )
        fields = _document(mute)
        self._put("mutes", str(fields.pop("_id")), fields)

    def mutes_of(self, user_id: str, at_ms: int) -> list[Mute]:
        return self._all(Mute, {"user": user_id, "$or": [{"until_ms": 0}, {"until_ms": {"$gt": at_ms}}]}, "_id")

    def delete_mute(self, mute_id: str) -> bool:
        return self._delete("mutes", mute_id)

    def record_alert(self, alert: Alert) -> bool:
        try:
            self._insert(alert)
        except DuplicateKeyError:
            return False
        return True

    def record_fired(self, alerts: Sequence[Alert], deliveries: Sequence[Delivery]) -> list[Delivery]:
        # The alerts first: a delivery without its alert could not be sent.
        self._insert_new(alerts)
        self._insert_new([delivery.model_copy(update={"revision": 1}) for delivery in deliveries])
        stored = {delivery.id: delivery for delivery in self.deliveries([delivery.id for delivery in deliveries])}
        return [stored[delivery.id] for delivery in deliveries]

    def alert(self, alert_id: str) -> Alert | None:
        return self._one(Alert, _id=alert_id)

    def alerts(self, alert_ids: Sequence[str]) -> list[Alert]:
        return self._many(Alert, alert_ids)

    def alerts_of(
        self, user_id: str, after: Cursor | None = None, limit: int = 100, only: AlertFilter | None = None
    ) -> list[Alert]:
        where: Document = {"user": user_id, **_narrowed(only)}
        if only and only.text:
            where["$and"].append({"$or": [{"symbol": _with(only.text)}, {"token": {"$in": self._named(only.text)}}]})
        if only and only.has_failed:
            where["$and"].append({"_id": {"$in": self._failed(user_id)}})
        return self._newest(Alert, "time_ms", where, after, limit)

    def last_alert_ms(self, rule_id: str) -> int | None:
        newest = self._all(Alert, _of_rule(rule_id), "-time_ms", 1)
        return newest[0].time_ms if newest else None

    def save_delivery(self, delivery: Delivery) -> Delivery:
        return self._save(delivery)

    def save_deliveries(self, deliveries: Sequence[Delivery]) -> list[str]:
        if not deliveries:
            return []
        stored = [delivery.model_copy(update={"revision": delivery.revision + 1}) for delivery in deliveries]
        rows = [ReplaceOne({"_id": each.id, "revision": each.revision - 1}, _document(each)) for each in stored]
        with self._asking():
            saved = self._db["deliveries"].bulk_write(rows, ordered=False)
        if saved.matched_count == len(rows):
            return []
        there = {delivery.id: delivery for delivery in self.deliveries([each.id for each in stored])}
        return [each.id for each in stored if there.get(each.id) != each]

    def delivery(self, delivery_id: str) -> Delivery | None:
        return self._one(Delivery, _id=delivery_id)

    def deliveries(self, delivery_ids: Sequence[str]) -> list[Delivery]:
        return self._many(Delivery, delivery_ids)

    def deliveries_of(self, alert_id: str) -> list[Delivery]:
        return self._all(Delivery, {"alert": alert_id}, "_id")

    def unfinished_deliveries(self, before_ms: int, due_ms: int, limit: int = 100) -> list[Delivery]:
        waiting = {"state": DeliveryState.QUEUED.value, "due_ms": {"$lte": due_ms}, "updated_ms": {"$lt": before_ms}}
        return self._all(Delivery, waiting, "due_ms updated_ms", limit)

    def deliveries_in(self, summary: str) -> list[Delivery]:
        return self._all(Delivery, {"summary": summary}, "updated_ms _id")

    def save_instruments(self, instruments: Iterable[Instrument]) -> int:
        rows = [ReplaceOne({"_id": row.token}, _document(row), upsert=True) for row in instruments]
        for start in range(0, len(rows), 1_000):
            with self._asking():
                self._db["instruments"].bulk_write(rows[start : start + 1_000])
        return len(rows)

    def instrument(self, token: int) -> Instrument | None:
        return self._one(Instrument, _id=token)

    def instrument_by_symbol(self, symbol: str) -> Instrument | None:
        return self._one(Instrument, folded_symbol=symbol.casefold())

    def search_instruments(self, text: str, limit: int = 20) -> list[Instrument]:
        # A regular expression may not hold a NUL.
        literal = re.escape(text.strip()[:LONGEST_SEARCH].casefold().replace("\0", ""))
        first = {"folded_symbol": {"$regex": f"(^|:){literal}"}}
        inside = [{"folded_symbol": {"$regex": literal}}, {"folded_name": {"$regex": literal}}]
        found = self._all(Instrument, first, "folded_symbol _id", limit)
        others = {"$or": inside, "_id": {"$nin": [row.token for row in found]}}
        return found + self._all(Instrument, others, "folded_symbol _id", limit - len(found))

    def save_watchlist(self, user_id: str, tokens: Sequence[int]) -> None:
        self._put("watchlists", user_id, {"tokens": list(tokens)})

    def watchlist(self, user_id: str) -> list[int]:
        return list(self._get("watchlists", user_id).get("tokens", ()))

    def watched_tokens(self) -> set[int]:
        with self._asking():
            listed = self._db["watchlists"].distinct("tokens")
            ruled = self._db["rules"].distinct("token", {"state": NOT_DELETED, "token": {"$ne": 0}})
            return {int(token) for token in (*listed, *ruled)}

    def setting(self, name: str) -> str | None:
        return self._get("settings", name).get("value")

    def settings(self, names: Sequence[str]) -> dict[str, str]:
        with self._asking():
            return {row["_id"]: row["value"] for row in self._db["settings"].find({"_id": {"$in": list(names)}})}

    def settings_like(self, prefix: str) -> dict[str, str]:
        with self._asking():
            found = self._db["settings"].find({"_id": {"$regex": f"^{re.escape(prefix)}"}})
            return {row["_id"]: row["value"] for row in found}

    def delete_setting(self, name: str) -> None:
        self._delete("settings", name)

    def save_setting(self, name: str, value: str) -> None:
        self._put("settings", name, {"value": value})

    def record_audit(self, entry: AuditEntry) -> None:
        self._insert(entry)

    def audit(self, after: Cursor | None = None, limit: int = 100, user: str = "", action: str = "") -> list[AuditEntry]:
        narrowed = {name: text for name, text in (("user", user), ("action", action)) if text}
        return self._newest(AuditEntry, "time_ms", narrowed, after, limit)

    def forget(self, before_ms: int, audit_before_ms: int, limit: int = 1_000) -> int:
        old_alerts = self._oldest("alerts", {"time_ms": {"$lt": before_ms}}, "time_ms", limit)
        with self._asking():
            # First: without their alert nobody would find them any more.
            self._db["deliveries"].delete_many({"alert": {"$in": old_alerts}})
        over = {"expires_ms": {"$lt": now_ms()}}
        gone = {"state": RuleState.DELETED.value, "updated_ms": {"$lt": before_ms}}
        old = {
            "alerts": old_alerts,
            "rules": self._oldest("rules", gone, "updated_ms", limit),
            "audit": self._oldest("audit", {"time_ms": {"$lt": audit_before_ms}}, "time_ms", limit),
            "sessions": self._oldest("sessions", over, "expires_ms", limit),
            "tickets": self._oldest("tickets", over, "expires_ms", limit),
        }
        with self._asking():
            return sum(self._db[name].delete_many({"_id": {"$in": ids}}).deleted_count for name, ids in old.items() if ids)

    def dump(self) -> Iterator[Row]:
        for collection, kind in dump.RECORDS.items():
            for document in self._each(collection):
                yield collection, _record(kind, document).model_dump(mode="json")
        for document in self._each(dump.WATCHLISTS):
            yield dump.WATCHLISTS, {"user": document["_id"], "tokens": document["tokens"]}
        for document in self._each(dump.SETTINGS):
            yield dump.SETTINGS, {"name": document["_id"], "value": document["value"]}

    def load(self, rows: Iterable[Row]) -> None:
        with self._asking():
            for collection in dump.COLLECTIONS:
                self._db[collection].delete_many({})
        for collection, some in itertools.groupby(rows, key=lambda row: row[0]):
            while documents := [_loaded(*row) for row in itertools.islice(some, LOADED_AT_ONCE)]:
                with self._asking():
                    self._db[collection].insert_many(documents)
        with self._asking():
            newest = self._db["rules"].find_one(sort=_order("-updated_ms")) or {"updated_ms": 0}
            # The next change is later than all of them.
            self._bump("clock", {"$max": {"ms": newest["updated_ms"]}})

    def counts(self) -> dict[str, int]:
        with self._asking():
            return {name: int(self._db[name].count_documents({})) for name in dump.COLLECTIONS}

    def _each(self, collection: str) -> Iterator[Document]:
        # Page by page, as `rules_changed` does; an id is never changed, so that none is missed.
        where: Document = {}
        while True:
            with self._asking():
                page = list(self._db[collection].find(where).sort("_id", ASCENDING).limit(LOADED_AT_ONCE))
            yield from page
            if len(page) < LOADED_AT_ONCE:
                return
            where = {"_id": {"$gt": page[-1]["_id"]}}

    def _prepare(self) -> None:
        with self._asking():
            mongo_schema.bring_forward(self._db, self._host, self._make_indexes)

    def _make_indexes(self) -> None:
        self._db["users"].create_index("name", unique=True)
        for kind, fields in INDEXES:
            self._db[COLLECTIONS[kind]].create_index(_order(fields))

    def _change_rules(self, rules: Sequence[Rule], tried: list[Rule]) -> None:
        """Adds to `tried` what it is about to store. Raises Conflict, after those that could be stored were."""
        with self._asking(), pymongo.timeout(CHANGE_S):
            first_ms = self._next_change_ms(len(rules))
            stored = [
                rule.model_copy(update={"revision": rule.revision + 1, "updated_ms": first_ms + place})
                for place, rule in enumerate(rules)
            ]
            tried += stored
            try:
                saved = self._db["rules"].bulk_write([_change(rule) for rule in stored], ordered=False)
            except BulkWriteError as error:
                problems = error.details["writeErrors"]
                if not problems or any(problem["code"] != DUPLICATE_KEY for problem in problems):
                    raise
                raise Conflict(f"rules has {stored[problems[0]['index']].id} already") from None
        if saved.inserted_count + saved.matched_count < len(stored):
            raise Conflict("one of the rules was changed by somebody else")

    def _take_back(self, tried: Sequence[Rule], before: Mapping[str, Rule]) -> None:
        if not tried:
            return
        # No two changes have one time: by it one's own are known.
        times = {rule.id: rule.updated_ms for rule in tried}
        own = [rule for rule in self.rules(list(times)) if rule.updated_ms == times[rule.id]]
        # A document that was removed could not tell an evaluator to disarm the rule.
        former = [before.get(rule.id) or rule.model_copy(update={"state": RuleState.DELETED}) for rule in own]
        undone = [was.model_copy(update={"revision": rule.revision}) for was, rule in zip(former, own, strict=True)]
        for start in range(0, len(undone), RULES_AT_ONCE):
            # Who changed one in this very moment has seen the new version and means it.
            with suppress(Conflict):
                self._change_rules(undone[start : start + RULES_AT_ONCE], [])

    def _next_change_ms(self, count: int = 1) -> int:
        """The first of so many moments, each later than every change before it, so that a reader who goes on from the last
        change misses none.
        """
        self._bump("clock", {"$max": {"ms": now_ms() - 1}})
        return int(self._bump("clock", {"$inc": {"ms": count}})["ms"]) - count + 1

    def _bump(self, name: str, change: Document) -> Document:
        after = ReturnDocument.AFTER
        return self._db["meta"].find_one_and_update({"_id": name}, change, upsert=True, return_document=after) or {}

    def _save(self, record: Revised, taken: str = "") -> Revised:
        """Compare-and-set by revision; `taken` is said when another field than the id had to be unique."""
        collection = self._db[COLLECTIONS[type(record)]]
        stored = record.model_copy(update={"revision": record.revision + 1})
        try:
            if record.revision == 0:
                self._insert(stored)
                return stored
            with self._asking():
                before = collection.find_one_and_replace({"_id": record.id, "revision": record.revision}, _document(stored))
        except DuplicateKeyError:
            is_known = not taken or (record.revision == 0 and self._one(type(record), _id=record.id))
            raise Conflict(f"{collection.name} has {record.id} already" if is_known else taken) from None
        if before is None:
            raise Conflict(f"{record.id} in {collection.name} was changed by somebody else")
        return stored

    def _oldest(self, collection: str, where: Document, order: str, limit: int) -> list[str]:
        with self._asking():
            return [row["_id"] for row in self._db[collection].find(where, {"_id": True}).sort(_order(order)).limit(limit)]

    def _replace(self, record: Session | Ticket) -> None:
        with self._asking():
            self._db[COLLECTIONS[type(record)]].replace_one({"_id": record.id}, _document(record), upsert=True)

    def _delete(self, collection: str, record_id: str) -> bool:
        with self._asking():
            return self._db[collection].delete_one({"_id": record_id}).deleted_count == 1

    def _insert(self, record: Record) -> None:
        with self._asking():
            self._db[COLLECTIONS[type(record)]].insert_one(_document(record))

    def _insert_new(self, records: Sequence[Record]) -> None:
        """Those whose id is not taken."""
        if not records:
            return
        with self._asking():
            try:
                self._db[COLLECTIONS[type(records[0])]].insert_many([_document(record) for record in records], ordered=False)
            except BulkWriteError as error:
                if any(problem["code"] != DUPLICATE_KEY for problem in error.details["writeErrors"]):
                    raise

    def _many(self, kind: type[Kept], ids: Sequence[str]) -> list[Kept]:
        """Those that are there, in no order."""
        with self._asking():
            rows = self._db[COLLECTIONS[kind]].find({"_id": {"$in": list(ids)}})
            return [_record(kind, row) for row in rows]

    def _one(self, kind: type[Kept], **where: object) -> Kept | None:
        with self._asking():
            document = self._db[COLLECTIONS[kind]].find_one(where)
        return _record(kind, document) if document else None

    def _all(self, kind: type[Kept], where: Document, order: str, limit: int | None = None) -> list[Kept]:
        if limit == 0:
            # To MongoDB it means that there is none.
            return []
        with self._asking():
            return [_record(kind, row) for row in self._db[COLLECTIONS[kind]].find(where).sort(_order(order)).limit(limit or 0)]

    def _newest(self, kind: type[Kept], time: str, where: Document, after: Cursor | None, limit: int) -> list[Kept]:
        beyond = _beyond(time, "$lt", after) if after else {}
        return self._all(kind, where | beyond, f"-{time} -_id", limit)

    def _named(self, text: str) -> list[int]:
        """Instruments whose name holds the text."""
        with self._asking():
            return [row["_id"] for row in self._db["instruments"].find({"name": _with(text)}, {"_id": 1}).limit(MANY_NAMED)]

    def _failed(self, user_id: str) -> list[str]:
        """The user's alerts of which a message failed, those that failed last."""
        with self._asking():
            failed = self._db["deliveries"].find({"user": user_id, "state": DeliveryState.FAILED.value}, {"alert": 1})
            return list({row["alert"] for row in failed.sort(_order("-updated_ms")).limit(FAILED_LOOKED_AT)})

    def _get(self, collection: str, name: str) -> Document:
        with self._asking():
            return self._db[collection].find_one({"_id": name}) or {}

    def _put(self, collection: str, name: str, fields: Document) -> None:
        with self._asking():
            self._db[collection].find_one_and_update({"_id": name}, {"$set": fields}, upsert=True)

    def _asking(self) -> AbstractContextManager[None]:
        return _told_in_a_sentence(self._host)


def _host(uri: str) -> str:
    return uri.partition("://")[2].partition("/")[0].partition("?")[0].rpartition("@")[2]


@contextmanager
def _told_in_a_sentence(host: str) -> Iterator[None]:
    """The driver's errors; a duplicate key is the caller's to explain."""
    try:
        yield
    except DuplicateKeyError:
        raise
    except ConnectionFailure as error:
        # What follows is the driver's settings and its view of the topology.
        reason = str(error).partition(" (configured timeouts")[0].partition(", Timeout:")[0]
        raise StormError(f"the store {host} cannot be reached: {reason}") from None
    except PyMongoError as error:
        # The text of an OperationFailure repeats the whole answer.
        reason = (error.details or {}).get("errmsg", "") if isinstance(error, OperationFailure) else ""
        raise StormError(f"the store {host} refused: {reason or error}") from None


def schema_of(uri: str) -> int:
    """What a store is written as; 0 when there is none. Changes nothing. Raises StormError."""
    with _connect(uri) as client, _told_in_a_sentence(_host(uri)):
        return mongo_schema.version_of(client.get_default_database(DATABASE))


def _check_revisions(rules: Iterable[Rule], before: Mapping[str, Rule]) -> None:
    """Raises Conflict as one save after the other would."""
    revisions = {rule.id: rule.revision for rule in before.values()}
    for rule in rules:
        if rule.revision == 0 and rule.id in revisions:
            raise Conflict(f"rules has {rule.id} already")
        if rule.revision and revisions.get(rule.id) != rule.revision:
            raise Conflict(f"{rule.id} in rules was changed by somebody else")
        revisions[rule.id] = rule.revision + 1


def _change(rule: Rule) -> "InsertOne[Document] | ReplaceOne[Document]":
    if rule.revision == 1:
        return InsertOne(_document(rule))
    return ReplaceOne({"_id": rule.id, "revision": rule.revision - 1}, _document(rule))


def _connect(uri: str) -> "MongoClient[Document]":
    try:
        return MongoClient(uri, timeoutMS=OPERATION_MS, appname="stormalert")
    except (PyMongoError, ValueError):
        # The driver's words may repeat a part of the password.
        raise StormError("MONGODB_URI is malformed; a user name or password in it must be percent-encoded") from None


def _document(record: Record) -> Document:
    fields = record.model_dump(mode="json")
    if isinstance(record, Instrument):
        # What is searched, so that an index serves every spelling.
        fields |= {"folded_symbol": record.symbol.casefold(), "folded_name": record.name.casefold()}
    return {"_id": fields.pop(_key(type(record))), **fields}


def _loaded(collection: str, fields: Document) -> Document:
    """The document of a row of `dump`."""
    if collection == dump.WATCHLISTS:
        return {"_id": fields["user"], "tokens": fields["tokens"]}
    if collection == dump.SETTINGS:
        return {"_id": fields["name"], "value": fields["value"]}
    return _document(dump.record(collection, fields))


def _record(kind: type[Kept], document: Document) -> Kept:
    """Fields that the model does not know, such as those of a search, are left out."""
    fields = {**document, _key(kind): document["_id"]}
    return kind.model_validate({name: fields[name] for name in kind.model_fields if name in fields})


def _key(kind: type[Record]) -> str:
    return "token" if kind is Instrument else "id"


def _beyond(field: str, comparison: str, after: Cursor | SymbolCursor) -> Document:
    """Past a cursor; the first condition is what an index can serve."""
    last, last_id = after
    return {field: {f"{comparison}e": last}, "$or": [{field: {comparison: last}}, {"_id": {comparison: last_id}}]}


def _rules_where(user: str, only: RuleFilter | None) -> Document:
    where: Document = {"user": user, "state": NOT_DELETED}
    if only is None:
        return where
    fields = only.model_dump(mode="json")
    conditions = [where, {name: fields[name] for name in ("kind", "direction", "state") if fields[name]}]
    if only.text:
        conditions.append({"symbol": _with(only.text)})
    return {"$and": conditions}


def _order(fields: str) -> list[tuple[str, int]]:
    """Names with a minus where it falls, such as `user -time_ms`."""
    return [(name.removeprefix("-"), DESCENDING if name.startswith("-") else ASCENDING) for name in fields.split()]


def _narrowed(only: AlertFilter | None) -> Document:
    if only is None:
        return {}
    fields = only.model_dump(mode="json")
    asked: Document = {name: fields[name] for name in ("token", "kind", "direction") if fields[name]}
    bounds = {"$gte": only.since_ms} | ({"$lt": only.until_ms} if only.until_ms else {})
    conditions = [asked, *([_of_rule(only.rule)] if only.rule else []), {"time_ms": bounds}]
    return {"$and": conditions}


def _with(text: str) -> Document:
    """What holds the text, in capitals or not; a regular expression may not hold a NUL."""
    return {"$regex": re.escape(text.replace("\0", "")), "$options": "i"}


def _of_rule(rule: str) -> Document:
    """A rule's alerts, and those of its parts on a watchlist's instruments; "`" is the letter after "_"."""
    return {"$or": [{"rule": rule}, {"rule": {"$gt": f"{rule}_", "$lt": f"{rule}`"}}]}
