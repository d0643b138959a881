"""`python -m dashboard.relay`: status, prices and alerts to browsers as they come, over websockets at /ws.

Only the server speaks, in JSON objects with a `type`: first a `snapshot` (`status`, the user's newest `alerts`, the `quotes` of
the watchlist), then `quotes` (those that changed), `alert` and, each second, `status`. Whoever lost the connection connects
again and starts from a snapshot; an alert that comes twice is known by its id.
"""

import asyncio
import contextlib
import json
import logging
import os
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import urlsplit

from redis.asyncio import Redis
from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from dashboard import resources, sessions, texts
from dashboard.audience import Audience, Listener
from dashboard.status import Status, for_everyone, read_status
from stormalert import keys
from stormalert.errors import InputError, StormError
from stormalert.keys import Shard, all_shards, shard_of
from stormalert.model import Alert
from stormalert.process import REDIS_ERRORS, UNREACHABLE, Heartbeat, Tasks, run
from stormalert.settings import Settings
from stormalert.store import Store
from stormalert.streams import read_alert
from stormalert.units import now_ms

log = logging.getLogger("stormalert")

ALERTS_SHOWN = 50
# Of all users: some may not be in the store yet.
ALERTS_AT_START = 1_000
ALERTS_AT_ONCE = 500
BLOCK_MS = 1_000
STATUS_EVERY_S = 1
SESSIONS_EVERY_S = 5
RETRY_AFTER_S = 0.5
CANCEL_AGAIN_S = 1.0
# When everybody comes back at once, they queue here: the client opens 100 connections to Redis and refuses more.
ASK_AT_ONCE = 20
CLOSE_NOT_ASKED = 1008
CLOSE_SIGNED_OUT = 4401
CLOSE_TRY_LATER = 1013
Entry = tuple[str, dict[str, str]]
Found = list[tuple[str, list[Entry]]]
AWAY: Status = {"feed": {"state": "unknown", "reason": "Redis does not answer"}, "missing": []}


class Relay:
    def __init__(self, redis: Redis, store: Store, config: Settings, heart: Heartbeat) -> None:
        self.audience = Audience()
        self._redis = redis
        self._store = store
        self._config = config
        self._heart = heart
        self._status: Status = AWAY
        self._is_away = False
        self._asking = asyncio.Semaphore(ASK_AT_ONCE)
        self._alerts: defaultdict[str, deque[Alert]] = defaultdict(lambda: deque(maxlen=ALERTS_SHOWN))
        self._quotes: dict[int, list[Any]] = {}

    async def run_until(self, stopping: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_insist(work)) for work in (self._tell_status, self._tell_quotes, self._check_sessions)]
            tasks += [group.create_task(self._tell_alerts(shard)) for shard in all_shards(self._config.shards)]
            await stopping.wait()
            # More than once: a library that is just then giving up a connection may swallow it.
            while [task.cancel() for task in tasks if not task.done()]:
                await asyncio.wait(tasks, timeout=CANCEL_AGAIN_S)

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
        except REDIS_ERRORS:
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "Redis does not answer; try again in a moment.\n")
        except StormError as error:
            log.warning("session not checked", extra={"reason": str(error)})
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "The store does not answer; try again in a moment.\n")
        if signed_in is None:
            return connection.respond(HTTPStatus.UNAUTHORIZED, "Sign in first.\n")
        cast(Listener, connection).session = signed_in.session
        return None

    async def listen(self, connection: ServerConnection) -> None:
        listener = cast(Listener, connection)
        user = listener.session.user
        try:
            async with self._asking:
                tokens = await asyncio.to_thread(self._store.watchlist, user)
                stored = await asyncio.to_thread(self._store.alerts_of, user, None, ALERTS_SHOWN)
                found = await self._look_up(token for token in tokens if token not in self._quotes)
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
        broadcast([listener], self._snapshot(listener, stored))
        self.audience.add(listener)
        try:
            with contextlib.suppress(ConnectionClosed):
                await listener.recv()
                await listener.close(CLOSE_NOT_ASKED, "only the relay speaks")
        finally:
            self.audience.remove(listener)

    def _snapshot(self, listener: Listener, stored: list[Alert]) -> str:
        newest = {alert.id: alert for alert in stored}
        newest |= {alert.id: alert for alert in self._alerts.get(listener.session.user, ())}
        shown = sorted(newest.values(), key=lambda alert: (alert.time_ms, alert.id), reverse=True)[:ALERTS_SHOWN]
        return json.dumps(
            {
                "type": "snapshot",
                "status": self._status,
                "alerts": [_alert(alert) for alert in shown],
                "quotes": {token: self._quotes[token] for token in listener.tokens if token in self._quotes},
            }
        )

    async def _tell_alerts(self, shard: Shard) -> None:
        after = ""

        async def follow() -> None:
            nonlocal after
            if not after:
                newest = cast(list[Entry], await self._redis.xrevrange(shard.alerts, count=ALERTS_AT_START))
                for _entry_id, fields in reversed(newest):
                    self._hear(fields)
                after = newest[0][0] if newest else "0-0"
            found = cast(Found, await self._redis.xread({shard.alerts: after}, count=ALERTS_AT_ONCE, block=BLOCK_MS))
            for _stream, entries in found:
                for entry_id, fields in entries:
                    after = entry_id
                    self._hear(fields)

        await _insist(follow)

    def _hear(self, fields: dict[str, str]) -> None:
        try:
            alert = read_alert(fields)
        except InputError:
            # Dispatch says so.
            return
        self._alerts[alert.user].append(alert)
        self.audience.tell_user(alert.user, json.dumps({"type": "alert", "alert": _alert(alert)}))

    async def _tell_quotes(self) -> None:
        async with self._redis.pubsub() as topic:
            await topic.subscribe(keys.QUOTES_TOPIC)
            while await topic.get_message(timeout=BLOCK_MS / 1_000) is None:
                pass
            # From here on nothing is missed, but what was published while nobody listened was: it is looked up.
            missed = await self._look_up({*self._quotes, *self.audience.tokens()})
            self._quotes |= missed
            self.audience.tell_quotes(missed)
            while True:
                message = await topic.get_message(ignore_subscribe_messages=True, timeout=BLOCK_MS / 1_000)
                if message is None:
                    continue
                changed = {int(token): quote for token, quote in json.loads(message["data"]).items()}
                self._quotes |= changed
                self.audience.tell_quotes(changed)

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
            self._status = for_everyone(await read_status(self._redis, self._config))
        except UNREACHABLE as error:
            self._status = AWAY
            if not self._is_away:
                log.warning("redis lost", extra={"reason": str(error)})
        else:
            if self._is_away:
                log.info("redis back")
        self._is_away = self._status is AWAY
        self._heart.facts.update(listeners=len(self.audience), dropped=self.audience.dropped)
        self.audience.tell_everyone(json.dumps({"type": "status", "status": self._status}))
        await asyncio.sleep(STATUS_EVERY_S)

    async def _check_sessions(self) -> None:
        await asyncio.sleep(SESSIONS_EVERY_S)
        listeners = list(self.audience)
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
    heart = Heartbeat("relay", redis)
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


def _alert(alert: Alert) -> dict[str, Any]:
    """As the page shows it."""
    return {
        "id": alert.id,
        "symbol": alert.symbol,
        "direction": alert.direction,
        "what": texts.what_happened(alert),
        "price": texts.rupees(alert.price_e4),
        "reference": texts.rupees(alert.reference_e4),
        "time_ms": alert.time_ms,
    }


if __name__ == "__main__":
    run("relay", serve_until)
