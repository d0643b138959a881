"""What only MongoDB has: documents a person can read, a server that is away or refuses, what goes over the wire."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import mongomock
import pytest
from mongomock.collection import Collection
from pymongo.errors import AutoReconnect, OperationFailure

from stormalert.errors import Conflict, StormError
from stormalert.model import DeliveryState, Rule
from stormalert.store import Store, look, mongo_schema
from stormalert.store import mongo as product
from stormalert.store.mongo import CHANGE_S, Mongo
from stormalert.store.mongo_schema import UNAUTHORIZED, VERSION
from stormalert.store.nouns import NOUNS
from stormalert.units import now_ms
from tests.conftest import free_port
from tests.store import mongo
from tests.store.records import a_channel, a_delivery, a_rule, a_user, an_alert, an_instrument
from tests.store.wire import WireServer, serve

PASSWORD = "hunter2-of-the-store"
REFUSAL = {"ok": 0, "errmsg": "not authorized on storm to execute command", "code": 13, "codeName": "Unauthorized"}


def opened(uri: str, client: Any = None) -> Store:
    return Store(Mongo(uri, client))


@pytest.fixture
def server() -> Iterator[WireServer]:
    with serve() as started:
        yield started


@pytest.fixture
def store(server: WireServer) -> Iterator[Store]:
    store = opened(f"mongodb://{server.host}/shares")
    server.commands.clear()
    yield store
    store.close()


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Any:
    mongo.mend(monkeypatch)
    return mongomock.MongoClient("mongodb://localhost/shares")


def test_a_document_is_the_record_in_plain_fields(client: Any) -> None:
    store = opened("mongodb://localhost/shares", client)
    rule = store.save_rule(a_rule())
    (document,) = client["shares"]["rules"].find()
    assert document == {**rule.model_dump(mode="json", exclude={"id"}), "_id": "r1"}
    assert (document["kind"], document["state"], document["percent_e2"]) == ("rolling", "active", 150)
    assert {type(value) for value in document.values()} == {str, int}


def test_rules_that_are_undone_midway_are_undone_as_changes_that_an_evaluator_hears_of(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(product, "RULES_AT_ONCE", 2)
    uri = "mongodb://localhost/shares"
    store, other = opened(uri, client), opened(uri, client)
    known = store.save_rules([a_rule("r1"), a_rule("r2", percent_e2=200), a_rule("r3")])
    given = [a_rule("new"), *(rule.model_copy(update={"percent_e2": 900}) for rule in known), a_rule("late")]
    won: list[Rule] = []
    write = Collection.bulk_write

    def overtaken(self: Any, *arguments: Any, **options: Any) -> Any:
        result = write(self, *arguments, **options)
        if not won:
            # Between the first two and the next two somebody changes one of the latter.
            won.append(other.save_rule(known[1].model_copy(update={"percent_e2": 333})))
        return result

    monkeypatch.setattr(Collection, "bulk_write", overtaken)
    with pytest.raises(Conflict, match="changed by somebody else"):
        store.save_rules(given)
    ours = {"percent_e2", "state", "revision"}
    assert {rule.id: rule.model_dump(include=ours) for rule in store.rules_changed(won[0].updated_ms)} == {
        "new": {"percent_e2": 150, "state": "deleted", "revision": 2},
        "r1": {"percent_e2": 150, "state": "active", "revision": 3},
        "r2": {"percent_e2": 333, "state": "active", "revision": 2},
        "r3": {"percent_e2": 150, "state": "active", "revision": 3},
    }
    assert store.rule("late") is None


def test_a_write_that_fails_for_another_reason_than_a_conflict_is_undone_too(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(product, "RULES_AT_ONCE", 1)
    store = opened("mongodb://localhost/shares", client)
    known = store.save_rule(a_rule("r1"))
    write, calls = Collection.bulk_write, iter(range(100))

    def failing(self: Any, *arguments: Any, **options: Any) -> Any:
        if next(calls) == 1:
            raise AutoReconnect("connection closed")
        return write(self, *arguments, **options)

    monkeypatch.setattr(Collection, "bulk_write", failing)
    with pytest.raises(StormError, match=r"^the store localhost cannot be reached: connection closed$"):
        store.save_rules([known.model_copy(update={"percent_e2": 900}), a_rule("r2")])
    (undone,) = store.rules_changed(0)
    assert undone == known.model_copy(update={"revision": 3, "updated_ms": undone.updated_ms})
    assert undone.updated_ms > known.updated_ms


def test_a_person_may_add_a_field_to_a_document(client: Any) -> None:
    store = opened("mongodb://localhost/shares", client)
    user = store.save_user(a_user())
    client["shares"]["users"].update_one({"_id": user.id}, {"$set": {"note": "likes mornings"}})
    assert store.user(user.id) == user


def test_the_database_is_named_by_the_address_and_else_storm() -> None:
    for uri, name in (("mongodb://localhost/shares?w=1", "shares"), ("mongodb://localhost", "storm")):
        client: Any = mongomock.MongoClient(uri)
        opened(uri, client).save_user(a_user())
        assert client.list_database_names() == [name]


def test_indexes_are_made_at_the_start(server: WireServer) -> None:
    opened(f"mongodb://{server.host}").close()
    made = [(command["createIndexes"], index) for command in server.named("createIndexes") for index in command["indexes"]]
    assert [collection for collection, index in made if index.get("unique")] == ["users"]
    assert len(made) == sum(len(noun.indexes) for noun in NOUNS.values()) + 1
    assert ("rules", {"user": 1, "updated_ms": -1, "_id": -1}) in [(collection, index["key"]) for collection, index in made]


def test_each_write_waits_for_the_journals_of_a_majority(server: WireServer, store: Store) -> None:
    store.save_rule(a_rule())
    store.save_rule(a_rule(revision=1))
    store.mark_spent("r1", 1)
    store.record_alert(an_alert())
    store.save_instruments([an_instrument()])
    store.save_watchlist("u1", [1])
    store.save_setting("name", "value")
    store.delete_channel("c1")
    assert {next(iter(command)) for command in server.commands} == {"findAndModify", "insert", "update", "delete"}
    assert [command["writeConcern"] for command in server.commands] == [{"w": "majority", "j": True}] * len(server.commands)
    assert {command["$db"] for command in server.commands} == {"shares"}


def test_a_change_of_a_rule_is_abandoned_before_the_evaluator_could_miss_it(server: WireServer, store: Store) -> None:
    store.save_rule(a_rule())
    store.mark_spent("r1", 1)
    assert len(server.commands) == 6
    assert all(0 < command["maxTimeMS"] <= CHANGE_S * 1_000 for command in server.commands)


def test_many_rules_go_over_in_few_commands_and_are_abandoned_as_one_is(server: WireServer, store: Store) -> None:
    server.answers["insert"] = {"ok": 1, "n": 500}
    server.answers["find"] = {"ok": 1, "cursor": {"id": 0, "ns": "shares.rules", "firstBatch": []}}
    assert len(store.save_rules([a_rule(f"r{number}") for number in range(1_000)])) == 1_000
    assert [next(iter(command)) for command in server.commands] == ["find", *["findAndModify", "findAndModify", "insert"] * 2]
    assert [len(command["documents"]) for command in server.named("insert")] == [500, 500]
    assert all(0 < command["maxTimeMS"] <= CHANGE_S * 1_000 for command in server.commands[1:])
    clock = [command["update"] for command in server.named("findAndModify")]
    assert [change["$inc"] for change in clock if "$inc" in change] == [{"ms": 500}] * 2


def test_a_change_is_one_conditional_replacement(server: WireServer, store: Store) -> None:
    store.save_delivery(a_delivery(revision=4, state=DeliveryState.SENT))
    (command,) = server.commands
    assert (command["findAndModify"], command["query"]) == ("deliveries", {"_id": "r1-1-c1", "revision": 4})
    assert (command["update"]["state"], command["update"]["revision"]) == ("sent", 5)
    assert not command.get("upsert")


def test_a_dump_goes_over_in_few_commands(server: WireServer, store: Store) -> None:
    server.answers["update"] = {"ok": 1, "n": 1_000, "nModified": 0}
    assert store.save_instruments(an_instrument(token, f"NSE:S{token}") for token in range(1, 2_501)) == 2_500
    sent = server.named("update")
    assert [len(command["updates"]) for command in sent] == [1_000, 1_000, 500]
    assert all(update["upsert"] for command in sent for update in command["updates"])


def test_a_duplicate_that_the_server_reports_is_a_conflict(server: WireServer, store: Store) -> None:
    duplicate = {"index": 0, "code": 11000, "errmsg": "E11000 duplicate key error collection: shares.channels index: _id_"}
    server.answers["insert"] = {"ok": 1, "n": 0, "writeErrors": [duplicate]}
    with pytest.raises(Conflict, match="channels has c1 already"):
        store.save_channel(a_channel())
    assert store.record_alert(an_alert()) is False


@pytest.mark.parametrize("duplicates", [[], [{"index": 0, "code": 11000, "errmsg": "E11000 duplicate key error"}]])
def test_alerts_whose_journaling_failed_are_not_taken_for_stored(
    server: WireServer, store: Store, duplicates: list[dict[str, Any]]
) -> None:
    failed = {"code": 64, "codeName": "WriteConcernFailed", "errmsg": "waiting for replication timed out"}
    server.answers["insert"] = {"ok": 1, "n": 1, "writeErrors": duplicates, "writeConcernError": failed}
    with pytest.raises(StormError, match=f"^the store {server.host} refused: "):
        store.record_fired([an_alert()], [])


def test_what_the_server_refuses_is_said_in_its_words(server: WireServer, store: Store) -> None:
    server.answers = {"find": REFUSAL, "insert": REFUSAL, "findAndModify": REFUSAL, "distinct": REFUSAL, "update": REFUSAL}
    sentence = f"^the store {server.host} refused: not authorized on storm to execute command$"
    for ask in (
        store.users,
        store.watched_tokens,
        lambda: store.save_rule(a_rule()),
        lambda: store.record_alert(an_alert()),
        lambda: store.save_instruments([an_instrument()]),
        lambda: list(store.rules_changed(0)),
    ):
        with pytest.raises(StormError, match=sentence):
            ask()


def test_a_server_that_shuts_down_is_said_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(product, "OPERATION_MS", 2_000)
    with serve() as server:
        store = opened(f"mongodb://{server.host}")
        server.answers["find"] = {"ok": 0, "errmsg": "interrupted at shutdown", "code": 11600}
        with pytest.raises(StormError, match=f"^the store {server.host} cannot be reached: "):
            store.users()
        store.close()


def test_a_server_that_is_away_is_named_without_the_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(product, "OPERATION_MS", 2_000)
    port = free_port()
    with pytest.raises(StormError) as raised:
        opened(f"mongodb://storm:{PASSWORD}@127.0.0.1:{port}/shares?authSource=admin")
    assert (
        str(raised.value) == f"the store 127.0.0.1:{port} cannot be reached: 127.0.0.1:{port}: [Errno 111] Connection refused"
    )
    assert raised.value.__suppress_context__


@pytest.mark.parametrize(
    "uri",
    [
        f"mongodb://storm:{PASSWORD}/x@localhost/shares",
        f"mongodb://storm:{PASSWORD}@x@localhost/shares",
        f"mongodb://storm:%{PASSWORD}@localhost:1:2/shares",
        f"mongodb://storm:{PASSWORD}@localhost:many/shares",
        "mongodb://",
        "postgres://localhost/shares",
    ],
)
def test_an_address_that_is_malformed_is_refused_without_repeating_it(uri: str) -> None:
    with pytest.raises(StormError, match=r"^MONGODB_URI is malformed; .* percent-encoded$") as raised:
        opened(uri)
    assert raised.value.__suppress_context__


def test_a_store_of_a_newer_version_is_refused_and_left_as_it_is(client: Any) -> None:
    client["shares"]["meta"].insert_one({"_id": "schema", "version": VERSION + 1})
    newer = rf"\(schema {VERSION + 1}, this one knows {VERSION}\)$"
    with pytest.raises(StormError, match=rf"^the store localhost was written by a newer StormAlert {newer}"):
        opened("mongodb://localhost/shares", client)
    assert list(client["shares"]["meta"].find()) == [{"_id": "schema", "version": VERSION + 1}]


def as_the_first_version_wrote_it(client: Any) -> None:
    db = client["shares"]
    db["meta"].insert_one({"_id": "schema", "version": 1})
    db["deliveries"].create_index([("state", 1), ("updated_ms", 1)])
    known = a_delivery(revision=1).model_dump(mode="json", exclude={"id", "due_ms", "summary"})
    db["deliveries"].insert_one({"_id": "r1-1-c1", **known})


def test_a_store_of_the_first_version_is_brought_forward_with_all_that_is_in_it(client: Any) -> None:
    as_the_first_version_wrote_it(client)
    store = opened("mongodb://localhost/shares", client)
    assert store.unfinished_deliveries(2_000, due_ms=0) == [a_delivery(revision=1)]
    assert "state_1_updated_ms_1" not in client["shares"]["deliveries"].index_information()
    assert client["shares"]["meta"].find_one({"_id": "schema"}) == {"_id": "schema", "version": VERSION}


def test_processes_that_find_an_old_store_at_once_bring_it_forward_once(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    as_the_first_version_wrote_it(client)
    done = []
    step = mongo_schema.STEPS[VERSION]

    def slow(db: Any) -> None:
        time.sleep(0.2)
        step(db)
        done.append(VERSION)

    monkeypatch.setitem(mongo_schema.STEPS, VERSION, slow)
    with ThreadPoolExecutor(4) as pool:
        stores = list(pool.map(lambda _: opened("mongodb://localhost/shares", client), range(4)))
    assert done == [VERSION]
    assert all(each.unfinished_deliveries(2_000, due_ms=0) for each in stores)


def test_a_step_whose_process_was_killed_is_run_again(client: Any) -> None:
    as_the_first_version_wrote_it(client)
    client["shares"]["meta"].insert_one({"_id": "migration", "until_ms": now_ms() - 1})
    assert opened("mongodb://localhost/shares", client).unfinished_deliveries(2_000, due_ms=0)


def test_who_is_refused_waits_while_whoever_may_brings_the_store_forward(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    as_the_first_version_wrote_it(client)
    step = mongo_schema.STEPS[VERSION]
    brought_forward = []

    def refused(_db: Any) -> None:
        raise OperationFailure("not authorized on shares to execute command", UNAUTHORIZED)

    def meanwhile(_s: float) -> None:
        monkeypatch.setitem(mongo_schema.STEPS, VERSION, step)
        brought_forward.append(opened("mongodb://localhost/shares", client))

    monkeypatch.setitem(mongo_schema.STEPS, VERSION, refused)
    monkeypatch.setattr(time, "sleep", meanwhile)
    assert opened("mongodb://localhost/shares", client).unfinished_deliveries(2_000, due_ms=0)
    assert len(brought_forward) == 1


def test_a_user_without_the_right_to_bring_a_store_forward_says_who_has_it(
    server: WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mongo_schema, "WAIT_S", 0)
    server.answers["findAndModify"] = REFUSAL
    with pytest.raises(StormError, match=f"has schema 0 and needs {VERSION}: the dashboard brings it forward"):
        opened(f"mongodb://{server.host}")
    done = {"_id": "schema", "version": VERSION}
    server.answers["find"] = {"ok": 1, "cursor": {"id": 0, "ns": "storm.meta", "firstBatch": [done]}}
    server.answers["createIndexes"] = REFUSAL
    opened(f"mongodb://{server.host}").close()


def test_who_is_refused_at_a_step_leaves_the_store_to_whoever_may_run_it(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    as_the_first_version_wrote_it(client)

    def refused(_db: Any) -> None:
        raise OperationFailure("not authorized on shares to execute command", UNAUTHORIZED)

    def never(_s: float) -> None:
        raise AssertionError("it waits for a lock that nobody holds")

    monkeypatch.setattr(mongo_schema, "WAIT_S", 0)
    monkeypatch.setattr(time, "sleep", never)
    with monkeypatch.context() as patch:
        patch.setitem(mongo_schema.STEPS, VERSION, refused)
        with pytest.raises(StormError, match=f"has schema 1 and needs {VERSION}: the dashboard brings it forward"):
            opened("mongodb://localhost/shares", client)
    assert mongo_schema.version_of(client["shares"]) == 1
    assert opened("mongodb://localhost/shares", client).unfinished_deliveries(2_000, due_ms=0)
    assert mongo_schema.version_of(client["shares"]) == VERSION


@pytest.mark.parametrize(("documents", "schema"), [([{"_id": "schema", "version": 2}], 2), ([], 0)])
def test_looking_at_a_store_asks_for_its_schema_and_writes_nothing(documents: list[dict[str, Any]], schema: int) -> None:
    with serve() as server:
        server.answers = {"find": {"ok": 1, "cursor": {"id": 0, "ns": "storm.meta", "firstBatch": documents}}}
        assert look(f"mongodb://{server.host}/storm", Path("unused")) == (schema, VERSION)
        assert [next(iter(command)) for command in server.commands if next(iter(command)) != "endSessions"] == ["find"]
