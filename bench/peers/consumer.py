"""The asyncio consumer around a peer that decides in Python: ticks from a Redis stream, alerts to another.

Fairness: 500 ticks a read, the alerts of a read in one pipeline, and no place in the stream is saved.
"""

from collections.abc import Iterable
from typing import Protocol

from redis.asyncio import Redis

from bench.peers.records import PeerAlert, PeerTick

TICKS_A_READ = 500


class Decider(Protocol):
    def take(self, tick: PeerTick) -> Iterable[PeerAlert]: ...


class Consumer:
    def __init__(self, redis: Redis, ticks: str, alerts: str, decider: Decider) -> None:
        self._redis = redis
        self.ticks, self._alerts = ticks, alerts
        self._decider = decider
        self._cursor = "0-0"

    async def drain(self) -> None:
        """Takes every tick that is in the stream."""
        while entries := await self._redis.xrange(self.ticks, min=f"({self._cursor}", count=TICKS_A_READ):
            alerts = [
                alert
                for _, fields in entries
                for alert in self._decider.take(
                    PeerTick(int(fields["token"]), round(float(fields["price"]) * 10_000), int(fields["time"]))
                )
            ]
            if alerts:
                async with self._redis.pipeline(transaction=False) as pipe:
                    for alert in alerts:
                        pipe.xadd(self._alerts, alert._asdict())  # type: ignore[arg-type]
                    await pipe.execute()
            self._cursor = str(entries[-1][0])
