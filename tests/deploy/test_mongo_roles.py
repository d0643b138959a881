"""deploy/mongo/roles.json against what the processes' code asks of the store, and what the store then asks of MongoDB."""

import ast
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from stormalert.config import settings
from stormalert.errors import StormError
from stormalert.store import Store, mongo_query, mongo_schema, nouns, open_store
from stormalert.store.mongo_schema import VERSION
from tests.store import records
from tests.store.calls import CALLS
from tests.store.wire import WireServer, serve

ROOT = Path(__file__).resolve().parents[2]
ROLES: dict[str, dict[str, Any]] = json.loads((ROOT / "deploy" / "mongo" / "roles.json").read_text())
# Backups are read as `backup`, and restored as the root.
METHODS = {name for name in vars(Store) if not name.startswith("_")} - {"close", "dump", "load", "counts"}
ENTRANCES = {
    "ingest": ("ingest.__main__",),
    "evaluator": ("evaluator.__main__",),
    "dispatch": ("workers.dispatch",),
    "worker": ("workers.work",),
    "bot": ("workers.bot.run",),
    # Streamlit runs the second as a script.
    "dashboard": ("dashboard.web.server", "dashboard.main"),
    "relay": ("dashboard.relay.__main__",),
    "board": ("workers.board",),
}
# Those that take up admins' overrides.
FOLLOWERS = {"ingest", "worker", "bot", "dashboard"}
# Modules that all import, with functions that only some call: who asks the store for what is in them.
CALLED_BY = {
    ("stormalert.config.overrides", "setting"): FOLLOWERS,
    ("stormalert.config.overrides", "settings"): FOLLOWERS,
    ("stormalert.config.overrides", "save_setting"): {"dashboard"},
    ("stormalert.config.overrides", "delete_setting"): {"dashboard"},
    ("stormalert.config.policy", "save_setting"): {"dashboard"},
    ("stormalert.notify.templates", "save_setting"): {"dashboard"},
    ("stormalert.notify.templates", "delete_setting"): {"dashboard"},
    ("stormalert.notify.preferences", "save_setting"): {"dashboard"},
    ("stormalert.notify.preferences", "delete_setting"): {"bot", "dashboard"},
    ("stormalert.notify.alarms", "save_setting"): {"worker", "bot", "dashboard"},
    ("stormalert.access.sessions", "save_session"): {"dashboard"},
    ("stormalert.access.sessions", "delete_session"): {"dashboard"},
    ("stormalert.access.sessions", "sessions_of"): {"dashboard"},
    ("stormalert.notify.channels", "save_channel"): {"worker", "dashboard"},
}
Rights = set[tuple[str, str]]


def test_every_process_may_do_what_its_code_asks_and_nothing_more() -> None:
    granted = {process: rights_of(role) for process, role in ROLES.items()}
    needed = {
        process: {("meta", "find")}.union(*(asked_of_mongo()[method] for method in methods(process))) for process in ENTRANCES
    }
    assert {process: sorted(needed[process] - granted[process]) for process in ENTRANCES} == {
        process: [] for process in ENTRANCES
    }
    assert {process: sorted(granted[process] - needed[process]) for process in ENTRANCES} == {
        process: [] for process in ENTRANCES
    }


def test_each_role_says_why_and_names_collections_that_there_are() -> None:
    known = {*nouns.NOUNS, "meta"}
    for role in ROLES.values():
        assert len(role["why"].split()) > 5
        assert {name for name in role if name not in ("why", "index")} <= known


def test_one_process_may_make_indexes() -> None:
    assert [process for process, role in ROLES.items() if role.get("index")] == ["dashboard"]


def test_who_may_not_make_indexes_uses_those_that_are_there(server: WireServer) -> None:
    refuse_indexes(server)
    server.answers["find"] = found({"_id": "schema", "version": VERSION})
    open_store(f"mongodb://{server.host}/storm", Path("unused")).close()


def test_who_may_not_make_indexes_says_who_does_when_they_are_not_there(
    server: WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mongo_schema, "WAIT_S", 0)
    refuse_indexes(server)
    with pytest.raises(StormError, match=f"has schema 0 and needs {VERSION}: the dashboard brings it forward when it starts$"):
        open_store(f"mongodb://{server.host}/storm", Path("unused"))


def test_the_users_of_a_real_mongodb_may_do_that_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Needs the root's address in STORM_TEST_MONGO_URL, authentication, and mongosh."""
    uri = os.environ.get("STORM_TEST_MONGO_URL")
    if not uri or "@" not in uri or not shutil.which("mongosh"):
        pytest.skip("STORM_TEST_MONGO_URL with a user, and mongosh, are not there")
    database = f"storm_test_{tmp_path.name}".replace("-", "_")[:40]
    for process in (*ROLES, "backup"):
        (tmp_path / f"mongo_{process}").write_text(f"password of {process}\n")
    environment = os.environ | {
        "MONGO_ROLES": str(ROOT / "deploy" / "mongo" / "roles.json"),
        "MONGO_PASSWORDS": str(tmp_path),
        "STORM_MONGO_DATABASE": database,
    }
    subprocess.run(["mongosh", "--quiet", uri, str(ROOT / "deploy" / "mongo" / "init.js")], env=environment, check=True)
    place = uri.rpartition("@")[2].partition("/")[0]

    def opened(process: str) -> Store:
        given = {"MONGODB_URI": f"mongodb://{process}@{place}/{database}?authSource=admin"}
        config = settings.parse(given | {"STORM_MONGODB_PASSWORD": f"password of {process}"})
        return open_store(config.mongodb_uri, config.sqlite_path)

    monkeypatch.setattr(mongo_schema, "WAIT_S", 0)
    for process in ("ingest", "bot", "dispatch"):
        with pytest.raises(StormError, match="dashboard"):
            opened(process)
    opened("dashboard").close()
    for process in ROLES:
        store = opened(process)
        try:
            for method, calls in CALLS.items():
                rights = asked_of_mongo()[method]
                if not rights <= rights_of(ROLES[process]):
                    with pytest.raises(StormError, match="not authorized"):
                        for call in calls:
                            call(store)
        finally:
            store.close()


@pytest.fixture
def server() -> Iterator[WireServer]:
    with serve() as started:
        yield started


def refuse_indexes(server: WireServer) -> None:
    server.answers["createIndexes"] = {"ok": 0, "code": 13, "codeName": "Unauthorized", "errmsg": "not authorized on storm"}


def found(*documents: dict[str, Any]) -> dict[str, Any]:
    return {"ok": 1, "cursor": {"id": 0, "ns": "storm.any", "firstBatch": list(documents)}}


def rights_of(role: dict[str, Any]) -> Rights:
    """With what everybody may: to read which version the store has."""
    collections = {name: actions for name, actions in role.items() if name not in ("why", "index")}
    given = {(name, action) for name, actions in collections.items() for action in actions.split()}
    return given | {("meta", "find")}


def methods(process: str) -> set[str]:
    """Of the store that the process's own modules call, from its entrance on."""
    called = {(module, name) for entrance in ENTRANCES[process] for module, name in calls_from(entrance)}
    return {name for module, name in called if process in CALLED_BY.get((module, name), {process})}


@cache
def calls_from(entrance: str) -> frozenset[tuple[str, str]]:
    seen: set[str] = set()
    todo, called = [entrance], set()
    while todo:
        module = todo.pop()
        path = file_of(module)
        if module in seen or path is None or module.startswith("stormalert.store"):
            continue
        seen.add(module)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                todo += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                todo += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            elif isinstance(node, ast.Attribute) and node.attr in METHODS and is_store(ast.unparse(node.value)):
                called.add((module, node.attr))
    return frozenset(called)


def is_store(expression: str) -> bool:
    return expression.removesuffix("()").rpartition(".")[2].lstrip("_") == "store"


def file_of(module: str) -> Path | None:
    path = ROOT.joinpath(*module.split("."))
    return next((each for each in (path / "__init__.py", path.with_suffix(".py")) if each.exists()), None)


@cache
def asked_of_mongo() -> dict[str, Rights]:
    """By the store's method: which collections it asks for what."""
    asked: dict[str, Rights] = {}
    with serve() as server:
        store = open_store(f"mongodb://{server.host}/storm", Path("unused"))
        server.answers["findAndModify"]["value"] |= mongo_query.document(nouns.ONE_TIME_TOKENS, records.a_one_time_token())
        for method, calls in CALLS.items():
            server.commands.clear()
            server.answers["find"] = FOUND.get(method, found())
            for call in calls:
                call(store)
            asked[method] = {right for command in server.commands for right in rights_for(command)}
        store.close()
    # The rules of a user who is erased are deleted by saving them.
    asked["erase_user"] |= asked["save_rule"]
    return asked


def rights_for(command: dict[str, Any]) -> Rights:
    name = next(iter(command))
    collection = command[name]
    match name:
        case "find" | "aggregate" | "distinct":
            actions = {"find"}
        case "insert":
            actions = {"insert"}
        case "delete":
            actions = {"remove"}
        case "update":
            actions = {"update"} | ({"insert"} if any(each.get("upsert") for each in command["updates"]) else set())
        case "findAndModify":
            actions = {"find", "remove" if command.get("remove") else "update"} | (
                {"insert"} if command.get("upsert") else set()
            )
        case _:
            raise AssertionError(f"{name} is no command that roles are known for")
    return {(collection, action) for action in actions}


# What the server has for those that only go on when they find something.
FOUND = {
    "forget": found({"_id": "x"}),
    "erase_user": found(mongo_query.document(nouns.RULES, records.a_rule())),
    "record_fired": found(mongo_query.document(nouns.DELIVERIES, records.a_delivery())),
}


def test_every_method_of_the_store_is_called() -> None:
    assert set(CALLS) == METHODS
