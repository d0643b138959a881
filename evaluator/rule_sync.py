"""Brings the rules in Redis in line with the store: at start, on every change, and after Redis was emptied.

It polls the store by time of change and reads a few seconds twice, so that a clock or a commit that is a little late hides no
change; arming the same revision again does nothing. It does so once, when Redis must have it on its disk: one that lost power
in between has forgotten it. Any number of them may run.
"""

import asyncio
import itertools
import logging
from collections.abc import Iterable
from typing import NamedTuple

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from evaluator.watchlists import Watchlists, is_part
from stormalert.errors import StoreError
from stormalert.model import Repeat, Rule, RuleState
from stormalert.outage import Outage
from stormalert.process import UNREACHABLE, sleep_unless
from stormalert.redis import keys
from stormalert.redis.keys import Shard, all_shards, shard_of
from stormalert.redis.scripts import Call, run_all
from stormalert.rules import engine
from stormalert.store import Store
from stormalert.units import now_ms

log = logging.getLogger(__name__)

POLL_S = 0.5
OVERLAP_MS = 5_000
# A server that writes to its disk each second may lose two.
ON_DISK_MS = 3_000
RULES_AT_ONCE = 500


class _Brought(NamedTuple):
    """`first_ms`: since when Redis has this revision; `is_again`: it was sent a second time."""

    revision: int
    first_ms: int
    is_again: bool = False


class RuleSync:
    def __init__(self, redis: Redis, store: Store, shards: int) -> None:
        self._redis = redis
        self._store = store
        self._shards = shards
        self._watchlists = Watchlists(redis, store)
        self._since_ms = 0
        # Revisions brought over in the last pass, which the next one reads again.
        self._recent: dict[str, _Brought] = {}
        self._outage = Outage("rule sync", each_reason=True)

    async def run_until(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            try:
                await self.bring_over()
            except (StoreError, *UNREACHABLE) as error:
                self._outage.begin(str(error))
            else:
                self._outage.end()
            await sleep_unless(stopping, POLL_S)

    async def bring_over(self) -> int:
        """One pass; returns how many rules were armed or disarmed."""
        started_ms = now_ms()
        is_emptied = not await self._is_marked()
        changed = self._store.rules_changed(0 if is_emptied else max(self._since_ms - OVERLAP_MS, 0))
        recent: dict[str, _Brought] = {}
        count = 0
        while chunk := await asyncio.to_thread(lambda: list(itertools.islice(changed, RULES_AT_ONCE))):
            brought = {rule.id: self._brought(rule, started_ms) for rule in chunk}
            new = [rule for rule in chunk if is_emptied or brought[rule.id] != self._recent.get(rule.id)]
            count += await self._bring(new, is_emptied)
            recent |= {rule.id: brought[rule.id] for rule in chunk if rule.updated_ms >= started_ms - OVERLAP_MS}
        count += await self._bring(await self._watchlists.changed(), is_emptied)
        if is_emptied:
            await self._mark()
        self._since_ms, self._recent = started_ms, recent
        if count:
            log.info("rules brought over", extra={"rules": count})
        return count

    def _brought(self, rule: Rule, at_ms: int) -> _Brought:
        """How it stands after this pass."""
        known = self._recent.get(rule.id)
        if known is None or known.revision != rule.revision:
            return _Brought(rule.revision, at_ms)
        return known._replace(is_again=known.is_again or at_ms - known.first_ms >= ON_DISK_MS)

    async def _bring(self, rules: list[Rule], is_emptied: bool) -> int:
        single = [rule for rule in rules if not rule.is_on_watchlist]
        for rule in rules:
            if rule.is_on_watchlist:
                single += await self._watchlists.parts(rule)
        if is_emptied:
            single = await asyncio.to_thread(lambda: [self._after_last_alert(rule) for rule in single])
        count = await self._send(single)
        for rule in rules:
            if rule.is_on_watchlist:
                await self._watchlists.settle(rule)
        return count

    # The marker is there as long as Redis holds what was brought over.
    async def _is_marked(self) -> bool:
        layouts = [await self._redis.get(shard.rule_sync) for shard in all_shards(self._shards)]
        for shard, layout in zip(all_shards(self._shards), layouts, strict=True):
            if layout not in (None, engine.LAYOUT):
                await self._forget(shard)
        return all(layout == engine.LAYOUT for layout in layouts)

    async def _mark(self) -> None:
        for shard in all_shards(self._shards):
            await self._redis.set(shard.rule_sync, engine.LAYOUT)

    async def _forget(self, shard: Shard) -> None:
        log.warning("the engine's state is of another version: all rules are re-armed", extra={"shard": shard.tag})
        for family in keys.ENGINE:
            async for key in self._redis.scan_iter(match=family.glob(shard=shard), count=1_000):
                await self._redis.unlink(key)
        await self._redis.delete(shard.rule_sync)

    def _after_last_alert(self, rule: Rule) -> Rule:
        """A rule whose cooldown Redis has forgotten; without this a fresh Redis would repeat its alert."""
        if rule.state is not RuleState.ACTIVE:
            return rule
        last_ms = self._store.last_alert_ms(rule.id)
        if last_ms is None:
            return rule
        if rule.repeat is Repeat.ONCE:
            # Of a single rule the store says so itself, unless its owner armed it again.
            return rule.model_copy(update={"state": RuleState.SPENT}) if is_part(rule) else rule
        return rule.model_copy(update={"armed_at_ms": max(rule.armed_at_ms, last_ms + rule.cooldown_ms)})

    async def _send(self, rules: Iterable[Rule]) -> int:
        calls = [call for rule in rules if (call := self._call(rule))]
        replies = await run_all(self._redis, calls)
        for reply in replies:
            if isinstance(reply, ResponseError):
                log.error("rule refused", extra={"reason": str(reply)})
        return sum(reply is True for reply in replies)

    def _call(self, rule: Rule) -> Call[bool] | None:
        shard = shard_of(rule.token, self._shards)
        if rule.state is RuleState.ACTIVE:
            return engine.arm(shard, rule, least_epoch=max(now_ms(), rule.updated_ms))
        if rule.state is RuleState.SPENT:
            # The engine spent it itself; on a Redis that was emptied there is nothing to arm.
            return None
        return engine.disarm(shard, rule)
