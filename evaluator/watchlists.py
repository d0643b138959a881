"""Rules on a whole watchlist: edited as one, armed on each of its instruments."""

import asyncio
from collections.abc import Iterable
from typing import cast

from redis.asyncio import Redis

from stormalert.model import Rule, RuleState
from stormalert.redis import keys
from stormalert.store import Store


def is_part(rule: Rule) -> bool:
    """Whether it is a watchlist's rule on one instrument; see Rule.on."""
    return rule.id.endswith(f"_{rule.token}")


class Watchlists:
    """On which instruments a rule was armed stands in Redis: those that left the watchlist meanwhile must be disarmed too."""

    def __init__(self, redis: Redis, store: Store) -> None:
        self._redis = redis
        self._store = store
        # Active rules on watchlists, each with the instruments on which it was settled.
        self._active: dict[str, tuple[Rule, frozenset[int]]] = {}
        # Of those whose parts are on their way: what fails before it is settled comes again.
        self._wanted: dict[str, frozenset[int]] = {}

    async def changed(self) -> list[Rule]:
        """Active rules whose watchlist is not what it was."""
        users = {rule.user for rule, _ in self._active.values()}
        listed = await asyncio.to_thread(lambda: {user: frozenset(self._store.watchlist(user)) for user in users})
        return [rule for rule, tokens in self._active.values() if listed[rule.user] != tokens]

    async def parts(self, rule: Rule) -> list[Rule]:
        """What must be armed and disarmed for the rule as it is now; `settle` when that is done."""
        armed = await self._armed(rule)
        wanted: frozenset[int] = frozenset()
        if rule.state is RuleState.ACTIVE:
            wanted = frozenset(await asyncio.to_thread(self._store.watchlist, rule.user))
            if wanted:
                await self._redis.sadd(keys.spread(rule.id), *wanted)
        self._wanted[rule.id] = wanted
        gone = rule.model_copy(update={"state": RuleState.PAUSED if rule.state is RuleState.PAUSED else RuleState.DELETED})
        return await asyncio.to_thread(lambda: [*self._on(rule, wanted), *self._on(gone, armed - wanted)])

    async def settle(self, rule: Rule) -> None:
        """Forgets the instruments on which the rule is no more; those of a paused rule are known still."""
        if rule.state is RuleState.DELETED:
            await self._redis.delete(keys.spread(rule.id))
        wanted = self._wanted.pop(rule.id)
        self._active.pop(rule.id, None)
        if rule.state is RuleState.ACTIVE:
            self._active[rule.id] = rule, wanted
            if gone := await self._armed(rule) - wanted:
                await self._redis.srem(keys.spread(rule.id), *gone)

    async def _armed(self, rule: Rule) -> frozenset[int]:
        return frozenset(int(token) for token in cast(set[str], await self._redis.smembers(keys.spread(rule.id))))

    def _on(self, rule: Rule, tokens: Iterable[int]) -> list[Rule]:
        found = (self._store.instrument(token) for token in tokens)
        return [rule.on(instrument) for instrument in found if instrument]
