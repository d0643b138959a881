"""One question over HTTP, with a deadline for the whole of it and errors that repeat no address: some have tokens in them."""

import base64
import json
import socket
import ssl
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import httpcore
import httpx

from ops.doctor.within import within
from stormalert.errors import StormError

ASK_S = 4
MOST_BYTES = 100_000
# Their causes say more.
_WRAPPING = (httpx.HTTPError, httpcore.NetworkError, httpcore.ProtocolError)


class Answer(NamedTuple):
    """`date_ms`: the other side's clock, 0 when it does not tell; `asked_ms`: ours, in the middle of asking."""

    status: int
    fields: dict[str, Any]
    date_ms: int
    asked_ms: int
    took_ms: int


def ask(url: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Any answer is one, whatever its status. Raises StormError when there is none."""
    began_s, began_ms = time.monotonic(), time.time_ns() // 1_000_000
    try:
        status, body, date = within(ASK_S, lambda: _fetch(url, headers or {}))
    except (OSError, httpx.HTTPError, httpx.InvalidURL) as error:
        raise StormError(reason_of(error)) from None
    took_ms = round((time.monotonic() - began_s) * 1_000)
    return Answer(status, _fields(body), _date_ms(date), began_ms + took_ms // 2, took_ms)


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def reason_of(error: BaseException) -> str:
    """In some words, without an address."""
    if isinstance(error, httpx.TimeoutException):
        return reason_of(TimeoutError())
    # The one may say that it comes of the other, or have just met it.
    if isinstance(error, _WRAPPING) and (inner := error.__cause__ or error.__context__):
        return reason_of(inner)
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate is not accepted: {error.verify_message}"
        case ssl.SSLError():
            return f"TLS fails: {error.reason or 'no answer'}".lower().replace("_", " ")
        case socket.gaierror():
            return "its name is not known"
        case TimeoutError():
            return f"no answer within {ASK_S} s"
        case OSError() if error.strerror:
            return error.strerror.lower()
        case _:
            return type(error).__name__


def _fetch(url: str, headers: Mapping[str, str]) -> tuple[int, bytes, str]:
    """Status, the beginning of the body, and the date. A redirect is an answer: what was asked with a token is asked nowhere
    else.
    """
    sent = {"User-Agent": "stormalert doctor", **headers}
    body = b""
    with httpx.Client(timeout=ASK_S) as client, client.stream("GET", url, headers=sent) as answer:
        for part in answer.iter_bytes():
            body += part
            if len(body) >= MOST_BYTES:
                break
        return answer.status_code, body[:MOST_BYTES], answer.headers.get("Date", "")


def _fields(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _date_ms(text: str) -> int:
    try:
        return round(parsedate_to_datetime(text).timestamp() * 1_000)
    except ValueError:
        return 0
