"""Twilio's Messages resource: accepts WhatsApp messages, then reports by signed call-backs how they fare.

Like WhatsApp, it lets free text through only within 24 hours after the recipient wrote; who writes is played by `say`.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import re
import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.faults import Trouble, TwilioFaults, hang
from sandbox.outbox import Outbox, OutboxMessage
from sandbox.rates import Rates
from sandbox.tls import trust

MAX_BODY = 1600
API = "2010-04-01"
STEP_S = 0.3  # between one status and the next
WINDOW_S = 24 * 3600
OUTSIDE_WINDOW = 63016
# An answer word for word that begins so comes as RFC 9457 has it.
PROBLEM = "problem: "
# The templates that WhatsApp approved, and their texts.
TEMPLATES = {"HX5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a": "{{1}} {{2}} (an alert that you set)"}
MAX_TEMPLATE_TEXT = 1024


class TwilioError(Exception):
    """An error as Twilio answers it."""

    def __init__(self, status: int, code: int, message: str, *, is_problem: bool = False) -> None:
        super().__init__(message)
        more = f"https://www.twilio.com/docs/errors/{code}"
        if is_problem:
            # RFC 9457, as its newer interfaces answer.
            problem = {"type": more, "title": "Refused", "status": status, "code": code, "detail": message}
            self.response = JSONResponse(problem, status)
            return
        self.response = JSONResponse({"code": code, "message": message, "more_info": more, "status": status}, status)


class Twilio:
    """One account."""

    def __init__(self, sid: str, auth_token: str, inbound_url: str, outbox: Outbox, faults: TwilioFaults, rates: Rates) -> None:
        self._sid, self._auth_token, self._inbound_url = sid, auth_token, inbound_url
        self._outbox, self._faults, self._rates = outbox, faults, rates
        self._reports: set[asyncio.Task[None]] = set()
        self._wrote_s: dict[str, float] = {}

    def routes(self) -> list[Route]:
        messages = f"/{API}/Accounts/{{sid}}/Messages"
        return [
            Route(f"/{API}/Accounts/{{sid}}.json", self._account, methods=["GET"]),
            Route(f"{messages}.json", self._create, methods=["POST"]),
            Route(f"{messages}/{{message}}.json", self._fetch, methods=["GET"]),
        ]

    async def say(self, number: str, text: str) -> int | None:
        """Let a person write to the sender, which opens the window; gives what the product's call-back answered."""
        number = number.removeprefix("whatsapp:")
        self._wrote_s[number] = time.monotonic()
        if not self._inbound_url:
            return None
        form = {
            "AccountSid": self._sid,
            "MessageSid": f"SM{secrets.token_hex(16)}",
            "From": f"whatsapp:{number}",
            "To": "whatsapp:+14155238886",
            "Body": text,
            "NumMedia": "0",
            "WaId": number.removeprefix("+"),
        }
        return await self._post(self._inbound_url, form)

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
            # Not taken: its client left long ago, and tried again.
            return TwilioError(504, 20504, "Gateway Timeout").response
        sid = f"SM{secrets.token_hex(16)}"
        content = {"sid": sid, "text": _text_of(form), "status": "queued", "error_code": None, "raw": form}
        message = self._outbox.add("whatsapp", form["To"], content, key=sid)
        report = asyncio.create_task(self._report(message))
        self._reports.add(report)
        report.add_done_callback(self._reports.discard)
        if trouble is Trouble.LOST_REPLY:
            await hang()
        return JSONResponse(self._resource(message), 201)

    async def _account(self, request: Request) -> Response:
        try:
            self._authenticate(request)
        except TwilioError as error:
            return error.response
        return JSONResponse({"sid": self._sid, "friendly_name": "Sandbox", "status": "active", "type": "Full"})

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
        if not _are_variables(form.get("ContentVariables") or "{}"):
            raise TwilioError(400, 21656, "The ContentVariables Parameter is invalid.")
        if len(form.get("Body", "")) > MAX_BODY:
            raise TwilioError(400, 21617, f"The concatenated message body exceeds the {MAX_BODY} character limit")
        number = to.removeprefix("whatsapp:")
        if not (number.startswith("+") and number[1:].isdigit() and 8 <= len(number) <= 16):
            raise TwilioError(400, 21211, f"The 'To' number {to} is not a valid phone number.")
        if number in self._faults.blocked or to in self._faults.blocked:
            raise TwilioError(400, 21610, "Attempt to send to unsubscribed recipient")
        if answer := self._faults.answers.get(number):
            status, _, rest = answer.partition(" ")
            listed, _, message = rest.partition(" ")
            is_problem = message.startswith(PROBLEM)
            raise TwilioError(int(status), int(listed), message.removeprefix(PROBLEM), is_problem=is_problem)
        code = self._faults.errors.get(to, self._faults.errors.get(number))
        is_late = code is not None and code >= 63000 and not self._faults.at_once
        if code and not is_late and not (code == OUTSIDE_WINDOW and form.get("ContentSid")):
            raise TwilioError(429 if code == 20429 else 400, code, f"Refused by the sandbox with error {code}")

    def _late_error(self, message: OutboxMessage) -> int | None:
        """What WhatsApp finds wrong with a message that Twilio took."""
        to, form = message.to, message.content["raw"]
        number = to.removeprefix("whatsapp:")
        code = self._faults.errors.get(to, self._faults.errors.get(number))
        is_template = bool(form.get("ContentSid"))
        if code and not (code == OUTSIDE_WINDOW and is_template):
            return code
        if is_template:
            return 63021 if len(message.content["text"]) > MAX_TEMPLATE_TEXT else None
        is_open = time.monotonic() - self._wrote_s.get(number, -WINDOW_S) < WINDOW_S
        return None if is_open or self._faults.any_time or not to.startswith("whatsapp:") else OUTSIDE_WINDOW

    async def _report(self, message: OutboxMessage) -> None:
        """Take the message through its life, each step told to the status call-back."""
        error = self._late_error(message)
        statuses = ["sent", "failed"] if error else ["sent", "delivered", "read"]
        for status in [*reversed(statuses), *statuses] if self._faults.unordered else statuses:
            await asyncio.sleep(STEP_S)
            message = self._outbox.change(message, status=status, error_code=error if status == "failed" else None)
            url = message.content["raw"].get("StatusCallback")
            if url:
                await self._call_back(url, message)

    async def _call_back(self, url: str, message: OutboxMessage) -> None:
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
        try:
            status = await self._post(url, form)
        except httpx.HTTPError as error:
            self._outbox.change(message, call_back_problem=f"{type(error).__name__}: {error}")
        else:
            if status >= 400:
                self._outbox.change(message, call_back_problem=f"answered {status}")

    async def _post(self, url: str, form: Mapping[str, str]) -> int:
        headers = {"X-Twilio-Signature": signature(self._auth_token, url, form)}
        async with httpx.AsyncClient(timeout=5.0, verify=trust()) as client:
            return (await client.post(url, data=form, headers=headers)).status_code

    def _resource(self, message: OutboxMessage) -> dict[str, Any]:
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


def _are_variables(text: str) -> bool:
    """A JSON object of texts that are not empty and hold no line break: all that WhatsApp takes."""
    try:
        variables = json.loads(text)
    except ValueError:
        return False
    return isinstance(variables, dict) and all(
        isinstance(each, str) and each.strip() and "\n" not in each for each in variables.values()
    )


def _text_of(form: Mapping[str, str]) -> str:
    """What the phone shows: the text, or the template with its variables."""
    if form.get("Body"):
        return form["Body"]
    template = TEMPLATES.get(form["ContentSid"])
    if template is None:
        return f"{form['ContentSid']} {form.get('ContentVariables', '')}".strip()
    variables = json.loads(form.get("ContentVariables") or "{}")
    return re.sub(r"\{\{(\w+)\}\}", lambda found: str(variables.get(found[1], found[0])), template)


def signature(auth_token: str, url: str, form: Mapping[str, str]) -> str:
    """Sign a call-back as Twilio does: its address, then every parameter by name, HMAC-SHA1 in base64."""
    text = url + "".join(f"{name}{form[name]}" for name in sorted(form))
    return base64.b64encode(hmac.new(auth_token.encode(), text.encode(), hashlib.sha1).digest()).decode()
