"""`python -m dashboard.relay`: status, prices and alerts to browsers as they come, over websockets at /ws.

Only the server speaks, in JSON objects with a `type`: first a `snapshot` (`status`, the user's newest `alerts`, the `quotes` of
the watchlist, their `trends` of the last hour, the `triggers` of the user's rules nearest to them), then `quotes` and
`triggers` (those that changed), `alert` and, each second, `status`. The address may ask for less, see dashboard.relay.query.

`at` says by shard up to which entry alerts were told. Whoever lost the connection connects again with it as `after`, and the
snapshot begins with every alert since; an alert that comes twice is known by its id. Who does not read gets fewer prices, then
is dropped, and is told why in the next snapshot.
"""

import asyncio
import contextlib
import json
import logging
import os
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import urlsplit

from redis.asyncio import Redis
from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from dashboard import resources, texts
from dashboard.relay import query
from dashboard.relay.outlook import Outlook, Trends, Triggers
from dashboard.relay.query import ALERTS, QUOTES, STATUS, TRIGGERS
from dashboard.relay.strip import figures, health_report
from dashboard.relay.subscribers import Listener, Subscribers
from dashboard.system.status import Status, for_everyone, status_of
from dashboard.web import sessions
from stormalert.away import what_is_away
from stormalert.config.settings import Settings
from stormalert.config.stored import CALENDAR
from stormalert.errors import InputError, StormError
from stormalert.health.checks.servers import of_server
from stormalert.health.facts import HOT, Facts, ServerReading
from stormalert.health.reading import read_facts
from stormalert.health.report import report
from stormalert.market.calendar import Segment, TradingSessions, read_calendar
from stormalert.model import Alert
from stormalert.outage import Outage
from stormalert.process import REDIS_ERRORS, UNREACHABLE, Heartbeat, Tasks, cancel
from stormalert.redis import keys
from stormalert.redis.keys import Shard, all_shards, shard_of
from stormalert.redis.streams import read_alert
from stormalert.store import Store
from stormalert.units import now_ms

log = logging.getLogger("stormalert")

ALERTS_SHOWN = 50
# Of all users: some may not be in the store yet.
ALERTS_AT_START = 1_000
ALERTS_AT_ONCE = 500
BLOCK_MS = 1_000
STATUS_EVERY_S = 1
TRIGGERS_EVERY_S = 0.5
CALENDAR_EVERY_S = 60
# Entries of a shard, of all users, that are looked through for who was away.
MISSED_MAX = 20_000
MISSED_AT_ONCE = 1_000
SESSIONS_EVERY_S = 5
RETRY_AFTER_S = 0.5
# When everybody comes back at once, they queue here: the client opens 100 connections to Redis and refuses more.
ASK_AT_ONCE = 20
CLOSE_NOT_ASKED = 1008
CLOSE_SIGNED_OUT = 4401
CLOSE_TRY_LATER = 1013
Entry = tuple[str, dict[str, str]]
Found = list[tuple[str, list[Entry]]]
_AWAY_REASON = "Redis does not answer"
AWAY: Status = {
    "feed": {"state": "unknown", "reason": _AWAY_REASON},
    "missing": [],
    "health": health_report(of_server(ServerReading(HOT, None))),
}


class Relay:
    def __init__(self, redis: Redis, store: Store, config: Settings, heart: Heartbeat) -> None:
        self.subscribers = Subscribers()
        self._redis = redis
        self._store = store
        self._config = config
        self._heart = heart
        self._status: Status = AWAY
        self._outage = Outage("redis")
        self._asking = asyncio.Semaphore(ASK_AT_ONCE)
        self._alerts: defaultdict[str, deque[Alert]] = defaultdict(lambda: deque(maxlen=ALERTS_SHOWN))
        self._quotes: dict[int, list[Any]] = {}
        self._trends = Trends(redis, config.shards)
        self._outlook = Outlook(redis, config.shards)
        self._sessions = TradingSessions()
        # By shard, the entry up to which alerts were told.
        self._at: dict[str, str] = {}

    async def run_until(self, stopping: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            works = (self._tell_status, self._tell_quotes, self._tell_triggers, self._check_sessions, self._read_calendar)
            tasks = [group.create_task(_insist(work)) for work in works]
            tasks += [group.create_task(self._tell_alerts(shard)) for shard in all_shards(self._config.shards)]
            await stopping.wait()
            await cancel(*tasks)

    async def admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """The handshake: the right address, and signed in: a browser from our own page, or a script by its token."""
        if request.path.partition("?")[0] != "/ws":
            return connection.respond(HTTPStatus.NOT_FOUND, "Live data is at /ws.\n")
        kind, _, bearer = _only(request, "Authorization").partition(" ")
        # A page cannot send it, so no other site's page can make a browser do so.
        is_script = kind.lower() == "bearer"
        if not is_script and not is_own_page(_only(request, "Origin"), _only(request, "Host"), self._config):
            return connection.respond(HTTPStatus.FORBIDDEN, "Only StormAlert's own pages may listen; see STORM_ORIGINS.\n")
        try:
            cookies = sessions.cookies_among(request.headers.get_all("Cookie"))
            find = partial(sessions.find_script, bearer) if is_script else partial(sessions.find, cookies)
            async with self._asking:
                signed_in = await asyncio.to_thread(find)
        except (*REDIS_ERRORS, StormError) as error:
            reason = str(error) if isinstance(error, StormError) else type(error).__name__
            log.warning("session not checked", extra={"reason": reason})
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, f"{what_is_away(error)}; try again in a moment.\n")
        if signed_in is None:
            return connection.respond(HTTPStatus.UNAUTHORIZED, "Sign in first.\n")
        try:
            wanted = query.read(request.path)
        except InputError as error:
            return connection.respond(HTTPStatus.BAD_REQUEST, f"{error}\n")
        listener = cast(Listener, connection)
        listener.session, listener.query, listener.owed, listener.held_since_s = signed_in.session, wanted, set(), 0.0
        return None

    async def listen(self, connection: ServerConnection) -> None:
        listener = cast(Listener, connection)
        user = listener.session.user
        try:
            async with self._asking:
                watched = await asyncio.to_thread(self._store.watchlist, user)
                tokens: Sequence[int] = watched if listener.query.tokens is None else listener.query.tokens
                stored = await asyncio.to_thread(self._store.alerts_of, user, None, ALERTS_SHOWN)
                missed = await self._missed(user, listener.query.after)
                found = await self._look_up(token for token in tokens if token not in self._quotes)
                trends = await self._trends.of(tokens) if QUOTES in listener.query.topics else {}
        except UNREACHABLE:
            await listener.close(CLOSE_TRY_LATER, "Redis does not answer")
            return
        except StormError as error:
            log.warning("snapshot not made", extra={"reason": str(error)})
            await listener.close(CLOSE_TRY_LATER, "the store does not answer")
            return
        listener.tokens = frozenset(tokens)
        # What was published meanwhile is newer.
        self._quotes = found | self._quotes
        # Nothing is awaited between the snapshot and what follows it, so that nothing falls between them.
        broadcast([listener], self._snapshot(listener, stored, missed, trends))
        self.subscribers.add(listener)
        try:
            with contextlib.suppress(ConnectionClosed):
                await listener.recv()
                await listener.close(CLOSE_NOT_ASKED, "only the relay speaks")
        finally:
            self.subscribers.remove(listener)

    def _snapshot(self, listener: Listener, stored: list[Alert], missed: list[Alert], trends: dict[int, list[float]]) -> str:
        user, topics, tokens = listener.session.user, listener.query.topics, listener.tokens
        frame: dict[str, Any] = {"type": "snapshot", "at": self._at}
        if reason := self.subscribers.reason(listener):
            frame["dropped"] = reason
        if STATUS in topics:
            frame["status"] = self._status
        if ALERTS in topics:
            newest = {alert.id: alert for alert in (*stored, *self._alerts.get(user, ()))}
            shown = sorted(newest.values(), key=_newest_last)[-ALERTS_SHOWN:]
            every = {alert.id: alert for alert in (*shown, *missed)}
            frame["alerts"] = [_alert(alert) for alert in sorted(every.values(), key=_newest_last, reverse=True)]
        if QUOTES in topics:
            frame["quotes"] = {token: self._quotes[token] for token in tokens if token in self._quotes}
            frame["trends"] = trends
        if TRIGGERS in topics:
            frame["triggers"] = self._outlook.of(user, tokens)
        return json.dumps(frame)

    async def _missed(self, user: str, after: dict[str, str]) -> list[Alert]:
        """A user's alerts behind these entries."""
        found: list[Alert] = []
        for shard in all_shards(self._config.shards):
            place, looked = after.get(shard.tag, ""), 0
            while place and looked < MISSED_MAX:
                entries = cast(list[Entry], await self._redis.xrange(shard.alerts, f"({place}", count=MISSED_AT_ONCE))
                looked += len(entries)
                place = entries[-1][0] if len(entries) == MISSED_AT_ONCE else ""
                for _entry_id, fields in entries:
                    if fields.get("user") == user:
                        with contextlib.suppress(InputError):
                            found.append(read_alert(fields))
        return found

    async def _tell_alerts(self, shard: Shard) -> None:
        after = ""

        async def follow() -> None:
            nonlocal after
            if not after:
                newest = cast(list[Entry], await self._redis.xrevrange(shard.alerts, count=ALERTS_AT_START))
                after = newest[0][0] if newest else "0-0"
                for entry_id, fields in reversed(newest):
                    self._hear(shard, entry_id, fields)
                self._at[shard.tag] = after
            found = cast(Found, await self._redis.xread({shard.alerts: after}, count=ALERTS_AT_ONCE, block=BLOCK_MS))
            for _stream, entries in found:
                for entry_id, fields in entries:
                    after = entry_id
                    self._hear(shard, entry_id, fields)

        await _insist(follow)

    def _hear(self, shard: Shard, entry_id: str, fields: dict[str, str]) -> None:
        self._at[shard.tag] = entry_id
        try:
            alert = read_alert(fields)
        except InputError:
            # Dispatch says so.
            return
        self._alerts[alert.user].append(alert)
        if self.subscribers.of(alert.user):
            frame = {"type": "alert", "alert": _alert(alert), "at": {shard.tag: entry_id}}
            self.subscribers.tell_user(alert.user, ALERTS, json.dumps(frame))

    async def _tell_quotes(self) -> None:
        async with self._redis.pubsub() as topic:
            await topic.subscribe(keys.QUOTES_TOPIC)
            while await topic.get_message(timeout=BLOCK_MS / 1_000) is None:
                pass
            # From here on nothing is missed, but what was published while nobody listened was: it is looked up.
            missed = await self._look_up({*self._quotes, *self.subscribers.tokens()})
            self._quotes |= missed
            self.subscribers.tell_quotes(missed, self._quotes)
            while True:
                message = await topic.get_message(ignore_subscribe_messages=True, timeout=BLOCK_MS / 1_000)
                if message is None:
                    continue
                changed = {int(token): quote for token, quote in json.loads(message["data"]).items()}
                self._quotes |= changed
                self.subscribers.tell_quotes(changed, self._quotes)

    async def _look_up(self, tokens: Iterable[int]) -> dict[int, list[Any]]:
        """What was last quoted, whether or not this process heard it."""
        wanted = list(tokens)
        async with self._redis.pipeline(transaction=False) as pipe:
            for token in wanted:
                pipe.hmget(shard_of(token, self._config.shards).quote(token), "last", "change", "time")
            found = await pipe.execute()
        rows = zip(wanted, found, strict=True)
        return {token: [last, change, int(time_ms)] for token, (last, change, time_ms) in rows if last}

    async def _tell_status(self) -> None:
        try:
            self._status = self._told(await read_facts(self._redis, self._config))
        except UNREACHABLE as error:
            self._status = AWAY
            self._outage.begin(type(error).__name__)
        else:
            self._outage.end()
        counts = {
            "listeners": len(self.subscribers),
            "dropped": self.subscribers.dropped,
            "held_back": self.subscribers.held_back,
        }
        self._heart.stats.update(counts)
        self.subscribers.tell_everyone(STATUS, json.dumps({"type": "status", "status": self._status, "at": self._at}))
        await asyncio.sleep(STATUS_EVERY_S)

    def _told(self, facts: Facts) -> Status:
        """What everybody may know, with the market's session and what to make of it all."""
        if self._config.market_hours == "exchange":
            is_open, turn_ms = self._sessions.turn(Segment.NSE, facts.now_ms)
        else:
            is_open, turn_ms = True, 0
        session = {"is_open": is_open, "turn_ms": turn_ms}
        seen = for_everyone(status_of(facts)) | {"figures": figures(facts), "session": session}
        return seen | {"health": health_report(report(facts))}

    async def _tell_triggers(self) -> None:
        seen = {token for listener in self.subscribers if TRIGGERS in listener.query.topics for token in listener.tokens}
        for user, changed in (await self._outlook.look(seen)).items():
            for listener in self.subscribers.of(user):
                triggers: Triggers = {token: found for token, found in changed.items() if token in listener.tokens}
                if triggers:
                    self.subscribers.tell(TRIGGERS, [listener], json.dumps({"type": "triggers", "triggers": triggers}))
        await asyncio.sleep(TRIGGERS_EVERY_S)

    async def _read_calendar(self) -> None:
        with contextlib.suppress(StormError):
            self._sessions.use(read_calendar(await asyncio.to_thread(self._store.setting, CALENDAR.name)))
        await asyncio.sleep(CALENDAR_EVERY_S)

    async def _check_sessions(self) -> None:
        await asyncio.sleep(SESSIONS_EVERY_S)
        listeners = list(self.subscribers)
        async with self._redis.pipeline(transaction=False) as pipe:
            for listener in listeners:
                pipe.exists(keys.revoked(listener.session.id))
            revoked = await pipe.execute()
        over = [
            listener
            for listener, is_revoked in zip(listeners, revoked, strict=True)
            if is_revoked or listener.session.expires_ms <= now_ms()
        ]
        # At once: one that does not read takes its time to close.
        await asyncio.gather(*(listener.close(CLOSE_SIGNED_OUT, "signed out") for listener in over))


def is_own_page(origin: str, host: str, config: Settings) -> bool:
    """Whether a page may listen: one named in STORM_ORIGINS, else the dashboard's on the host where the relay was reached."""
    if config.allowed_origins:
        return origin in config.allowed_origins
    try:
        page, relay = urlsplit(origin), urlsplit(f"//{host}")
        return page.scheme == "http" and page.hostname == relay.hostname and (page.port or 80) == config.port
    except ValueError:
        return False


def _only(request: Request, name: str) -> str:
    """A header; empty when it is missing or there twice."""
    values = request.headers.get_all(name)
    return values[0] if len(values) == 1 else ""


async def serve_until(config: Settings, stopping: asyncio.Event) -> None:
    redis = resources.loop_redis()
    heart = Heartbeat("relay", redis, config.beat_path)
    relay = Relay(redis, await asyncio.to_thread(resources.store), config, heart)
    try:
        # A client has nothing to say, so little of it is taken.
        server = await serve(
            relay.listen,
            config.host,
            config.relay_port,
            process_request=relay.admit,
            create_connection=Listener,
            compression=None,
            max_size=1_024,
            max_queue=1,
            ping_interval=20,
            ping_timeout=20,
            close_timeout=1,
            server_header=None,
        )
    except OSError as error:
        # The event loop's own text repeats the address; a host that is not known has a negative number and no other text.
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
        raise StormError(
            f"cannot listen on {config.host}:{config.relay_port} (STORM_HOST, STORM_RELAY_PORT): {reason}"
        ) from None
    async with server, Tasks(stopping) as tasks:
        tasks.create_task(heart.beat_until(stopping))
        tasks.create_task(relay.run_until(stopping))
    await redis.aclose()


async def _insist(work: Callable[[], Awaitable[None]]) -> None:
    """Again and again, also when Redis was away: the status tells that."""
    while True:
        try:
            await work()
        except UNREACHABLE:
            await asyncio.sleep(RETRY_AFTER_S)


def _newest_last(alert: Alert) -> tuple[int, str]:
    return alert.time_ms, alert.id


def _alert(alert: Alert) -> dict[str, Any]:
    """As the page shows it."""
    return {
        "id": alert.id,
        "rule": alert.owners_rule,
        "is_of_watchlist": alert.owners_rule != alert.rule,
        "token": alert.token,
        "symbol": alert.symbol,
        "direction": alert.direction,
        "what": texts.what_happened(alert),
        "price": texts.rupees(alert.price_e4),
        "reference": texts.rupees(alert.reference_e4),
        "time_ms": alert.time_ms,
    }
