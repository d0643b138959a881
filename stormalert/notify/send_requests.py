"""What the workers are asked to send to one channel beside alerts: a code or a test message, or a notice to an admin.

An errand says what and where; neither a code nor an address is in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from redis import Redis

from stormalert.access.security import new_id
from stormalert.redis import keys

KEPT_S = 600
_LENGTH_MAX = 10_000


class ErrandKind(StrEnum):
    CODE = "code"
    TEST = "test"
    NOTICE = "notice"


class ErrandState(StrEnum):
    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    state: ErrandState
    reason: str = ""


def ask(client: Redis, kind: ErrandKind, channel: str) -> str:
    """The errand's id."""
    errand = new_id()
    client.hset(keys.errand(errand), mapping={"state": ErrandState.WAITING.value, "reason": ""})
    client.expire(keys.errand(errand), KEPT_S)
    fields: dict[Any, Any] = {"errand": errand, "kind": kind.value, "channel": channel}
    client.xadd(keys.ERRANDS, fields, maxlen=_LENGTH_MAX, approximate=True)
    return errand


def ask_notice(client: Redis, channel: str, notice: Mapping[str, str]) -> None:
    """`notice` has an id, headline, details, ... as text. Asked twice under one id it goes out once; nobody waits for it."""
    fields: dict[Any, Any] = {"kind": ErrandKind.NOTICE.value, "channel": channel, **notice}
    client.xadd(keys.ERRANDS, fields, maxlen=_LENGTH_MAX, approximate=True)


def settle(client: Redis, errand: str, outcome: Outcome) -> None:
    client.hset(keys.errand(errand), mapping={"state": outcome.state.value, "reason": outcome.reason})
    client.expire(keys.errand(errand), KEPT_S)


def outcome(client: Redis, errand: str) -> Outcome | None:
    """What became of it; None when that is forgotten."""
    state, reason = client.hmget(keys.errand(errand), ["state", "reason"])
    return Outcome(ErrandState(str(state)), str(reason or "")) if state else None
