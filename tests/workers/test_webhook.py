"""What only webhooks have: signatures, and addresses that their owners choose."""

import json
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import httpcore
import pytest

from stormalert.access.security import webhook_secret
from stormalert.errors import Permanent, Retryable
from stormalert.model import ChannelKind
from tests.workers.fixtures import MASTER_SECRET, Bench, Post, Sandbox, refused
from workers.names import Names
from workers.owners_servers import CheckedNetwork, PrivateAddress, is_public
from workers.render import Message


@pytest.fixture
def bench(sandbox: Sandbox, environment: dict[str, str], open_post: Callable[..., Post]) -> Bench:
    return Bench(ChannelKind.WEBHOOK, open_post(environment), sandbox)


@pytest.fixture
def strict(sandbox: Sandbox, environment: dict[str, str], open_post: Callable[..., Post]) -> Bench:
    """As an installation is that faces the internet."""
    return Bench(ChannelKind.WEBHOOK, open_post(environment | {"STORM_WEBHOOK_PRIVATE": "refuse"}), sandbox)


@pytest.fixture
def receiver() -> Iterator[Callable[..., str]]:
    """Starts a server that answers as it is told, and gives its address."""
    servers = []

    def start(status: int, headers: dict[str, str], body: bytes = b"") -> str:
        class AnsweringServer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        server = ThreadingHTTPServer(("127.0.0.1", 0), AnsweringServer)
        Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/hook?key=hidden"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_message_is_signed_with_the_channels_own_secret(bench: Bench, text: Message) -> None:
    secret = webhook_secret("channel1", MASTER_SECRET)
    bench.sandbox.client.post("/control/webhook", json={"name": "trader", "secret": secret}).raise_for_status()
    try:
        bench.send(text)
        (sent,) = bench.sandbox.outbox("webhook")
        assert sent["status"] == "signature right"
        others = webhook_secret("channel2", MASTER_SECRET)
        bench.sandbox.client.post("/control/webhook", json={"name": "trader", "secret": others}).raise_for_status()
        assert "401" in str(refused(bench, text))
    finally:
        bench.sandbox.client.post("/control/webhook", json={"name": "trader", "secret": ""}).raise_for_status()


def test_the_body_holds_the_alert_in_exact_decimals(bench: Bench, text: Message) -> None:
    bench.send(text)
    (sent,) = bench.sandbox.outbox("webhook")
    assert sent["raw"]["headers"]["webhook-id"] == "rule1-1-channel1"
    assert json.loads(sent["raw"]["body"]) == {
        "type": "alert",
        "timestamp": "2023-11-14T22:13:20.123+00:00",
        "data": {
            "delivery": "rule1-1-channel1",
            "text": text.text,
            "alert": "rule1-1",
            "rule": "rule1",
            "token": 408065,
            "symbol": "NSE:INFY",
            "kind": "rolling",
            "direction": "up",
            "price": "1384.55",
            "reference": "1355.70",
            "percent": "2.13",
            "threshold_percent": "2.00",
            "window": "300s",
            "time_ms": 1_700_000_000_123,
        },
    }


@pytest.mark.parametrize("status", [404, 410])
def test_an_address_that_is_gone_is_dead(bench: Bench, text: Message, status: int) -> None:
    bench.fault(errors={"trader": status})
    error = refused(bench, text)
    assert isinstance(error, Permanent)
    assert error.is_address_dead


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(bench: Bench, text: Message, status: int) -> None:
    bench.fault(errors={"trader": status})
    error = refused(bench, text)
    assert isinstance(error, Permanent)
    assert "redirects are not followed" in str(error)
    assert not error.is_address_dead
    assert bench.sandbox.outbox() == []


@pytest.mark.parametrize(
    ("status", "error_class"), [(400, Permanent), (401, Permanent), (408, Retryable), (500, Retryable), (503, Retryable)]
)
def test_other_refusals_leave_the_address_on(bench: Bench, text: Message, status: int, error_class: type[Exception]) -> None:
    bench.fault(errors={"trader": status})
    error = refused(bench, text)
    assert type(error) is error_class
    assert not getattr(error, "is_address_dead", False)
    assert f"HTTP {status}" in str(error)


def test_a_pause_may_be_told_as_a_date_and_none_is_a_usual_one(
    bench: Bench, text: Message, receiver: Callable[..., str]
) -> None:
    in_a_minute = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    for header, least_s, most_s in ((in_a_minute, 30, 60), ("", 10, 10), ("soon", 10, 10)):
        error = refused(bench, text, receiver(429, {"Retry-After": header}))
        assert isinstance(error, Retryable)
        assert error.after_s is not None and least_s <= error.after_s <= most_s


def test_an_answer_without_end_is_not_read(bench: Bench, text: Message, receiver: Callable[..., str]) -> None:
    assert bench.send(text, receiver(200, {"Content-Length": "1000000000"}, b"x" * 100)) == text.delivery


def test_what_goes_wrong_never_tells_the_address(bench: Bench, text: Message, receiver: Callable[..., str]) -> None:
    assert "hidden" not in str(refused(bench, text, receiver(500, {})))
    assert "hidden" not in str(refused(bench, text, "http://127.0.0.1:1/hook?key=hidden"))


@pytest.mark.parametrize(
    "address",
    [
        "https://127.0.0.1/hook",
        "https://localhost/hook",
        "https://10.0.0.8/hook",
        "https://[::1]/hook",
        "https://169.254.169.254/latest/meta-data",
        "https://2130706433/hook",
        "https://0/hook",
    ],
)
def test_an_address_within_the_network_is_refused_and_switched_off(strict: Bench, text: Message, address: str) -> None:
    error = refused(strict, text, address)
    assert isinstance(error, Permanent)
    assert error.is_address_dead
    assert str(error) == "address refused: it is not on the internet"


@pytest.mark.parametrize("address", ["http://example.com/", "ftp://example.com/", "https://", "https://u:p@example.com/", "x"])
def test_an_address_that_is_no_safe_url_is_refused(strict: Bench, text: Message, address: str) -> None:
    error = refused(strict, text, address)
    assert isinstance(error, Permanent)
    assert error.is_address_dead


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("ff0e::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:8.8.8.8", False),
        ("2002:7f00:1::", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::808:808", True),
        ("64:ff9b:1::a00:1", False),
        ("2001:0:7f00:1::", False),
    ],
)
def test_only_addresses_of_the_internet_are_public(address: str, expected: bool) -> None:
    assert is_public(address) is expected


class Resolver:
    """Names that its owner points elsewhere from one question to the next."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def __call__(self, host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        self.asked += 1
        addresses = self._answers.pop(0)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]


async def test_a_name_that_also_leads_inside_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Names, "ask", Resolver(["93.184.216.34", "10.0.0.1"]))
    with pytest.raises(PrivateAddress):
        await CheckedNetwork(allows_private=False).connect_tcp("rebind.example", 443)


async def test_the_connection_goes_to_the_address_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = Resolver(["93.184.216.34"], ["127.0.0.1"])
    monkeypatch.setattr(Names, "ask", resolver)
    connected: list[str] = []

    async def connect(_self: object, host: str, *_: object) -> Any:
        connected.append(host)
        raise httpcore.ConnectError

    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", connect)
    with pytest.raises(httpcore.ConnectError):
        await CheckedNetwork(allows_private=False).connect_tcp("rebind.example", 443)
    # Asked once; the second answer, which leads inside, is never used.
    assert (resolver.asked, connected) == (1, ["93.184.216.34"])


def test_a_code_is_a_message_without_an_alert(bench: Bench) -> None:
    bench.send(Message("code-1", "Your code is 123456", "Enter it.", 600, channel="channel1"))
    body = json.loads(bench.sandbox.outbox("webhook")[0]["raw"]["body"])
    assert body["type"] == "message"
    assert body["data"] == {"delivery": "code-1", "text": "Your code is 123456 Enter it."}
