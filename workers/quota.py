"""How many alerts a user is sent one by one, in some seconds and in an hour; the others are told together (digest.py)."""

from collections.abc import Mapping, Sequence

from redis.asyncio import Redis

from stormalert.model import Alert
from stormalert.redis import keys
from stormalert.redis.scripts import Call, run_all, script
from stormalert.units import HOUR_MS, SECOND_MS
from workers.digest import Why
from workers.fanout import Share

_ANSWERS = {0: Why.HOUR, 2: Why.BURST}


class Quota:
    def __init__(self, client: Redis) -> None:
        self._client = client

    async def over(self, fired: Sequence[tuple[Alert, int]], shares: Mapping[str, Share]) -> dict[str, Why]:
        """Ids of the alerts that are too many, and why; each comes with when it fired, in ms. `shares` is by user."""
        answers = await run_all(self._client, [_count(alert, at_ms, shares[alert.user]) for alert, at_ms in fired])
        # An error of the script lets the alert through: it must not vanish.
        told = zip(fired, answers, strict=True)
        return {alert.id: answer for (alert, _), answer in told if isinstance(answer, Why)}


def _count(alert: Alert, at_ms: int, share: Share) -> Call[Why | None]:
    return script("quota").call(
        _ANSWERS.get,
        window=keys.user_window(alert.user),
        recent=keys.user_recent(alert.user),
        alert=alert.id,
        fired=at_ms,
        most=share.per_hour,
        length=HOUR_MS,
        burst=share.burst.most,
        burst_length=share.burst.within_s * SECOND_MS,
    )
