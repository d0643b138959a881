"""Minutes of an instrument for a chart; the one place where pages look for them."""

from typing import Any, cast

from dashboard import resources
from dashboard.chart import candles
from stormalert.market.bars import Bar, read_bars
from stormalert.redis.keys import shard_of
from stormalert.units import DAY_MS, HOUR_MS, MINUTE_MS

# As many as ingest keeps of an instrument.
MOST = 900
# On both sides of a moment: the session that it is in.
_SESSION_MS = 7 * HOUR_MS


def newest(token: int) -> list[Bar]:
    """Oldest first; raises what redis-py does when Redis is away."""
    return read_bars(reversed(_redis().xrevrange(_key(token), count=MOST)))


def around(token: int, time_ms: int) -> list[Bar]:
    """Those of a day before the moment and a day after it, oldest first; none when they are not kept any more."""
    first, last = max(0, time_ms - DAY_MS), time_ms + DAY_MS
    return read_bars(_redis().xrange(_key(token), str(first), str(last), count=MOST * 2))


def fetch(token: int, time_ms: int) -> list[Bar]:
    """The same from Kite, of what is not kept any more. Raises InputError with what is in the way."""
    minute_ms = time_ms // MINUTE_MS * MINUTE_MS
    return candles.candles(token, minute_ms - _SESSION_MS, minute_ms + _SESSION_MS)


def _redis() -> Any:
    return cast(Any, resources.thread_redis())


def _key(token: int) -> str:
    return shard_of(token, resources.config().shards).bars(token)
