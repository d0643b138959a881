"""Minute candles of the past, which the dashboard asks ingest for: only ingest talks with Kite.

A request is an entry of one list, its answer a list of its own with one entry; whoever takes an entry takes it away.
"""

import json
from collections.abc import Iterable
from typing import NamedTuple

import redis
import redis.asyncio

from stormalert.access.security import new_id
from stormalert.errors import InputError
from stormalert.market.bars import Bar
from stormalert.redis import keys
from stormalert.units import DAY_MS, SECOND_MS, now_ms

# Kite gives minutes of at most so long at once.
SPAN_MAX_MS = 60 * DAY_MS
# Whoever asked has given up by then.
ANSWER_WITHIN_S = 30
WAITING_MAX = 200


class Request(NamedTuple):
    """Candles that begin from `from_ms` to `to_ms`."""

    id: str
    token: int
    from_ms: int
    to_ms: int
    asked_ms: int

    @property
    def is_stale(self) -> bool:
        return now_ms() - self.asked_ms > ANSWER_WITHIN_S * SECOND_MS


def ask(client: redis.Redis, token: int, from_ms: int, to_ms: int) -> str:
    """The request's id. Raises InputError when too many wait."""
    if int(client.llen(keys.CANDLES_ASKED)) >= WAITING_MAX:
        raise InputError("Too many requests for Kite's candles are waiting; try again in a minute.")
    request = Request(new_id(), token, from_ms, to_ms, now_ms())
    client.lpush(keys.CANDLES_ASKED, json.dumps(request))
    return request.id


def wait(client: redis.Redis, request: str, within_s: int) -> list[Bar] | None:
    """The answer; None when there is none yet. Raises InputError with the reason when there are no candles."""
    found = client.blpop([keys.candles(request)], within_s)
    if not found:
        return None
    answer = json.loads(found[1])
    if "reason" in answer:
        raise InputError(answer["reason"])
    return [Bar(*row) for row in answer["bars"]]


async def take(client: redis.asyncio.Redis, within_s: int) -> Request | None:
    found = await client.brpop([keys.CANDLES_ASKED], within_s)
    return Request(*json.loads(found[1])) if found else None


async def answer(client: redis.asyncio.Redis, request: str, bars: Iterable[Bar] = (), *, reason: str = "") -> None:
    text = json.dumps({"reason": reason} if reason else {"bars": list(bars)}, separators=(",", ":"))
    async with client.pipeline(transaction=False) as pipe:
        pipe.lpush(keys.candles(request), text)
        pipe.expire(keys.candles(request), keys.candles.kept_s)
        await pipe.execute()
