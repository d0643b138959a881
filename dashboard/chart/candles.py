"""Minute candles of Kite's, by way of ingest."""

import time
from collections.abc import Iterator

from dashboard import resources
from stormalert.errors import InputError
from stormalert.market import candles as exchange
from stormalert.market.bars import Bar
from stormalert.process import REDIS_ERRORS, is_beating
from stormalert.units import MINUTE_MS

_LOOK_FOR_S = 1


def candles(token: int, from_ms: int, to_ms: int) -> list[Bar]:
    """Those that begin from `from_ms` to `to_ms`. Raises InputError with what is in the way, in words."""
    return [bar for part in parts(from_ms, to_ms) for bar in part_of(token, *part)]


def parts(from_ms: int, to_ms: int) -> Iterator[tuple[int, int]]:
    """The span in pieces that Kite gives at once; no candle begins in two of them."""
    while from_ms <= to_ms:
        yield from_ms, min(from_ms + exchange.SPAN_MAX_MS - MINUTE_MS, to_ms)
        from_ms += exchange.SPAN_MAX_MS


def part_of(token: int, from_ms: int, to_ms: int) -> list[Bar]:
    """One of these pieces. Raises InputError."""
    client = resources.thread_redis()
    try:
        if not is_beating(client, "ingest"):
            raise InputError("Ingest is not running, and only it can ask Kite for candles; try again when it is back.")
        request = exchange.ask(client, token, from_ms, to_ms)
        give_up_s = time.monotonic() + exchange.ANSWER_WITHIN_S
        while time.monotonic() < give_up_s:
            bars = exchange.wait(client, request, _LOOK_FOR_S)
            if bars is not None:
                return bars
    except REDIS_ERRORS:
        raise InputError("Redis does not answer, so candles cannot be asked for; try again in a moment.") from None
    raise InputError(f"Kite's candles did not come within {exchange.ANSWER_WITHIN_S} s; try again, or choose fewer days.")
