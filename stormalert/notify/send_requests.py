"""What the workers are asked to send to one channel beside alerts: a code or a test message, or a notice.

A request says what and where; neither a code nor an address is in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from redis import Redis

from stormalert.access.security import new_id
from stormalert.redis import keys

_LENGTH_MAX = 10_000


class SendKind(StrEnum):
    CODE = "code"
    TEST = "test"
    NOTICE = "notice"


class SendState(StrEnum):
    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class SendResult:
    state: SendState
    reason: str = ""


def ask(client: Redis, kind: SendKind, channel: str) -> str:
    """The request's id."""
    request = new_id()
    client.hset(keys.send_request(request), mapping={"state": SendState.WAITING.value, "reason": ""})
    client.expire(keys.send_request(request), keys.send_request.kept_s)
    fields: dict[Any, Any] = {"errand": request, "kind": kind.value, "channel": channel}
    client.xadd(keys.SEND_REQUESTS, fields, maxlen=_LENGTH_MAX, approximate=True)
    return request


def ask_notice(client: Redis, channel: str, notice: Mapping[str, str]) -> None:
    """`notice` has an id, headline, details, ... as text. Asked twice under one id it goes out once; nobody waits for it."""
    fields: dict[Any, Any] = {"kind": SendKind.NOTICE.value, "channel": channel, **notice}
    client.xadd(keys.SEND_REQUESTS, fields, maxlen=_LENGTH_MAX, approximate=True)


def settle(client: Redis, request: str, result: SendResult) -> None:
    client.hset(keys.send_request(request), mapping={"state": result.state.value, "reason": result.reason})
    client.expire(keys.send_request(request), keys.send_request.kept_s)


def result(client: Redis, request: str) -> SendResult | None:
    """What became of it; None when that is forgotten."""
    state, reason = client.hmget(keys.send_request(request), ["state", "reason"])
    return SendResult(SendState(str(state)), str(reason or "")) if state else None
