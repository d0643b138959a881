"""A receiver of outgoing webhooks, which can check their signatures (standardwebhooks.com)."""

import base64
import binascii
import hashlib
import hmac
import json
import time

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from sandbox.faults import ChannelFaults, Trouble, hang
from sandbox.outbox import Outbox

PREFIX = "whsec_"
TOLERANCE_S = 300


class WebhookReceiver:
    """Takes what is posted to /webhook/NAME into the outbox."""

    def __init__(self, outbox: Outbox, faults: ChannelFaults) -> None:
        self._outbox, self._faults = outbox, faults
        self._secrets: dict[str, bytes] = {}

    def routes(self) -> list[Route]:
        return [Route("/webhook/{name}", self._take, methods=["POST"])]

    def expect(self, name: str, secret: str) -> bool:
        """Check what comes to the name from now on, with an empty secret no more; False when it is no secret."""
        self._secrets.pop(name, None)
        if not secret:
            return True
        if not secret.startswith(PREFIX):
            return False
        try:
            self._secrets[name] = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
        except binascii.Error:
            return False
        return True

    async def _take(self, request: Request) -> Response:
        name, body, headers = request.path_params["name"], await request.body(), dict(request.headers)
        if name in self._faults.blocked:
            return JSONResponse({"error": "gone"}, 410)
        if answer := self._faults.answers.get(name):
            status, _, sentence = answer.partition(" ")
            return PlainTextResponse(sentence, int(status))
        if code := self._faults.errors.get(name):
            return JSONResponse({"error": f"refused with {code}"}, code, {"Location": f"/webhook/{name}-elsewhere"})
        trouble = self._faults.next_trouble()
        if trouble is Trouble.TOO_MANY:
            return JSONResponse({"error": "too many"}, 429, {"Retry-After": f"{max(round(self._faults.retry_after_s), 1)}"})
        if trouble is Trouble.SERVER_ERROR:
            return JSONResponse({"error": "broken"}, 500)
        if trouble is Trouble.TIME_OUT:
            await hang()
            return JSONResponse({"error": "timed out"}, 504)
        secret = self._secrets.get(name)
        if secret is not None and not is_signed(secret, headers, body):
            return JSONResponse({"error": "the signature is not right"}, 401)
        text = body.decode(errors="replace")
        status = "not checked" if secret is None else "signature right"
        content = {"text": _text(text), "status": status, "raw": {"headers": headers, "body": text}}
        message = self._outbox.add("webhook", name, content, key=headers.get("webhook-id", ""))
        if trouble is Trouble.LOST_REPLY:
            await hang()
        return JSONResponse({"id": message.id})


def is_signed(secret: bytes, headers: dict[str, str], body: bytes) -> bool:
    """Whether one of the signatures is right, and the message fresh."""
    number, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not stamp.isdecimal() or abs(time.time() - int(stamp)) > TOLERANCE_S:
        return False
    expected = base64.b64encode(hmac.new(secret, f"{number}.{stamp}.".encode() + body, hashlib.sha256).digest())
    given = headers.get("webhook-signature", "").split()
    return any(hmac.compare_digest(each.encode(), b"v1," + expected) for each in given)


def _text(body: str) -> str:
    """What the alert says, when it is one of StormAlert's; else all of it."""
    try:
        return str(json.loads(body)["data"]["text"])
    except (ValueError, KeyError, TypeError):
        return body
