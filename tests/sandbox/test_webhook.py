"""The receiver of outgoing webhooks, and how it checks a signature."""

import base64
import hashlib
import hmac
import time
from typing import Any

import pytest

SECRET = base64.b64encode(b"s" * 32).decode()


def post(sandbox: Any, body: bytes = b'{"data": {"text": "INFY"}}', age_s: int = 0, **changes: str) -> int:
    stamp = str(int(time.time()) - age_s)
    mac = hmac.new(b"s" * 32, b"d1." + stamp.encode() + b"." + body, hashlib.sha256).digest()
    headers = {"webhook-id": "d1", "webhook-timestamp": stamp, "webhook-signature": f"v1,{base64.b64encode(mac).decode()}"}
    status: int = sandbox.call("POST", "/webhook/ops", body, **headers | changes)[0]
    return status


@pytest.fixture
def checked(sandbox: Any) -> Any:
    assert sandbox.call("POST", "/control/webhook", {"name": "ops", "secret": f"whsec_{SECRET}"})[0] == 200
    yield sandbox
    sandbox.call("POST", "/control/webhook", {"name": "ops", "secret": ""})


def test_what_is_signed_lands_in_the_outbox(checked: Any) -> None:
    assert post(checked) == 200
    (message,) = checked.outbox("webhook")
    assert (message["to"], message["text"], message["status"]) == ("ops", "INFY", "signature right")
    assert message["raw"]["headers"]["webhook-id"] == "d1"


@pytest.mark.parametrize(
    "changes",
    [
        {"webhook-id": "d2"},
        {"webhook-timestamp": "1"},
        {"webhook-timestamp": "soon"},
        {"webhook-signature": "v1,c2h1dA=="},
        {"webhook-signature": ""},
        {"age_s": 301},
    ],
)
def test_what_is_not_signed_is_refused(checked: Any, changes: dict[str, Any]) -> None:
    assert post(checked, **changes) == 401
    assert checked.outbox("webhook") == []


def test_a_secret_that_is_none_is_refused(sandbox: Any) -> None:
    for secret in ("plain", "whsec_?", SECRET):
        assert sandbox.call("POST", "/control/webhook", {"name": "ops", "secret": secret})[0] == 400
    assert post(sandbox) == 200


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ({"blocked": ["ops"]}, 410),
        ({"errors": {"ops": 404}}, 404),
        ({"errors": {"ops": 302}}, 302),
        ({"too_many": 1.0}, 429),
        ({"server_error": 1.0}, 500),
    ],
)
def test_faults_answer_with_their_status(sandbox: Any, fault: dict[str, Any], status: int) -> None:
    sandbox.fault(webhook=fault)
    assert post(sandbox) == status
    assert sandbox.outbox("webhook") == []
