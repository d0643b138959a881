"""Settings in the store are declared in one module, and named nowhere else."""

import ast
import json
from itertools import permutations
from pathlib import Path

import pytest

from stormalert.config.stored import (
    ALARM,
    BURST,
    KITE_LOGIN,
    KITE_REQUEST,
    POLICY,
    RULE_PREFERENCES,
    SEALED,
    STORED,
    TEMPLATE,
    AlarmNote,
    Burst,
    KiteLogin,
    KiteRequest,
    Loudness,
    RulePreferences,
)

ROOT = Path(__file__).resolve().parents[3]
PRODUCT = ("stormalert", "ops", "ingest", "evaluator", "workers", "dashboard")
ASKING = {"setting", "settings", "settings_like", "save_setting", "delete_setting"}


def test_a_name_is_spelled_where_it_is_declared_and_nowhere_else() -> None:
    # A plain word may mean something else elsewhere; as what a store is asked for it may not.
    plain = {it.name for it in STORED if it.name.isalpha()}
    special = tuple(it.prefix for it in STORED if it.name not in plain)
    spelled = [
        f"{path.relative_to(ROOT)}: {text}"
        for folder in PRODUCT
        for path in (ROOT / folder).rglob("*.py")
        if path.name != "stored.py"
        for is_asked, text in texts(ast.parse(path.read_text()))
        if text.startswith(special) or (is_asked and text in plain)
    ]
    assert spelled == []


def texts(tree: ast.AST) -> list[tuple[bool, str]]:
    """Each text of the code, without the documentation, and whether a store is asked for it."""
    asked = {
        id(argument)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ASKING & {each.attr for each in (node.func, *node.args) if isinstance(each, ast.Attribute)}
        for argument in node.args
    }
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        (id(node) in asked, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told
    ]


def test_a_text_that_a_store_is_asked_for_is_found() -> None:
    found = texts(ast.parse('"""wish.x"""\nstore.setting("house")\nto_thread(store().setting, "house")\nform("house")'))
    assert sorted(found) == [(False, "house"), (True, "house"), (True, "house")]


def test_no_setting_is_taken_for_another() -> None:
    assert [(one.name, other.name) for one, other in permutations(STORED, 2) if one.prefix.startswith(other.prefix)] == []


def test_whose_it_is_stands_in_the_name() -> None:
    assert (TEMPLATE.of("u1"), TEMPLATE.whose("template.u1"), POLICY.prefix) == ("template.u1", "u1", "house")


def test_what_is_sealed_is_known_by_how_it_begins() -> None:
    assert SEALED == ("kite.request_token", "kite.access_token", "panel.")


@pytest.mark.parametrize(
    ("setting", "stored", "value"),
    [
        (KITE_REQUEST, '{"request_token": "r", "time_ms": 5}', KiteRequest(request_token="r", time_ms=5)),
        (KITE_LOGIN, '{"access_token": "a", "login_ms": 5}', KiteLogin(access_token="a", login_ms=5)),
        (RULE_PREFERENCES, '{"loudness":"off","channels":["c1"]}', RulePreferences(loudness=Loudness.OFF, channels=("c1",))),
        (BURST, '{"most":5,"within_s":60}', Burst(most=5, within_s=60)),
        (ALARM, '{"reason": "401", "time_ms": 7}', AlarmNote(reason="401", time_ms=7)),
        (TEMPLATE, "hello {symbol}", "hello {symbol}"),
    ],
)
def test_what_any_stormalert_stored_is_read_and_written_as_it_was(setting, stored, value) -> None:  # type: ignore[no-untyped-def]
    assert setting.read(stored) == value
    assert setting.read(setting.text(value)) == value
    assert (setting.read(None), setting.read(""), setting.text(None)) == (None, None, "")


def test_who_reads_a_setting_may() -> None:
    roles = json.loads((ROOT / "deploy" / "mongo" / "roles.json").read_text())
    readers = {process for it in STORED for process in it.read_by}
    assert {process for process in readers if "find" in roles[process]["settings"].split()} == readers
