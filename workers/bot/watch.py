"""Looks every few seconds what is wrong, and has every admin told; one process at a time does.

It asks for sends and sends nothing itself, but for full.py. It runs beside those who run them, so that admins are told of a
dispatcher or a worker that is gone; of a bot that is gone the status page tells.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from redis import Redis as ThreadRedis
from redis.asyncio import Redis

from stormalert.config.settings import Settings
from stormalert.errors import StormError
from stormalert.health import certificates
from stormalert.health.facts import Facts, Tries, Waiting
from stormalert.health.finding import Level
from stormalert.health.limits import MESSAGES_LATE_BAD_MS, REFUSED_WITHIN_MS
from stormalert.health.reading import read_facts
from stormalert.health.report import report
from stormalert.model import ChannelKind, Role
from stormalert.notify import alarms, send_requests
from stormalert.outage import Outage
from stormalert.process import REDIS_ERRORS, sleep_unless
from stormalert.redis import keys
from stormalert.store import Store
from stormalert.units import HOUR_MS
from workers import notice_policy, notices
from workers.bot.full import Full
from workers.bot.polling import Lock
from workers.notices import Incident, Notice

log = logging.getLogger("stormalert")

LOOK_S = 3.0
CERTIFICATE_EVERY_MS = HOUR_MS
DELIVERIES_MAX = 1_000
# Addresses that mean every interface lead nowhere from outside.
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared, not listened at

# Of each worker, by its host and number: what it counted.
Counts = Mapping[str, Mapping[str, int]]


class HealthWatch:
    def __init__(
        self, client: Redis, thread_client: ThreadRedis, store: Store, config: Settings, owner: str, full: Full
    ) -> None:
        self._client = client
        self._full = full
        self._thread_client = thread_client
        self._store = store
        self._config = config
        self._dashboard = dashboard_url(config)
        self._public_url = config.public_url
        self._certificate: asyncio.Task[int] | None = None
        self._certificate_due_ms = 0
        self._lock = Lock(client, owner, keys.NOTICES_LOCK)
        self._outage = Outage("what must be looked at")
        self._counted: deque[tuple[int, Counts]] = deque()

    async def run_until(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            try:
                await self._full.look()
                if await self._lock.take():
                    await self.look()
                self._outage.end()
            except (StormError, ValueError, *REDIS_ERRORS) as error:
                self._outage.begin(type(error).__name__)
            await sleep_unless(stopping, LOOK_S)
        await self._lock.give_back()

    async def look(self) -> None:
        kept = cast(dict[str, str], await self._client.hgetall(keys.NOTICES))
        read = {name: Incident.read(name, text) for name, text in kept.items()}
        known = {name: incident for name, incident in read.items() if incident is not None}
        facts = await self._facts()
        after, due = notices.look(known, notice_policy.readings(facts, report(facts), self._dashboard), facts.now_ms)
        # Asked for first: what is asked for again, because we died in between, has the same id and goes out once.
        for notice in due:
            await asyncio.to_thread(self._tell, notice)
        await self._keep(known, after)

    def _tell(self, notice: Notice) -> None:
        log.warning("notice", extra={"notice": notice.id, "headline": notice.headline})
        fields = {
            "notice": notice.id,
            "headline": notice.headline,
            "details": notice.details,
            "silent": str(int(notice.level is not Level.BAD)),
            "incident": notice.incident,
        }
        admins = [user for user in self._store.users() if user.role is Role.ADMIN]
        for channel in [each for user in admins for each in self._store.channels_of(user.id) if each.takes_alerts]:
            send_requests.ask_notice(self._thread_client, channel.id, fields)

    async def _keep(self, known: Mapping[str, Incident], after: Mapping[str, Incident]) -> None:
        changed: dict[Any, Any] = {name: each.text for name, each in after.items() if known.get(name) != each}
        if changed:
            await self._client.hset(keys.NOTICES, mapping=changed)
        if gone := known.keys() - after.keys():
            await self._client.hdel(keys.NOTICES, *gone)

    async def _facts(self) -> Facts:
        facts = await read_facts(self._client, self._config)
        if facts.beating:
            await self._client.sadd(keys.ROLL, *facts.beating)
        before_ms = facts.now_ms - MESSAGES_LATE_BAD_MS
        # Those that wait for a moment to come are where they belong.
        waiting = await asyncio.to_thread(self._store.unfinished_deliveries, before_ms, before_ms, DELIVERIES_MAX)
        since_ms = min((max(delivery.updated_ms, delivery.due_ms) for delivery in waiting), default=0)
        return replace(
            facts,
            roll=frozenset(cast(set[str], await self._client.smembers(keys.ROLL))),
            waiting=Waiting(len(waiting), since_ms),
            tries=self._tries(facts),
            alarms=await asyncio.to_thread(alarms.alarms, self._store),
            certificate_ends_ms=self._certificate_ends_ms(facts.now_ms),
        )

    def _certificate_ends_ms(self, at_ms: int) -> int:
        """Asked for beside the looks: they do not wait for a server that does not answer."""
        if at_ms >= self._certificate_due_ms:
            self._certificate_due_ms = at_ms + CERTIFICATE_EVERY_MS
            self._certificate = asyncio.create_task(asyncio.to_thread(certificates.ends_ms, self._public_url))
        return self._certificate.result() if self._certificate and self._certificate.done() else 0

    def _tries(self, facts: Facts) -> dict[ChannelKind, Tries]:
        """What the workers counted since the oldest look that is remembered; one that is new began at nothing."""
        names = [f"{kind}_{what}" for kind in ChannelKind for what in Tries._fields]
        now: Counts = {it["process"]: {name: int(it.get(name, 0)) for name in names} for it in facts.of("worker")}
        self._counted.append((facts.now_ms, now))
        while self._counted[0][0] < facts.now_ms - REFUSED_WITHIN_MS:
            self._counted.popleft()
        before = self._counted[0][1]

        def lately(name: str) -> int:
            return sum(counts[name] - before.get(worker, {}).get(name, 0) for worker, counts in now.items())

        return {kind: Tries(*(max(0, lately(f"{kind}_{what}")) for what in Tries._fields)) for kind in ChannelKind}


def dashboard_url(config: Settings) -> str:
    """For links in messages; empty when only a browser knows."""
    if config.public_url or config.host in _EVERYWHERE:
        return config.public_url.rstrip("/")
    return f"http://{config.host}:{config.port}"
