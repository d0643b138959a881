"""Says when a recording begins, when it is over, and how many alerts it made, once the last of them is delivered."""

import time

import redis

from ops.launch.plan import RunPlan
from ops.launch.recording import progress
from stormalert.redis.keys import DISPATCH_GROUP, EVALUATOR_GROUP, all_shards
from stormalert.store import Store
from stormalert.units import now_ms

# Nothing on its way for so long: the last tick has come through.
QUIET_S = 3


class Replaying:
    def __init__(self, plan: RunPlan, store: Store, client: redis.Redis) -> None:
        self._plan, self._store, self._redis = plan, store, client
        self._has_begun = False
        self._is_over = False
        self._alerts = 0
        self._changed_s = time.monotonic()

    def advance(self) -> list[str]:
        if self._is_over:
            return []
        played, total = progress(self._plan.sandbox_url)
        lines = []
        if played and not self._has_begun:
            self._has_begun = True
            lines.append(f"✓ recording  began: {total} ticks")
        if played == total and self._is_quiet():
            self._is_over = True
            lines.append(f"✓ recording  is over: {self._alerts} alerts, all delivered; look at {self._plan.sandbox_url}/outbox")
        return lines

    def _is_quiet(self) -> bool:
        shards = all_shards(self._plan.settings.shards)
        alerts = sum(self._redis.xlen(shard.alerts) for shard in shards)
        waiting = sum(_waiting(self._redis, shard.ticks, EVALUATOR_GROUP) for shard in shards)
        waiting += sum(_waiting(self._redis, shard.alerts, DISPATCH_GROUP) for shard in shards)
        if alerts != self._alerts or waiting or self._store.unfinished_deliveries(now_ms(), 1):
            self._alerts, self._changed_s = alerts, time.monotonic()
        return time.monotonic() - self._changed_s >= QUIET_S


def _waiting(client: redis.Redis, stream: str, group: str) -> int:
    """Entries that the group has not read or not acknowledged."""
    for found in client.xinfo_groups(stream) if client.exists(stream) else []:
        if found["name"] == group:
            return int(found["pending"]) + int(found["lag"] or 0)
    return 0
