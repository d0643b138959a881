"""Looks every few seconds what is wrong, and has every admin told; one process at a time does.

It asks for sends and sends nothing itself, but for full.py. It runs beside those who run them, so that admins are told of a
dispatcher or a worker that is gone; of a bot that is gone the status page tells.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, NamedTuple, cast

from redis import Redis as ThreadRedis
from redis.asyncio import Redis

from stormalert.config.settings import Settings
from stormalert.errors import StoreError, StormError
from stormalert.health import certificates
from stormalert.health.facts import Facts, StoreAnswer, Tries, Waiting
from stormalert.health.finding import Level
from stormalert.health.limits import MESSAGES_LATE_BAD_MS, REFUSED_BAD, REFUSED_WITHIN_MS
from stormalert.health.reading import ANSWER_WITHIN_S, ask_store, read_facts
from stormalert.health.report import report
from stormalert.model import Channel, ChannelKind
from stormalert.notify import send_requests
from stormalert.notify.alarms import Alarm
from stormalert.outage import Outage
from stormalert.process import REDIS_ERRORS, sleep_unless
from stormalert.redis import keys
from stormalert.store import Store
from stormalert.units import HOUR_MS, now_ms
from workers import notice_policy, notices
from workers.bot.full import Full
from workers.bot.last_known import LastKnown
from workers.bot.polling import Lock
from workers.notices import Incident, Notice

log = logging.getLogger("stormalert")

LOOK_S = 3.0
CERTIFICATE_EVERY_MS = HOUR_MS
# So old may be what is known of admins when the store goes away.
KNOWN_EVERY_S = 15.0
DELIVERIES_MAX = 1_000
# Addresses that mean every interface lead nowhere from outside.
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared, not listened at


class StoreLook(NamedTuple):
    """What the store says; None: it does not answer, and nothing is said of it."""

    answer: StoreAnswer
    waiting: Waiting | None = None
    alarms: Sequence[Alarm] | None = None


AWAY = StoreLook(StoreAnswer(None))

# Of each worker, by its host and number: what it counted.
Counts = Mapping[str, Mapping[str, int]]


class HealthWatch:
    def __init__(
        self,
        client: Redis,
        thread_client: ThreadRedis,
        store: Store,
        config: Settings,
        owner: str,
        full: Full,
        last_known: LastKnown,
    ) -> None:
        self._client = client
        self._full = full
        self._last_known = last_known
        self._known_s = float("-inf")
        # Asked beside the looks, which must not wait as long as a store that is away lets one wait.
        self._asking: asyncio.Future[StoreLook] | None = None
        # Not those that people's questions take, which wait for the store too.
        self._threads = ThreadPoolExecutor(2, "watch")
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
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def look(self) -> None:
        kept = cast(dict[str, str], await self._client.hgetall(keys.NOTICES))
        read = {name: Incident.read(name, text) for name, text in kept.items()}
        known = {name: incident for name, incident in read.items() if incident is not None}
        facts = await self._facts()
        after, due = notices.look(known, notice_policy.readings(facts, report(facts), self._dashboard), facts.now_ms)
        # Asked for first: what is asked for again, because we died in between, has the same id and goes out once.
        if due:
            await asyncio.get_running_loop().run_in_executor(self._threads, self._tell, due, facts)
        await self._keep(known, after)

    def _admins(self, facts: Facts) -> Sequence[Channel]:
        """Their channels; a store that was silent a moment ago is not asked."""
        is_there = facts.store is not None and facts.store.took_s is not None
        return self._last_known.admins() if is_there else self._last_known.last.admins

    def _tell(self, due: Sequence[Notice], facts: Facts) -> None:
        channels = self._admins(facts)
        for notice in due:
            self._ask_for(notice, channels)

    def _ask_for(self, notice: Notice, channels: Sequence[Channel]) -> None:
        log.warning("notice", extra={"notice": notice.id, "headline": notice.headline})
        fields = {
            "notice": notice.id,
            "headline": notice.headline,
            "details": notice.details,
            "silent": str(int(notice.level is not Level.BAD)),
            "incident": notice.incident,
        }
        for channel in channels:
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
        stored = await self._stored()
        return replace(
            facts,
            roll=frozenset(cast(set[str], await self._client.smembers(keys.ROLL))),
            store=stored.answer,
            waiting=stored.waiting,
            tries=self._tries(facts),
            alarms=stored.alarms,
            certificate_ends_ms=self._certificate_ends_ms(facts.now_ms),
        )

    async def _stored(self) -> StoreLook:
        if self._asking is None:
            self._asking = asyncio.get_running_loop().run_in_executor(self._threads, self._ask_store)
        await asyncio.wait((self._asking,), timeout=ANSWER_WITHIN_S)
        if not self._asking.done():
            return AWAY
        asked, self._asking = self._asking, None
        return asked.result()

    def _ask_store(self) -> StoreLook:
        answer, alarms = ask_store(self._store)
        if answer.took_s is None:
            return StoreLook(answer)
        try:
            if time.monotonic() - self._known_s > KNOWN_EVERY_S:
                self._last_known.look()
                self._known_s = time.monotonic()
            before_ms = now_ms() - MESSAGES_LATE_BAD_MS
            # Those that wait for a moment to come are where they belong.
            waiting = self._store.unfinished_deliveries(before_ms, before_ms, DELIVERIES_MAX)
        except StoreError:
            return AWAY
        since_ms = min((max(delivery.updated_ms, delivery.due_ms) for delivery in waiting), default=0)
        return StoreLook(answer, Waiting(len(waiting), since_ms), alarms)

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
        return {kind: lately(kind, [counts for _, counts in self._counted]) for kind in ChannelKind}


def lately(kind: ChannelKind, looks: Sequence[Counts]) -> Tries:
    """Since the oldest look; or, when enough went out since the last refusal, since that: then it is over."""

    def since(before: Counts) -> Tries:
        def more(what: str) -> int:
            name = f"{kind}_{what}"
            return max(0, sum(counts[name] - before.get(worker, {}).get(name, 0) for worker, counts in looks[-1].items()))

        return Tries(*map(more, Tries._fields))

    all_of_them = unrefused = since(looks[0])
    for before in reversed(looks):
        if (tries := since(before)).refused:
            break
        unrefused = tries
    return unrefused if not unrefused.refused and unrefused.taken >= REFUSED_BAD else all_of_them


def dashboard_url(config: Settings) -> str:
    """For links in messages; empty when only a browser knows."""
    if config.public_url or config.host in _EVERYWHERE:
        return config.public_url.rstrip("/")
    return f"http://{config.host}:{config.port}"
