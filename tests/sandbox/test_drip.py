"""A provider that answers a byte a second: the first byte comes, the answer does not; and its other parts answer as ever."""

import socket
from typing import Any

import pytest

TELEGRAM = "/bot1000001:sandbox-telegram-token/getMe"
TWILIO = "/2010-04-01/Accounts/ACsandbox00000000000000000000000000.json"


def begun(port: int, request: bytes) -> bytes:
    """What has come when the first byte has."""
    with socket.create_connection(("127.0.0.1", port), 60) as client:
        client.sendall(request)
        return client.recv(1000)


def got(path: str, method: str = "GET") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: sandbox\r\nContent-Length: 0\r\n\r\n".encode()


@pytest.mark.parametrize(
    ("part", "path", "method"),
    [
        ("telegram", TELEGRAM, "GET"),
        ("twilio", TWILIO, "GET"),
        ("rest", "/user/profile", "GET"),
        ("webhook", "/webhook/trader", "POST"),
        ("ntfy", "/alerts-of-mine", "POST"),
    ],
)
def test_an_answer_comes_by_the_byte_from_its_first_one_on(sandbox: Any, part: str, path: str, method: str) -> None:
    sandbox.fault(**{part: {"drip": True}})
    assert begun(sandbox.http_port, got(path, method)) == b"H"
    assert sandbox.call("GET", "/outbox.json")[0] == 200
    sandbox.fault(**{part: {"drip": False}})
    assert begun(sandbox.http_port, got(path, method)).startswith(b"HTTP/1.1 ")


def test_one_provider_drips_and_another_does_not(sandbox: Any) -> None:
    sandbox.fault(twilio={"drip": True})
    assert begun(sandbox.http_port, got(TELEGRAM)).startswith(b"HTTP/1.1 200")


def test_what_waits_goes_at_once_when_it_is_over(sandbox: Any) -> None:
    sandbox.fault(telegram={"drip": True})
    with socket.create_connection(("127.0.0.1", sandbox.http_port), 60) as client, client.makefile("rb") as answer:
        client.sendall(got(TELEGRAM))
        assert answer.read(1) == b"H"
        sandbox.fault(telegram={"drip": False})
        assert answer.readline() == b"TTP/1.1 200 OK\r\n"


def test_mail_and_the_stream_drip_too(sandbox: Any) -> None:
    sandbox.fault(smtp={"drip": True}, stream={"drip": True})
    assert begun(sandbox.smtp_port, b"") == b"2"
    asked = b"GET / HTTP/1.1\r\nHost: sandbox\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    asked += b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    assert begun(sandbox.ws_port, asked) == b"H"
