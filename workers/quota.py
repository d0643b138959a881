"""How many alerts a user is sent one by one, in some seconds and in an hour; the others are told together (summary.py)."""

from collections.abc import Mapping, Sequence

from redis.asyncio import Redis

from stormalert import keys
from stormalert.model import Alert
from stormalert.scripts import call_all, script
from stormalert.settings import Settings
from stormalert.units import HOUR_MS, SECOND_MS
from stormalert.wishes import Burst
from workers.summary import Why

_ANSWERS = {0: Why.HOUR, 2: Why.BURST}


class Quota:
    def __init__(self, client: Redis, config: Settings) -> None:
        self._client = client
        self.most = config.alerts_per_hour

    async def over(self, fired: Sequence[tuple[Alert, int]], bursts: Mapping[str, Burst]) -> dict[str, Why]:
        """Ids of the alerts that are too many, and why; each comes with when it fired, in ms. `bursts` is by user."""
        count = script("quota")
        calls = [
            (
                count,
                count.pack(
                    window=keys.user_window(alert.user),
                    recent=keys.user_recent(alert.user),
                    alert=alert.id,
                    fired=at_ms,
                    most=self.most,
                    length=HOUR_MS,
                    burst=bursts[alert.user].most,
                    burst_length=bursts[alert.user].within_s * SECOND_MS,
                ),
            )
            for alert, at_ms in fired
        ]
        answers = await call_all(self._client, calls)
        # An error of the script lets the alert through: it must not vanish.
        told = zip(fired, answers, strict=True)
        return {alert.id: _ANSWERS[answer] for (alert, _), answer in told if answer in (0, 2)}
