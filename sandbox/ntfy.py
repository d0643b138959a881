"""An ntfy server, as far as publishing goes: POST / with JSON, PUT or POST /TOPIC with headers, GET /TOPIC/json?poll=1."""

import json
import re
import secrets
import string
from collections.abc import Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.faults import ChannelFaults, Trouble, hang
from sandbox.outbox import Outbox, OutboxMessage
from sandbox.rates import Rates

MAX_BYTES = 4096
TOPIC = re.compile(r"[-_A-Za-z0-9]{1,64}")
PRIORITIES = {"min": 1, "low": 2, "default": 3, "high": 4, "max": 5, "urgent": 5}
MAX_ACTIONS = 3
# What each kind of action cannot do without.
ACTIONS = {"view": ("label", "url"), "http": ("label", "url"), "broadcast": ("label",)}
TEXTS = ("title", "message", "click", "icon", "attach", "filename", "email", "delay")


class NtfyError(Exception):
    """An error as ntfy answers it: the first three digits of its code are the status."""

    def __init__(self, code: int, sentence: str, retry_after_s: float = 0.0) -> None:
        super().__init__(sentence)
        status = code // 100
        headers = {"Retry-After": f"{max(round(retry_after_s), 1)}"} if retry_after_s else None
        self.response = JSONResponse({"code": code, "http": status, "error": sentence}, status, headers)


class Ntfy:
    """One server; topics are made by whoever writes to them first."""

    def __init__(self, outbox: Outbox, faults: ChannelFaults, rates: Rates) -> None:
        self._outbox, self._faults, self._rates = outbox, faults, rates
        self._tokens: dict[str, str] = {}
        self._disallowed: set[str] = set()

    def routes(self) -> list[Route]:
        """Last of all: a topic may have any name that is no other part's."""
        return [
            Route("/", self._publish_json, methods=["POST"]),
            Route("/v1/health", self._health, methods=["GET"]),
            Route("/{topic}/json", self._poll, methods=["GET"]),
            Route("/{topic}", self._publish, methods=["POST", "PUT"]),
        ]

    def leave_to(self, others: Iterable[BaseRoute]) -> None:
        """No topic is named as another part's place."""
        self._disallowed = {str(getattr(route, "path", "")).split("/")[1] for route in others}

    def protect(self, topic: str, token: str) -> bool:
        """Only who has the token may write there, with an empty one everybody; False when it is no topic."""
        if not TOPIC.fullmatch(topic):
            return False
        self._tokens.pop(topic, None)
        if token:
            self._tokens[topic] = token
        return True

    async def _health(self, request: Request) -> Response:
        return JSONResponse({"healthy": True})

    async def _publish_json(self, request: Request) -> Response:
        try:
            fields = json.loads(await request.body())
        except ValueError:
            fields = None
        if not isinstance(fields, dict) or not isinstance(fields.get("topic"), str):
            return NtfyError(40017, "invalid request: request body must be message JSON").response
        return await self._take(request, fields.pop("topic"), fields)

    async def _publish(self, request: Request) -> Response:
        headers = {name: text for name, text in request.headers.items() if name in (*TEXTS, "priority", "tags", "actions")}
        fields: dict[str, Any] = {**headers, "message": (await request.body()).decode(errors="replace")}
        if "tags" in fields:
            fields["tags"] = [tag.strip() for tag in fields["tags"].split(",")]
        try:
            fields["actions"] = json.loads(fields.get("actions", "[]"))
            priority = fields.get("priority", "default")
            fields["priority"] = PRIORITIES.get(priority) or int(priority)
        except ValueError:
            return NtfyError(40007, "invalid priority parameter, or actions that are no JSON").response
        return await self._take(request, request.path_params["topic"], fields)

    async def _take(self, request: Request, topic: str, fields: dict[str, Any]) -> Response:
        try:
            self._admit(request, topic)
            _check(fields)
            trouble = await self._trouble()
        except NtfyError as error:
            return error.response
        number = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(12))
        content = {
            "message_id": number,
            # As a phone shows it.
            "text": "\n".join(filter(None, (fields.get("title"), fields.get("message") or "triggered"))),
            "status": f"priority {fields.get('priority', 3)}",
            "raw": fields,
        }
        message = self._outbox.add("ntfy", topic, content, key=number)
        if trouble is Trouble.LOST_REPLY:
            await hang()
        return JSONResponse(_event(message))

    def _admit(self, request: Request, topic: str) -> None:
        if not TOPIC.fullmatch(topic):
            raise NtfyError(40009, "invalid request: topic invalid")
        if topic in self._disallowed:
            raise NtfyError(40010, "invalid request: topic name is disallowed")
        given = request.headers.get("authorization", "")
        if topic in self._tokens and given != f"Bearer {self._tokens[topic]}":
            raise NtfyError(40101, "unauthorized") if given else NtfyError(40301, "forbidden")
        if topic in self._faults.blocked:
            raise NtfyError(40301, "forbidden")
        if answer := self._faults.answers.get(topic):
            status, _, sentence = answer.partition(" ")
            raise NtfyError(int(status) * 100 + 1, sentence)
        if code := self._faults.errors.get(topic):
            raise NtfyError(code * 100 + 1 if code < 1000 else code, "refused by the sandbox")

    async def _trouble(self) -> Trouble | None:
        """What happens to a message beside being taken. Raises NtfyError."""
        wait_s = self._rates.ntfy()
        trouble = Trouble.TOO_MANY if wait_s else self._faults.next_trouble()
        if trouble is Trouble.TOO_MANY:
            sentence = "limit reached: too many requests, please be nice"
            raise NtfyError(42901, sentence, wait_s or self._faults.retry_after_s)
        if trouble is Trouble.SERVER_ERROR:
            raise NtfyError(50001, "internal server error")
        if trouble is Trouble.TIME_OUT:
            await hang()
            raise NtfyError(50401, "timed out")
        return trouble

    async def _poll(self, request: Request) -> Response:
        """What came to the topic and is kept, a line each; a subscription that stays open is not played."""
        if request.query_params.get("poll") != "1":
            return NtfyError(40000, "the sandbox answers ?poll=1 only").response
        topic = request.path_params["topic"]
        events = [_event(message) for message in self._outbox.after(0, "ntfy") if message.to == topic]
        return PlainTextResponse("".join(f"{json.dumps(event)}\n" for event in events), media_type="application/x-ndjson")


def _check(fields: dict[str, Any]) -> None:
    """Raises NtfyError."""
    if not all(isinstance(fields.get(name, ""), str) for name in TEXTS):
        raise NtfyError(40017, "invalid request: request body must be message JSON")
    priority, tags, actions = fields.get("priority", 3), fields.get("tags", []), fields.get("actions", [])
    if not isinstance(priority, int) or not 0 <= priority <= 5:
        raise NtfyError(40007, "invalid priority parameter")
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise NtfyError(40017, "invalid request: request body must be message JSON")
    if not isinstance(actions, list) or len(actions) > MAX_ACTIONS or not all(_is_action(action) for action in actions):
        raise NtfyError(40018, "invalid request: actions invalid")
    if len(fields.get("message", "").encode()) > MAX_BYTES:
        raise NtfyError(41301, "attachment too large, or bandwidth limit reached")


def _is_action(action: object) -> bool:
    needed = ACTIONS.get(str(action.get("action"))) if isinstance(action, dict) else None
    return needed is not None and all(isinstance(action, dict) and action.get(name) for name in needed)


def _event(message: OutboxMessage) -> dict[str, Any]:
    raw = message.content["raw"]
    shown = {name: raw[name] for name in ("title", "priority", "tags", "click", "actions") if raw.get(name)}
    told = {"id": message.key, "time": message.time_ms // 1000, "event": "message", "topic": message.to}
    return {**told, "message": raw.get("message") or "triggered", **shown}
