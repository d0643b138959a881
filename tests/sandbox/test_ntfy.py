"""The ntfy server: both ways to publish, what it refuses, and what one reads of a topic."""

import json
from typing import Any

import pytest


def publish(sandbox: Any, **fields: Any) -> tuple[int, Any]:
    answer: tuple[int, Any] = sandbox.call("POST", "/", {"topic": "ops", "message": "up", **fields})
    return answer


def test_json_at_the_root_lands_in_the_outbox_and_in_the_topic(sandbox: Any) -> None:
    link = {"action": "view", "label": "Chart", "url": "https://example.com/"}
    status, event = publish(sandbox, title="INFY", priority=4, tags=["warning"], click="https://example.com/a", actions=[link])
    assert status == 200
    (message,) = sandbox.outbox("ntfy")
    assert (message["to"], message["text"], message["status"]) == ("ops", "INFY\nup", "priority 4")
    assert message["message_id"] == event["id"]
    status, lines = sandbox.call("GET", "/ops/json?poll=1")
    assert status == 200
    told = json.loads(lines) if isinstance(lines, str | bytes) else lines
    assert told == event
    assert (told["title"], told["tags"], told["actions"]) == ("INFY", ["warning"], [link])
    assert b"Chart</a>" in sandbox.call("GET", "/outbox?channel=ntfy")[1].encode()


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_headers_say_the_same_of_a_text_that_is_put_into_a_topic(sandbox: Any, method: str) -> None:
    status, event = sandbox.call(method, "/ops", b"up", Title="INFY", Priority="high", Tags="a, b")
    assert status == 200
    assert (event["message"], event["title"], event["priority"], event["tags"]) == ("up", "INFY", 4, ["a", "b"])


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"topic": "two words"}, 40009),
        ({"topic": "outbox"}, 40010),
        ({"topic": 7}, 40017),
        ({"priority": 6}, 40007),
        ({"tags": "warning"}, 40017),
        ({"title": 7}, 40017),
        ({"actions": [{"action": "view", "label": "without a url"}]}, 40018),
        ({"actions": [{"action": "view", "label": "x", "url": "https://x"}] * 4}, 40018),
        ({"message": "x" * 4097}, 41301),
    ],
)
def test_what_ntfy_refuses_is_refused_with_its_code(sandbox: Any, fields: dict[str, Any], code: int) -> None:
    status, error = publish(sandbox, **fields)
    assert (status, error["code"], error["http"]) == (code // 100, code, code // 100)
    assert sandbox.outbox("ntfy") == []


def test_a_protected_topic_wants_its_token(sandbox: Any) -> None:
    assert sandbox.call("POST", "/control/ntfy", {"topic": "ops", "token": "tk_1"})[0] == 200
    assert publish(sandbox)[0] == 403
    assert sandbox.call("POST", "/ops", b"up", Authorization="Bearer tk_2")[0] == 401
    assert sandbox.call("POST", "/ops", b"up", Authorization="Bearer tk_1")[0] == 200
    assert sandbox.call("POST", "/control/ntfy", {"topic": "ops", "token": ""})[0] == 200
    assert publish(sandbox)[0] == 200
    assert sandbox.call("POST", "/control/ntfy", {"topic": "two words", "token": "x"})[0] == 400


@pytest.mark.parametrize(
    ("fault", "status"),
    [({"too_many": 1.0}, 429), ({"server_error": 1.0}, 500), ({"blocked": ["ops"]}, 403), ({"errors": {"ops": 404}}, 404)],
)
def test_its_faults_are_ntfys_own(sandbox: Any, fault: dict[str, Any], status: int) -> None:
    sandbox.fault(ntfy=fault)
    assert publish(sandbox)[0] == status
    assert sandbox.outbox("ntfy") == []
