"""Twilio's Messages resource: accepts WhatsApp messages, then reports by signed call-backs how they fare."""

import asyncio
import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.faults import ChannelFaults, Trouble, hang
from sandbox.outbox import Message, Outbox
from sandbox.rates import Rates

MAX_BODY = 1600
API = "2010-04-01"
STEP_S = 0.3  # between one status and the next


class TwilioError(Exception):
    """An error as Twilio answers it."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        more = f"https://www.twilio.com/docs/errors/{code}"
        self.response = JSONResponse({"code": code, "message": message, "more_info": more, "status": status}, status)


class Twilio:
    """One account."""

    def __init__(self, sid: str, auth_token: str, outbox: Outbox, faults: ChannelFaults, rates: Rates) -> None:
        self._sid, self._auth_token = sid, auth_token
        self._outbox, self._faults, self._rates = outbox, faults, rates
        self._reports: set[asyncio.Task[None]] = set()

    def routes(self) -> list[Route]:
        messages = f"/{API}/Accounts/{{sid}}/Messages"
        return [
            Route(f"{messages}.json", self._create, methods=["POST"]),
            Route(f"{messages}/{{message}}.json", self._fetch, methods=["GET"]),
        ]

    async def _create(self, request: Request) -> Response:
        try:
            self._authenticate(request)
            form = {name: str(value) for name, value in (await request.form()).items()}
            self._check(form)
            if self._rates.twilio(form.get("From") or form["MessagingServiceSid"], form["To"]):
                raise TwilioError(429, 63018, "Rate limit exceeded for Channel")
            trouble = self._faults.next_trouble()
            if trouble is Trouble.TOO_MANY:
                raise TwilioError(429, 20429, "Too Many Requests")
            if trouble is Trouble.SERVER_ERROR:
                raise TwilioError(500, 20500, "Internal Server Error")
        except TwilioError as error:
            return error.response
        if trouble is Trouble.TIME_OUT:
            await hang()
            return TwilioError(504, 20504, "Gateway Timeout").response
        sid = f"SM{secrets.token_hex(16)}"
        text = form.get("Body") or f"{form['ContentSid']} {form.get('ContentVariables', '')}".strip()
        content = {"sid": sid, "text": text, "status": "queued", "error_code": None, "raw": form}
        message = self._outbox.add("whatsapp", form["To"], content, key=sid)
        report = asyncio.create_task(self._report(message))
        self._reports.add(report)
        report.add_done_callback(self._reports.discard)
        if trouble is Trouble.LOST_REPLY:
            await hang()
        return JSONResponse(self._resource(message), 201)

    async def _fetch(self, request: Request) -> Response:
        try:
            self._authenticate(request)
            message = self._outbox.find("whatsapp", request.path_params["message"])
            if message is None:
                raise TwilioError(404, 20404, f"The requested resource {request.url.path} was not found")
        except TwilioError as error:
            return error.response
        return JSONResponse(self._resource(message))

    def _authenticate(self, request: Request) -> None:
        expected = base64.b64encode(f"{self._sid}:{self._auth_token}".encode()).decode()
        given = request.headers.get("authorization", "").partition(" ")[2]
        if not hmac.compare_digest(expected.encode(), given.encode()) or request.path_params["sid"] != self._sid:
            raise TwilioError(401, 20003, "Authenticate")

    def _check(self, form: Mapping[str, str]) -> None:
        to = form.get("To", "")
        if not to:
            raise TwilioError(400, 21604, "A 'To' phone number is required.")
        if not form.get("From") and not form.get("MessagingServiceSid"):
            raise TwilioError(400, 21603, "A 'From' phone number is required.")
        if not form.get("Body") and not form.get("ContentSid"):
            raise TwilioError(400, 21602, "Message body is required.")
        if len(form.get("Body", "")) > MAX_BODY:
            raise TwilioError(400, 21617, f"The concatenated message body exceeds the {MAX_BODY} character limit")
        number = to.removeprefix("whatsapp:")
        if not (number.startswith("+") and number[1:].isdigit() and 8 <= len(number) <= 16):
            raise TwilioError(400, 21211, f"The 'To' number {to} is not a valid phone number.")
        if number in self._faults.blocked or to in self._faults.blocked:
            raise TwilioError(400, 21610, "Attempt to send to unsubscribed recipient")
        code = self._error_of(to)
        if code and code < 63000:
            raise TwilioError(429 if code == 20429 else 400, code, f"Refused by the sandbox with error {code}")

    def _error_of(self, to: str) -> int | None:
        return self._faults.errors.get(to, self._faults.errors.get(to.removeprefix("whatsapp:")))

    async def _report(self, message: Message) -> None:
        """Take the message through its life, each step told to the status call-back."""
        error = self._error_of(message.to)
        for status in ("sent", "failed") if error else ("sent", "delivered", "read"):
            await asyncio.sleep(STEP_S)
            message = self._outbox.change(message, status=status, error_code=error if status == "failed" else None)
            url = message.content["raw"].get("StatusCallback")
            if url:
                await self._call_back(url, message)

    async def _call_back(self, url: str, message: Message) -> None:
        form = {
            "AccountSid": self._sid,
            "ApiVersion": API,
            "From": message.content["raw"].get("From", ""),
            "To": message.to,
            "MessageSid": message.key,
            "SmsSid": message.key,
            "MessageStatus": message.content["status"],
            "SmsStatus": message.content["status"],
            "ChannelPrefix": "whatsapp",
        }
        if message.content["error_code"]:
            form["ErrorCode"] = str(message.content["error_code"])
        headers = {"X-Twilio-Signature": signature(self._auth_token, url, form)}
        try:
            async with httpx.AsyncClient(timeout=5.0) as client:
                await client.post(url, data=form, headers=headers)
        except httpx.HTTPError as error:
            problem = f"{type(error).__name__}: {error}"
            self._outbox.change(message, call_back_problem=problem)

    def _resource(self, message: Message) -> dict[str, Any]:
        raw, content = message.content["raw"], message.content
        written = format_datetime(datetime.fromtimestamp(message.time_ms / 1000, UTC))
        uri = f"/{API}/Accounts/{self._sid}/Messages/{message.key}"
        return {
            "account_sid": self._sid,
            "api_version": API,
            "body": content["text"],
            "date_created": written,
            "date_sent": None,
            "date_updated": written,
            "direction": "outbound-api",
            "error_code": content["error_code"],
            "error_message": None,
            "from": raw.get("From"),
            "messaging_service_sid": raw.get("MessagingServiceSid"),
            "num_media": "0",
            "num_segments": "1",
            "price": None,
            "price_unit": None,
            "sid": message.key,
            "status": content["status"],
            "subresource_uris": {"media": f"{uri}/Media.json"},
            "to": message.to,
            "uri": f"{uri}.json",
        }


def signature(auth_token: str, url: str, form: Mapping[str, str]) -> str:
    """Sign a call-back as Twilio does: its address, then every parameter by name, HMAC-SHA1 in base64."""
    text = url + "".join(f"{name}{form[name]}" for name in sorted(form))
    return base64.b64encode(hmac.new(auth_token.encode(), text.encode(), hashlib.sha1).digest()).decode()
