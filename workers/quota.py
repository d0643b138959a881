"""How many alerts a user is sent one by one, in some seconds and in an hour; the others are told together (summary.py)."""

from collections.abc import Mapping, Sequence

from redis.asyncio import Redis

from stormalert.model import Alert
from stormalert.redis import keys
from stormalert.redis.scripts import call_all, script
from stormalert.units import HOUR_MS, SECOND_MS
from workers.digest import Why
from workers.fanout import Share

_ANSWERS = {0: Why.HOUR, 2: Why.BURST}


class Quota:
    def __init__(self, client: Redis) -> None:
        self._client = client

    async def over(self, fired: Sequence[tuple[Alert, int]], shares: Mapping[str, Share]) -> dict[str, Why]:
        """Ids of the alerts that are too many, and why; each comes with when it fired, in ms. `shares` is by user."""
        count = script("quota")
        calls = [
            (
                count,
                count.pack(
                    window=keys.user_window(alert.user),
                    recent=keys.user_recent(alert.user),
                    alert=alert.id,
                    fired=at_ms,
                    most=shares[alert.user].per_hour,
                    length=HOUR_MS,
                    burst=shares[alert.user].burst.most,
                    burst_length=shares[alert.user].burst.within_s * SECOND_MS,
                ),
            )
            for alert, at_ms in fired
        ]
        answers = await call_all(self._client, calls)
        # An error of the script lets the alert through: it must not vanish.
        told = zip(fired, answers, strict=True)
        return {alert.id: _ANSWERS[answer] for (alert, _), answer in told if answer in (0, 2)}
