"""What lies around a price: how it went in the last hour, and the nearest prices at which a user's rules fire."""

from collections.abc import Collection, Iterable

from redis.asyncio import Redis

from stormalert.batches import batched
from stormalert.redis.keys import shard_of
from stormalert.redis.scripts import run_all
from stormalert.rules.engine import Inspection, inspect
from stormalert.units import MINUTE_MS, now_ms

# Minutes of a trend, and how long one that was read is good: a page goes on from there by itself.
TREND_MIN = 60
TREND_GOOD_MS = MINUTE_MS
# Of each family of rules, so that all users who have rules near the price are among them.
RULES_READ = 20
# Instruments at once: some 5 ms of the server.
READ_AT_ONCE = 50

# Side, price in rupees, the rule in words.
Trigger = list[str]
Triggers = dict[int, list[Trigger]]


class Trends:
    def __init__(self, redis: Redis, shards: int) -> None:
        self._redis = redis
        self._shards = shards
        self._found: dict[int, tuple[int, list[float]]] = {}

    async def of(self, tokens: Collection[int]) -> dict[int, list[float]]:
        """Closing prices of the last hour's minutes in rupees, oldest first; instruments without one are left out."""
        now = now_ms()
        self._found = {token: found for token, found in self._found.items() if now - found[0] <= TREND_GOOD_MS}
        old = [token for token in tokens if token not in self._found]
        for part in batched(old, READ_AT_ONCE):
            async with self._redis.pipeline(transaction=False) as pipe:
                for token in part:
                    pipe.xrevrange(shard_of(token, self._shards).bars(token), count=TREND_MIN)
                for token, entries in zip(part, await pipe.execute(), strict=True):
                    self._found[token] = (now, [float(fields["close"]) for _, fields in reversed(entries)])
        return {token: trend for token in tokens if token in self._found and (trend := self._found[token][1])}


class Outlook:
    """Triggers of all users on the instruments that somebody sees, read in turn."""

    def __init__(self, redis: Redis, shards: int) -> None:
        self._redis = redis
        self._shards = shards
        self._last = 0
        self._found: dict[int, dict[str, list[Trigger]]] = {}

    def of(self, user: str, tokens: Iterable[int]) -> Triggers:
        """The nearest on each side of the price, of each instrument on which the user has any."""
        return {token: found for token in tokens if (found := self._found.get(token, {}).get(user))}

    async def look(self, tokens: Collection[int]) -> dict[str, Triggers]:
        """The next of them; returns what changed, by user. An empty list: no rule of theirs is armed there any more."""
        # Of what nobody saw for a while the next one would be shown the past.
        self._found = {token: found for token, found in self._found.items() if token in tokens}
        ordered = sorted(tokens)
        behind = [token for token in ordered if token > self._last]
        part = [*behind, *ordered][: min(READ_AT_ONCE, len(ordered))]
        if not part:
            return {}
        self._last = part[-1]
        replies = await run_all(self._redis, [inspect(shard_of(token, self._shards), token, RULES_READ) for token in part])
        changed: dict[str, Triggers] = {}
        for token, reply in zip(part, replies, strict=True):
            # One that the script refuses is told by whoever evaluates it.
            now = _by_user(reply) if not isinstance(reply, Exception) else {}
            before = self._found.get(token, {})
            for user in now.keys() | before.keys():
                if now.get(user) != before.get(user):
                    changed.setdefault(user, {})[token] = now.get(user, [])
            self._found[token] = now
        return changed


def _by_user(found: Inspection) -> dict[str, list[Trigger]]:
    nearest: dict[tuple[str, str], Trigger] = {}
    for each in found.nearest:
        nearest.setdefault((each.user, each.side), [each.side, each.trigger, each.condition])
    by_user: dict[str, list[Trigger]] = {}
    for (user, _), trigger in nearest.items():
        by_user.setdefault(user, []).append(trigger)
    return by_user
