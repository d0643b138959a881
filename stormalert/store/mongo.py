"""The production store: MongoDB, one collection a noun.

A document is the record itself: `_id` is its key, the other fields are plain values under the model's names and enums are their
text, so that a person can ask for them in mongosh. No transaction is needed: every write touches one document, but for many
rules at once, which are undone together; and the clock below orders the changes of rules.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from typing import Any

import pymongo
from pymongo import InsertOne, MongoClient, ReplaceOne, ReturnDocument, WriteConcern
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError, ConnectionFailure, DuplicateKeyError, OperationFailure, PyMongoError

from stormalert.errors import Conflict, StoreError, StormError
from stormalert.model import Rule, RuleState
from stormalert.store import mongo_schema
from stormalert.store.dump import Row
from stormalert.store.mongo_query import Document, beyond, document, field_of, filter_of, order_of, record
from stormalert.store.nouns import NOUNS, RULES, Kept, Noun, Revised
from stormalert.store.query import Condition, Cursor, Scalar, SymbolCursor, Where
from stormalert.units import now_ms

DATABASE = "storm"
# Finding a server, and one operation on it with its repeats; an election takes less.
OPERATION_MS = 8_000
# From reading the clock to the rule being stored. Below the overlap with which the evaluator reads changes again, so that one
# which overtook another hides none.
CHANGE_S = 3.0
# So few that they are stored within CHANGE_S.
RULES_AT_ONCE = 500
# Documents of one command, or of one page of a backup.
AT_ONCE = 1_000
DUPLICATE_KEY = 11000


class Mongo:
    """A `Backend`. Raises StormError when the server is away or refuses; never with the URI's password in it."""

    def __init__(self, uri: str, client: "MongoClient[Document] | None" = None) -> None:
        self._host = _host(uri)
        self._client = client or _connect(uri)
        self._db = self._client.get_default_database(DATABASE, write_concern=WriteConcern("majority", j=True))
        try:
            with self._asking():
                mongo_schema.bring_forward(self._db, self._host, self._make_indexes)
        except StormError:
            self._client.close()
            raise

    def close(self) -> None:
        self._client.close()

    def together(self) -> AbstractContextManager[None]:
        return nullcontext()

    def get(self, noun: Noun[Kept], key: Scalar) -> Kept | None:
        with self._asking():
            found = self._of(noun).find_one({"_id": key})
        return record(noun, found) if found else None

    def find(
        self,
        noun: Noun[Kept],
        where: Sequence[Condition] = (),
        order: str = "",
        limit: int | None = None,
        after: Cursor | SymbolCursor | None = None,
    ) -> list[Kept]:
        asked = self._filter(noun, where)
        if after:
            asked = {"$and": [asked, beyond(noun, order, after)]} if asked else beyond(noun, order, after)
        return [record(noun, found) for found in self._documents(noun, asked, order, limit)]

    def values(
        self, noun: Noun[Any], field: str, where: Sequence[Condition], order: str = "", limit: int | None = None
    ) -> list[Any]:
        name = field_of(noun, field)
        return [found[name] for found in self._documents(noun, self._filter(noun, where), order, limit, {name: True})]

    def distinct(self, noun: Noun[Any], field: str, where: Sequence[Condition] = ()) -> set[Any]:
        asked = self._filter(noun, where)
        with self._asking():
            return set(self._of(noun).distinct(field_of(noun, field), asked))

    def greatest(self, noun: Noun[Any], field: str, where: Sequence[Condition] = ()) -> int | None:
        return next(iter(self.values(noun, field, where, f"-{field}", 1)), None)

    def count(self, noun: Noun[Any], where: Sequence[Condition] = ()) -> int:
        asked = self._filter(noun, where)
        with self._asking():
            return int(self._of(noun).count_documents(asked))

    def save(self, noun: Noun[Revised], record: Revised) -> Revised:
        stored = record.model_copy(update={"revision": record.revision + 1})
        try:
            with self._asking():
                if record.revision == 0:
                    self._of(noun).insert_one(document(noun, stored))
                elif not self._of(noun).find_one_and_replace(_unchanged(noun, stored), document(noun, stored)):
                    raise Conflict(noun.was_changed(record))
        except DuplicateKeyError:
            is_there = not noun.unique or (record.revision == 0 and self.get(noun, noun.key_of(record)))
            raise Conflict(noun.is_there(record) if is_there else noun.is_taken(record)) from None
        return stored

    def save_many(self, noun: Noun[Revised], records: Sequence[Revised]) -> list[str]:
        if not records:
            return []
        stored = [each.model_copy(update={"revision": each.revision + 1}) for each in records]
        with self._asking():
            changes = [ReplaceOne(_unchanged(noun, each), document(noun, each)) for each in stored]
            saved = self._of(noun).bulk_write(changes, ordered=False)
        if saved.matched_count == len(stored):
            return []
        there = self._by_id(noun, [each.id for each in stored])
        return [each.id for each in stored if there.get(each.id) != each]

    def save_in_order(self, noun: Noun[Rule], rules: Sequence[Rule]) -> list[Rule]:
        if not rules:
            return []
        if len(rules) == 1:
            with self._changing():
                return [self.save(noun, rules[0].model_copy(update={"updated_ms": self._next_change_ms()}))]
        before = self._by_id(noun, [rule.id for rule in rules])
        _check_revisions(noun, rules, before)
        tried: list[Rule] = []
        with ExitStack() as undo:
            undo.callback(self._take_back, noun, tried, before)
            for start in range(0, len(rules), RULES_AT_ONCE):
                self._change(noun, rules[start : start + RULES_AT_ONCE], tried)
            undo.pop_all()
        return tried

    def insert(self, noun: Noun[Kept], records: Sequence[Kept], *, skips_taken: bool = False) -> int:
        if not records:
            return 0
        with self._asking():
            try:
                self._of(noun).insert_many([document(noun, each) for each in records], ordered=not skips_taken)
            except BulkWriteError as error:
                if not skips_taken or not _only_duplicates(error):
                    raise
                return int(error.details["nInserted"])
        return len(records)

    def put(self, noun: Noun[Kept], records: Sequence[Kept]) -> None:
        for start in range(0, len(records), AT_ONCE):
            some = [document(noun, each) for each in records[start : start + AT_ONCE]]
            with self._asking():
                self._of(noun).bulk_write([ReplaceOne({"_id": each["_id"]}, each, upsert=True) for each in some])

    def amend(
        self, noun: Noun[Any], where: Sequence[Condition], fields: Mapping[str, Scalar], *, is_change: bool = False
    ) -> int:
        asked = self._filter(noun, where)
        with self._changing() if is_change else self._asking():
            change: Document = {"$set": {name: str(it) if isinstance(it, str) else it for name, it in fields.items()}}
            if is_change:
                change["$set"]["updated_ms"] = self._next_change_ms()
                change["$inc"] = {"revision": 1}
            # A driver repeats only what touches one document.
            update = self._of(noun).update_one if _is_one(noun, where) else self._of(noun).update_many
            return int(update(asked, change).matched_count)

    def take(self, noun: Noun[Kept], key: Scalar) -> Kept | None:
        with self._asking():
            found = self._of(noun).find_one_and_delete({"_id": key})
        return record(noun, found) if found else None

    def remove(self, noun: Noun[Any], where: Sequence[Condition]) -> int:
        asked = self._filter(noun, where)
        with self._asking():
            delete = self._of(noun).delete_one if _is_one(noun, where) else self._of(noun).delete_many
            return int(delete(asked).deleted_count)

    def dump(self) -> Iterator[Row]:
        for noun in NOUNS.values():
            # Page by page; an id is never changed, so that none is missed.
            asked: Document = {}
            while page := self._documents(noun, asked, noun.key, AT_ONCE):
                yield from ((noun.name, record(noun, found).model_dump(mode="json")) for found in page)
                asked = {"_id": {"$gt": page[-1]["_id"]}}

    def catch_up(self) -> None:
        newest_ms = self.greatest(RULES, "updated_ms")
        with self._asking():
            self._bump("clock", {"$max": {"ms": newest_ms or 0}})

    def _make_indexes(self) -> None:
        for noun in NOUNS.values():
            if noun.unique:
                self._of(noun).create_index(noun.unique, unique=True)
            for index in noun.indexes:
                self._of(noun).create_index(order_of(noun, index))

    def _change(self, noun: Noun[Rule], rules: Sequence[Rule], tried: list[Rule]) -> None:
        """Adds to `tried` what it is about to store. Raises Conflict, after those that could be stored were."""
        with self._changing():
            first_ms = self._next_change_ms(len(rules))
            stored = [
                rule.model_copy(update={"revision": rule.revision + 1, "updated_ms": first_ms + place})
                for place, rule in enumerate(rules)
            ]
            tried += stored
            try:
                saved = self._of(noun).bulk_write([_insert_or_replace(noun, rule) for rule in stored], ordered=False)
            except BulkWriteError as error:
                if not _only_duplicates(error):
                    raise
                raise Conflict(noun.is_there(stored[error.details["writeErrors"][0]["index"]])) from None
        if saved.inserted_count + saved.matched_count < len(stored):
            raise Conflict(f"one of the {noun.name} was changed by somebody else")

    def _take_back(self, noun: Noun[Rule], tried: Sequence[Rule], before: Mapping[str, Rule]) -> None:
        # No two changes have one time: by it one's own are known.
        times = {rule.id: rule.updated_ms for rule in tried}
        own = [rule for rule in self._by_id(noun, list(times)).values() if rule.updated_ms == times[rule.id]]
        # A document that was removed could not tell an evaluator to disarm the rule.
        former = [before.get(rule.id) or rule.model_copy(update={"state": RuleState.DELETED}) for rule in own]
        undone = [was.model_copy(update={"revision": rule.revision}) for was, rule in zip(former, own, strict=True)]
        for start in range(0, len(undone), RULES_AT_ONCE):
            # Who changed one in this very moment has seen the new version and means it.
            with suppress(Conflict):
                self._change(noun, undone[start : start + RULES_AT_ONCE], [])

    def _next_change_ms(self, count: int = 1) -> int:
        """The first of so many moments, each later than every change before it, so that a reader who goes on from the last
        change misses none.
        """
        self._bump("clock", {"$max": {"ms": now_ms() - 1}})
        return int(self._bump("clock", {"$inc": {"ms": count}})["ms"]) - count + 1

    def _bump(self, name: str, change: Document) -> Document:
        after = ReturnDocument.AFTER
        return self._db["meta"].find_one_and_update({"_id": name}, change, upsert=True, return_document=after) or {}

    def _of(self, noun: Noun[Any]) -> "Collection[Document]":
        return self._db[noun.name]

    def _filter(self, noun: Noun[Any], where: Sequence[Condition]) -> Document:
        return filter_of(noun, where, self.values)

    def _by_id(self, noun: Noun[Revised], ids: Sequence[str]) -> dict[str, Revised]:
        return {found["_id"]: record(noun, found) for found in self._documents(noun, {"_id": {"$in": list(ids)}})}

    def _documents(
        self, noun: Noun[Any], asked: Document, order: str = "", limit: int | None = None, only: Document | None = None
    ) -> list[Document]:
        if limit == 0:
            # To MongoDB it means that there is none.
            return []
        with self._asking():
            return list(self._of(noun).find(asked, only, sort=order_of(noun, order) or None, limit=limit or 0))

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """From reading the clock to the rules being stored."""
        with self._asking(), pymongo.timeout(CHANGE_S):
            yield

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
        raise StoreError(f"the store {host} cannot be reached: {reason}") from None
    except PyMongoError as error:
        # The text of an OperationFailure repeats the whole answer.
        reason = (error.details or {}).get("errmsg", "") if isinstance(error, OperationFailure) else ""
        raise StoreError(f"the store {host} refused: {reason or error}") from None


def schema_of(uri: str) -> int:
    """What a store is written as; 0 when there is none. Changes nothing. Raises StormError."""
    with _connect(uri) as client, _told_in_a_sentence(_host(uri)):
        return mongo_schema.version_of(client.get_default_database(DATABASE))


def _connect(uri: str) -> "MongoClient[Document]":
    try:
        return MongoClient(uri, timeoutMS=OPERATION_MS, appname="stormalert")
    except (PyMongoError, ValueError):
        # The driver's words may repeat a part of the password.
        raise StormError("MONGODB_URI is malformed; a user name or password in it must be percent-encoded") from None


def _check_revisions(noun: Noun[Rule], rules: Iterable[Rule], before: Mapping[str, Rule]) -> None:
    """Raises Conflict as one save after the other would."""
    revisions = {rule.id: rule.revision for rule in before.values()}
    for rule in rules:
        if rule.revision == 0 and rule.id in revisions:
            raise Conflict(noun.is_there(rule))
        if rule.revision and revisions.get(rule.id) != rule.revision:
            raise Conflict(noun.was_changed(rule))
        revisions[rule.id] = rule.revision + 1


def _unchanged(noun: Noun[Revised], stored: Revised) -> Document:
    """What it was when it was read."""
    return {"_id": noun.key_of(stored), "revision": stored.revision - 1}


def _insert_or_replace(noun: Noun[Rule], rule: Rule) -> "InsertOne[Document] | ReplaceOne[Document]":
    if rule.revision == 1:
        return InsertOne(document(noun, rule))
    return ReplaceOne(_unchanged(noun, rule), document(noun, rule))


def _only_duplicates(error: BulkWriteError) -> bool:
    """Not so when journaling failed: then nobody knows what was stored."""
    problems = error.details["writeErrors"]
    is_known = bool(problems) and not error.details.get("writeConcernErrors")
    return is_known and all(problem["code"] == DUPLICATE_KEY for problem in problems)


def _is_one(noun: Noun[Any], where: Sequence[Condition]) -> bool:
    return any(isinstance(it, Where) and (it.field, it.comparison) == (noun.key, "=") for it in where)
