"""The real twilio client, and its validator, against the stand-in."""

import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

SID, TOKEN = "ACsandbox00000000000000000000000000", "sandbox-twilio-token"
SENDER, RECIPIENT = "whatsapp:+14155238886", "whatsapp:+919812345678"
PATIENCE_S = 60.0


def client_of(sandbox: Any, token: str = TOKEN) -> Iterator[Client]:
    http = TwilioHttpClient(timeout=60)
    client = Client(SID, token, http_client=http)
    client.api.base_url = sandbox.http
    yield client
    http.session.close()


@pytest.fixture
def client(sandbox: Any) -> Iterator[Client]:
    yield from client_of(sandbox)


@pytest.fixture
def stranger(sandbox: Any) -> Iterator[Client]:
    yield from client_of(sandbox, "wrong")


@pytest.fixture
def call_backs() -> Iterator[tuple[str, list[tuple[str, dict[str, str]]]]]:
    """An address, and the signatures and forms that were posted to it."""
    received: list[tuple[str, dict[str, str]]] = []

    class ReportReceiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            received.append((self.headers["X-Twilio-Signature"], dict(parse_qsl(body, keep_blank_values=True))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), ReportReceiver) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/status?delivery=1", received
        server.shutdown()


def test_the_account_is_told_to_whoever_has_its_token(client: Client, stranger: Client) -> None:
    assert client.api.accounts(SID).fetch().status == "active"
    with pytest.raises(TwilioRestException) as refused:
        stranger.api.accounts(SID).fetch()
    assert refused.value.status == 401


def wait_for(received: list[Any], count: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while len(received) < count:
        assert time.monotonic() < deadline, received
        time.sleep(0.02)


def write(sandbox: Any) -> None:
    status, answer = sandbox.call("POST", "/control/whatsapp", {"from": RECIPIENT, "text": "hi"})
    assert status == 200, answer


def test_a_message_is_queued_and_lands_in_the_outbox(sandbox: Any, client: Client) -> None:
    sent = client.messages.create(to=RECIPIENT, from_=SENDER, body="SBIN ↓", validity_period=60)
    assert (sent.status, sent.error_code, sent.direction) == ("queued", None, "outbound-api")
    (message,) = sandbox.outbox("whatsapp")
    assert (message["to"], message["text"], message["sid"]) == (RECIPIENT, "SBIN ↓", sent.sid)
    assert message["raw"]["ValidityPeriod"] == "60"
    assert client.messages(str(sent.sid)).fetch().sid == sent.sid


def test_a_template_is_kept_with_its_variables(sandbox: Any, client: Client) -> None:
    client.messages.create(to=RECIPIENT, from_=SENDER, content_sid="HX1", content_variables='{"1": "SBIN"}')
    assert sandbox.outbox("whatsapp")[0]["text"] == 'HX1 {"1": "SBIN"}'


def test_status_call_backs_come_in_order_and_signed(sandbox: Any, client: Client, call_backs: Any) -> None:
    url, received = call_backs
    write(sandbox)
    sent = client.messages.create(to=RECIPIENT, from_=SENDER, body="x", status_callback=url)
    wait_for(received, 3)
    assert [form["MessageStatus"] for _, form in received] == ["sent", "delivered", "read"]
    assert {form["MessageSid"] for _, form in received} == {sent.sid}
    assert all(RequestValidator(TOKEN).validate(url, form, signature) for signature, form in received)
    assert not RequestValidator("wrong").validate(url, received[0][1], received[0][0])


def test_a_session_error_fails_the_message_later(sandbox: Any, client: Client, call_backs: Any) -> None:
    url, received = call_backs
    sandbox.fault(twilio={"errors": {"+919812345678": 63016}})
    assert client.messages.create(to=RECIPIENT, from_=SENDER, body="x", status_callback=url).status == "queued"
    wait_for(received, 2)
    assert received[-1][1]["MessageStatus"] == "failed"
    assert received[-1][1]["ErrorCode"] == "63016"


def test_free_text_goes_through_only_after_the_recipient_wrote_and_a_template_always(
    sandbox: Any, client: Client, call_backs: Any
) -> None:
    url, received = call_backs
    stranger = "whatsapp:+919800000077"
    client.messages.create(to=stranger, from_=SENDER, body="x", status_callback=url)
    wait_for(received, 2)
    assert (received[-1][1]["MessageStatus"], received[-1][1]["ErrorCode"]) == ("failed", "63016")
    template = {"content_sid": "HX" + "5a" * 16, "content_variables": '{"1": "SBIN ↓", "2": "from 800"}'}
    client.messages.create(to=stranger, from_=SENDER, status_callback=url, **template)
    wait_for(received, 5)
    assert received[-1][1]["MessageStatus"] == "read"
    assert sandbox.outbox("whatsapp")[-1]["text"] == "SBIN ↓ from 800 (an alert that you set)"


def test_what_a_person_writes_is_called_back_signed(start_sandbox: Any, call_backs: Any) -> None:
    url, received = call_backs
    sandbox = start_sandbox(f"--twilio-inbound-url={url}")
    write(sandbox)
    (signature, form), *others = received
    assert (form["From"], form["Body"], others) == (RECIPIENT, "hi", [])
    assert RequestValidator(TOKEN).validate(url, form, signature)


@pytest.mark.parametrize("variables", ["no JSON", '{"1": ""}', '{"1": "two\\nlines"}', "[]"])
def test_variables_that_whatsapp_would_not_take_are_refused(client: Client, variables: str) -> None:
    with pytest.raises(TwilioRestException) as refused:
        client.messages.create(to=RECIPIENT, from_=SENDER, content_sid="HX1", content_variables=variables)
    assert refused.value.code == 21656


@pytest.mark.parametrize(
    ("to", "body", "code"),
    [
        ("whatsapp:12345", "x", 21211),
        (RECIPIENT, "", 21602),
        (RECIPIENT, "x" * 1601, 21617),
    ],
)
def test_what_twilio_refuses_has_its_code(client: Client, to: str, body: str, code: int) -> None:
    with pytest.raises(TwilioRestException) as refused:
        client.messages.create(to=to, from_=SENDER, body=body)
    assert (refused.value.status, refused.value.code) == (400, code)


def test_wrong_credentials_are_refused(stranger: Client) -> None:
    with pytest.raises(TwilioRestException) as refused:
        stranger.messages.create(to=RECIPIENT, from_=SENDER, body="x")
    assert (refused.value.status, refused.value.code) == (401, 20003)


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ({"too_many": 1.0}, 429, 20429),
        ({"server_error": 1.0}, 500, 20500),
        ({"blocked": ["+919812345678"]}, 400, 21610),
        ({"errors": {RECIPIENT: 21614}}, 400, 21614),
        ({"errors": {RECIPIENT: 63007}, "at_once": True}, 400, 63007),
    ],
)
def test_faults_answer_as_twilio_does(sandbox: Any, client: Client, fault: dict[str, Any], status: int, code: int) -> None:
    sandbox.fault(twilio=fault)
    with pytest.raises(TwilioRestException) as refused:
        client.messages.create(to=RECIPIENT, from_=SENDER, body="x")
    assert (refused.value.status, refused.value.code) == (status, code)
    assert sandbox.outbox() == []
