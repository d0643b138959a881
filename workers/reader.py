"""Reads one shard's alerts stream as the consumer group `dispatch`: acknowledged only when dispatched, so none is lost."""

import asyncio
import logging
import os
import socket
import time
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from stormalert.errors import InputError, StoreError
from stormalert.model import Alert
from stormalert.outage import Outage
from stormalert.process import AWAY_S, UNREACHABLE, sleep_unless
from stormalert.redis.keys import DISPATCH_GROUP, Shard
from stormalert.redis.streams import read_alert, written_ms
from workers.fanout import Fanout, Fired
from workers.pipeline.threads import in_thread
from workers.quota import Quota

log = logging.getLogger("stormalert")

BATCH = 100
# Below redis-py's socket time-out, and as long as stopping may take.
BLOCK_MS = 1_000
# A dispatcher that left an entry alone for so long is dead, or as slow as if it were.
CLAIM_IDLE_MS = 10_000
CLAIM_EVERY_S = 3.0
# Names of dispatchers that are gone are dropped from the group after this.
FORGET_IDLE_MS = 600_000

Entry = tuple[str, dict[str, str]]


class Reader:
    def __init__(self, shard: Shard, client: Redis, fanout: Fanout, quota: Quota) -> None:
        self._stream = shard.alerts
        self._client = client
        self._fanout = fanout
        self._quota = quota
        self._name = f"{socket.gethostname()}-{os.getpid()}"
        self._claimed_s = float("-inf")
        self._outage = Outage("redis", stream=shard.alerts)
        self._store_outage = Outage("store", stream=shard.alerts)
        # Read, and not dispatched yet: what fails is tried again at once and not when it counts as left behind.
        self._in_hand: list[Entry] = []
        self._has_group = False
        self.alerts = 0
        self.refused = 0

    async def run_until(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            try:
                await self._step()
            except UNREACHABLE as error:
                self._outage.begin(type(error).__name__)
                await asyncio.sleep(AWAY_S)
                continue
            except StoreError as error:
                self._store_outage.begin(str(error))
                await sleep_unless(stopping, AWAY_S)
                continue
            self._outage.end()

    async def behind(self) -> int:
        """How many alerts wait to be dispatched."""
        try:
            groups = await self._client.xinfo_groups(self._stream)
        except ResponseError:
            return 0
        ours = next((group for group in groups if group["name"] == DISPATCH_GROUP), None)
        # Redis does not know the lag of a stream that somebody trimmed by hand.
        return int(ours["pending"]) + int(ours["lag"] or 0) if ours else 0

    async def _step(self) -> None:
        if not self._has_group:
            await self._make_group()
        try:
            self._in_hand = self._in_hand or await self._left_behind() or await self._unread()
        except ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
            # Somebody emptied the server.
            self._has_group = False
            return
        if not (entries := self._in_hand):
            return
        fired = [(alert, written_ms(entry_id)) for entry_id, fields in entries if (alert := self._alert(entry_id, fields))]
        fired = await self._told_apart(fired)
        shares = await in_thread(lambda: self._fanout.shares({alert.user for alert, _ in fired}))
        over = await self._quota.over(fired, shares)
        await in_thread(lambda: self._fanout.dispatch(fired, over))
        self._store_outage.end()
        self.alerts += len(fired)
        await self._client.xack(self._stream, DISPATCH_GROUP, *(entry_id for entry_id, _ in entries))
        self._in_hand = []

    def _alert(self, entry_id: str, fields: dict[str, str]) -> Alert | None:
        try:
            return read_alert(fields)
        except InputError as error:
            # It would come again for ever.
            self.refused += 1
            log.error("alert refused", extra={"entry": entry_id, "reason": str(error)})
            return None

    async def _told_apart(self, fired: list[Fired]) -> list[Fired]:
        """A rule that fired, which Redis lost, fires anew under the same id: that is another alert, and has another id here."""
        known = await in_thread(lambda: self._fanout.known_otherwise([alert for alert, _ in fired]))
        lost = {alert_id for alert_id, fired_ms in known.items() if not await self._holds(alert_id, fired_ms)}
        return [(await self._another(alert) if alert.id in lost else alert, fired_ms) for alert, fired_ms in fired]

    async def _holds(self, alert_id: str, fired_ms: int) -> bool:
        """Whether the entry of that moment is there: then somebody only sent it twice."""
        entries: Any = await self._client.xrange(self._stream, min=str(fired_ms), max=str(fired_ms))
        return any(fields.get("alert") == alert_id for _, fields in entries)

    async def _another(self, alert: Alert) -> Alert:
        another = await in_thread(lambda: self._fanout.as_another(alert))
        log.warning("redis lost an alert: its rule fired again", extra={"alert": alert.id, "kept_as": another.id})
        return another

    async def _make_group(self) -> None:
        try:
            await self._client.xgroup_create(self._stream, DISPATCH_GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise
        self._has_group = True

    async def _unread(self) -> list[Entry]:
        found: Any = await self._client.xreadgroup(DISPATCH_GROUP, self._name, {self._stream: ">"}, count=BATCH, block=BLOCK_MS)
        return [entry for _stream, entries in found for entry in entries]

    async def _left_behind(self) -> list[Entry]:
        """What a dead dispatcher, or a failed step of ours, did not acknowledge."""
        if time.monotonic() - self._claimed_s < CLAIM_EVERY_S:
            return []
        claimed = await self._client.xautoclaim(self._stream, DISPATCH_GROUP, self._name, CLAIM_IDLE_MS, count=BATCH)
        entries: list[Entry] = claimed[1]
        if entries:
            log.info("alerts claimed", extra={"stream": self._stream, "count": len(entries)})
            return entries
        self._claimed_s = time.monotonic()
        await self._forget_the_dead()
        return []

    async def _forget_the_dead(self) -> None:
        for consumer in await self._client.xinfo_consumers(self._stream, DISPATCH_GROUP):
            if consumer["pending"] == 0 and consumer["idle"] > FORGET_IDLE_MS and consumer["name"] != self._name:
                await self._client.xgroup_delconsumer(self._stream, DISPATCH_GROUP, consumer["name"])
