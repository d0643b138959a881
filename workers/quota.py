"""How many alerts a user is sent one by one in an hour; the others are told together, in summaries (summary.py)."""

from collections.abc import Sequence

from redis.asyncio import Redis

from stormalert import keys
from stormalert.model import Alert
from stormalert.scripts import call_all, script
from stormalert.settings import Settings
from stormalert.units import HOUR_MS


class Quota:
    def __init__(self, client: Redis, config: Settings) -> None:
        self._client = client
        self.most = config.alerts_per_hour

    async def over(self, fired: Sequence[tuple[Alert, int]]) -> set[str]:
        """Ids of the alerts that are too many; each comes with when it fired, in ms."""
        count = script("quota")
        calls = [
            (
                count,
                count.pack(window=keys.user_window(alert.user), alert=alert.id, fired=at_ms, most=self.most, length=HOUR_MS),
            )
            for alert, at_ms in fired
        ]
        answers = await call_all(self._client, calls)
        # An error of the script lets the alert through: it must not vanish.
        return {alert.id for (alert, _), answer in zip(fired, answers, strict=True) if answer == 0}
