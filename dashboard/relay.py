"""`python -m dashboard.relay`: status, prices and alerts to browsers as they come, over websockets at /ws.

Only the server speaks, in JSON objects with a `type`: first a `snapshot` (`status`, the user's newest `alerts`, the `quotes` of
the watchlist), then `quotes` (those that changed), `alert` and, each second, `status`. Whoever lost the connection connects
again and starts from a snapshot; an alert that comes twice is known by its id.
"""

import asyncio
import json
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.exceptions import RedisError
from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.http11 import Request, Response

from dashboard import resources, sessions, texts
from dashboard.audience import Audience, Listener
from dashboard.status import Status, for_everyone, read_status
from stormalert import keys
from stormalert.errors import InputError, StormError
from stormalert.keys import Shard, all_shards, shard_of
from stormalert.model import Alert
from stormalert.process import UNREACHABLE, Heartbeat, run, wait_for_redis
from stormalert.settings import Settings
from stormalert.store import Store
from stormalert.streams import read_alert

log = logging.getLogger("stormalert")

ALERTS_SHOWN = 50
# The newest of all users: some may not be in the store yet.
ALERTS_KEPT = 1_000
ALERTS_AT_ONCE = 500
BLOCK_MS = 1_000
STATUS_EVERY_S = 1
SESSIONS_EVERY_S = 5
RETRY_AFTER_S = 0.5
CLOSE_SIGNED_OUT = 4401
CLOSE_TRY_LATER = 1013
Entry = tuple[str, dict[str, str]]
Found = list[tuple[str, list[Entry]]]
AWAY: Status = {"feed": {"state": "unknown", "reason": "Redis does not answer"}, "missing": []}


class Relay:
    def __init__(self, redis: Redis, store: Store, config: Settings) -> None:
        self.audience = Audience()
        self._redis = redis
        self._store = store
        self._config = config
        self._status: Status = AWAY
        self._alerts: OrderedDict[str, Alert] = OrderedDict()
        self._quotes: dict[int, list[Any]] = {}

    async def run_until(self, stopping: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_insist(work)) for work in (self._tell_status, self._tell_quotes, self._check_sessions)]
            tasks += [group.create_task(self._tell_alerts(shard)) for shard in all_shards(self._config.shards)]
            await stopping.wait()
            for task in tasks:
                task.cancel()

    async def admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """The handshake: the right address, from our own page, signed in."""
        if request.path.partition("?")[0] != "/ws":
            return connection.respond(HTTPStatus.NOT_FOUND, "Live data is at /ws.\n")
        if not is_own_page(request.headers.get("Origin", ""), request.headers.get("Host", ""), self._config):
            return connection.respond(HTTPStatus.FORBIDDEN, "Only StormAlert's own pages may listen; see STORM_ORIGINS.\n")
        try:
            signed_in = await sessions.find(sessions.among(request.headers.get_all("Cookie")))
        except RedisError:
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "Redis does not answer; try again in a moment.\n")
        if signed_in is None:
            return connection.respond(HTTPStatus.UNAUTHORIZED, "Sign in first.\n")
        cast(Listener, connection).session = signed_in.session
        return None

    async def listen(self, connection: ServerConnection) -> None:
        listener = cast(Listener, connection)
        user = listener.session.user
        tokens = await asyncio.to_thread(self._store.watchlist, user)
        stored = await asyncio.to_thread(self._store.alerts_of, user, None, ALERTS_SHOWN)
        try:
            await self._look_up(token for token in tokens if token not in self._quotes)
        except UNREACHABLE:
            await listener.close(CLOSE_TRY_LATER, "Redis does not answer")
            return
        listener.tokens = frozenset(tokens)
        # Nothing is awaited between the snapshot and what follows it, so that nothing falls between them.
        broadcast([listener], self._snapshot(listener, stored))
        self.audience.add(listener)
        try:
            await listener.wait_closed()
        finally:
            self.audience.remove(listener)

    def _snapshot(self, listener: Listener, stored: list[Alert]) -> str:
        newest = {alert.id: alert for alert in stored}
        newest |= {alert.id: alert for alert in self._alerts.values() if alert.user == listener.session.user}
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
                newest = cast(list[Entry], await self._redis.xrevrange(shard.alerts, count=ALERTS_KEPT))
                for _entry_id, fields in reversed(newest):
                    self._keep(fields)
                after = newest[0][0] if newest else "0-0"
            found = cast(Found, await self._redis.xread({shard.alerts: after}, count=ALERTS_AT_ONCE, block=BLOCK_MS))
            for _stream, entries in found:
                for entry_id, fields in entries:
                    after = entry_id
                    if alert := self._keep(fields):
                        self.audience.tell_user(alert.user, json.dumps({"type": "alert", "alert": _alert(alert)}))

        await _insist(follow)

    def _keep(self, fields: dict[str, str]) -> Alert | None:
        """None when it is kept already, or is no alert: dispatch says so."""
        try:
            alert = read_alert(fields)
        except InputError:
            return None
        if alert.id in self._alerts:
            return None
        self._alerts[alert.id] = alert
        if len(self._alerts) > ALERTS_KEPT:
            self._alerts.popitem(last=False)
        return alert

    async def _tell_quotes(self) -> None:
        async with self._redis.pubsub() as topic:
            await topic.subscribe(keys.QUOTES_TOPIC)
            while True:
                message = await topic.get_message(ignore_subscribe_messages=True, timeout=BLOCK_MS / 1_000)
                if message is None:
                    continue
                changed = {int(token): quote for token, quote in json.loads(message["data"]).items()}
                self._quotes |= changed
                self.audience.tell_quotes(changed)

    async def _look_up(self, tokens: Iterable[int]) -> None:
        """What was last quoted before this process began to listen."""
        wanted = list(tokens)
        async with self._redis.pipeline(transaction=False) as pipe:
            for token in wanted:
                pipe.hmget(shard_of(token, self._config.shards).quote(token), "last", "change", "time")
            found = await pipe.execute()
        for token, (last, change, time_ms) in zip(wanted, found, strict=True):
            if last:
                self._quotes.setdefault(token, [last, change, int(time_ms)])

    async def _tell_status(self) -> None:
        try:
            self._status = for_everyone(await read_status(self._redis, self._config))
        except UNREACHABLE:
            self._status = AWAY
        self.audience.tell_everyone(json.dumps({"type": "status", "status": self._status}))
        await asyncio.sleep(STATUS_EVERY_S)

    async def _check_sessions(self) -> None:
        await asyncio.sleep(SESSIONS_EVERY_S)
        listeners = list(self.audience)
        async with self._redis.pipeline(transaction=False) as pipe:
            for listener in listeners:
                pipe.exists(keys.revoked(listener.session.id))
            revoked = await pipe.execute()
        for listener, is_revoked in zip(listeners, revoked, strict=True):
            if is_revoked or listener.session.expires_s <= time.time():
                await listener.close(CLOSE_SIGNED_OUT, "signed out")


def is_own_page(origin: str, host: str, config: Settings) -> bool:
    """Whether a page may listen: one named in STORM_ORIGINS, else the dashboard's on the host where the relay was reached."""
    if config.allowed_origins:
        return origin in config.allowed_origins
    page, relay = urlsplit(origin), urlsplit(f"//{host}")
    try:
        return page.scheme == "http" and page.hostname == relay.hostname and page.port == config.port
    except ValueError:
        return False


async def serve_until(config: Settings, stopping: asyncio.Event) -> None:
    redis = resources.loop_redis()
    await wait_for_redis(redis)
    relay = Relay(redis, await asyncio.to_thread(resources.store), config)
    heart = Heartbeat("relay", redis)
    try:
        # Nothing that a client sends is read, so little of it is taken.
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
        reason = error.strerror or str(error)
        raise StormError(
            f"cannot listen on {config.host}:{config.relay_port} (STORM_HOST, STORM_RELAY_PORT): {reason}"
        ) from None
    async with server, asyncio.TaskGroup() as tasks:
        tasks.create_task(heart.beat_until(stopping))
        tasks.create_task(relay.run_until(stopping))
    await redis.aclose()


async def _insist(work: Callable[[], Awaitable[None]]) -> None:
    """Again and again, also when Redis was away."""
    is_told = False
    while True:
        try:
            await work()
        except UNREACHABLE as error:
            if not is_told:
                log.warning("redis lost", extra={"reason": str(error)})
            is_told = True
            await asyncio.sleep(RETRY_AFTER_S)
        else:
            is_told = False


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
