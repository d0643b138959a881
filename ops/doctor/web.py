"""One question over HTTP, with a short time-out and errors that repeat no address: some have tokens in them."""

import base64
import http.client
import json
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from stormalert.errors import StormError

ASK_S = 4
MOST_BYTES = 100_000


class Answer(NamedTuple):
    """`date_ms`: the other side's clock, 0 when it does not tell; `asked_ms`: ours, in the middle of asking."""

    status: int
    fields: dict[str, Any]
    date_ms: int
    asked_ms: int
    took_ms: int


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer: what was asked with a token is asked nowhere else."""

    def redirect_request(self, *_: Any) -> None:
        return None


def ask(url: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Any answer is one, whatever its status. Raises StormError when there is none."""
    began_s, began_ms = time.monotonic(), time.time_ns() // 1_000_000
    request = urllib.request.Request(url, headers={"User-Agent": "stormalert doctor", **(headers or {})})  # noqa: S310
    try:
        with urllib.request.build_opener(_NoRedirects).open(request, timeout=ASK_S) as answer:
            status, body, date = int(answer.status), answer.read(MOST_BYTES), answer.headers.get("Date", "")
    except urllib.error.HTTPError as refusal:
        with refusal:
            status, body, date = refusal.code, refusal.read(MOST_BYTES), refusal.headers.get("Date", "")
    except (OSError, http.client.HTTPException) as error:
        raise StormError(reason_of(error)) from None
    took_ms = round((time.monotonic() - began_s) * 1_000)
    return Answer(status, _fields(body), _date_ms(date), began_ms + took_ms // 2, took_ms)


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def reason_of(error: BaseException) -> str:
    """In some words, without an address."""
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, BaseException):
        return reason_of(error.reason)
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
