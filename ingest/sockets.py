"""Up to three sockets of 3,000 instruments each, through the unmodified KiteTicker on the process's own event loop.

KiteTicker would reconnect by itself, but with the token it was made with, and it does not notice a mute socket. So its own
retry is switched off, and each connection is a new KiteTicker with the token of the moment.
"""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

from kiteconnect import KiteTicker

from ingest.feed import MUTE_AFTER_S, Link
from ingest.session import KiteSession
from stormalert.backoff import pause_s
from stormalert.config.settings import Settings

log = logging.getLogger(__name__)
# The feed's state tells of a lost connection once; the library would tell of each try.
logging.getLogger("kiteconnect.ticker").setLevel(logging.CRITICAL)

SOCKETS_MAX = 3
TOKENS_A_SOCKET = 3_000
CONNECT_TIMEOUT_S = 5
# Of TCP, TLS and handshake together.
OPEN_WITHIN_S = 12.0
PAUSE_FIRST_S, PAUSE_LONGEST_S = 0.5, 20.0
WATCH_EVERY_S = 0.25

OnFrame = Callable[[bytes], None]
OnSubscribed = Callable[[Iterable[int]], None]


def spread(wanted: set[int], held: list[set[int]]) -> list[set[int]]:
    """The wanted tokens over the sockets, in the order of `held`; one that ends up empty is not needed.

    What a socket holds stays there and new ones go where most room is; a socket is emptied into the others only when those stay
    half empty. Tokens beyond three full sockets are left out.
    """
    sockets = [tokens & wanted for tokens in held] or [set()]
    used = [tokens for tokens in sockets if tokens] or sockets[:1]
    while len(used) > 1 and len(wanted) <= (len(used) - 1) * TOKENS_A_SOCKET // 2:
        smallest = min(used, key=len)
        smallest.clear()
        used = [tokens for tokens in used if tokens]
    for token in sorted(wanted.difference(*sockets)):
        roomiest = min(used, key=len)
        if len(roomiest) >= TOKENS_A_SOCKET:
            if len(used) == SOCKETS_MAX:
                break
            roomiest = next((tokens for tokens in sockets if not tokens), set())
            used.append(roomiest)
            if not any(tokens is roomiest for tokens in sockets):
                sockets.append(roomiest)
        roomiest.add(token)
    return sockets


class Socket:
    """One connection to Kite, made again whenever it is lost, mute, or a new token was adopted."""

    def __init__(
        self, settings: Settings, session: KiteSession, link: Link, on_frame: OnFrame, on_subscribed: OnSubscribed
    ) -> None:
        self.tokens: set[int] = set()
        self._settings = settings
        self._session = session
        self._link = link
        self._on_frame = on_frame
        self._on_subscribed = on_subscribed
        self._line: _TickerLine | None = None
        self._closing = asyncio.Event()

    def want(self, tokens: set[int]) -> None:
        """Subscribes and unsubscribes what changed, without a reconnect."""
        added, removed = tokens - self.tokens, self.tokens - tokens
        self.tokens = set(tokens)
        self._link.instruments = len(tokens)
        if self._line and self._line.ticker.is_connected():
            if removed:
                self._line.ticker.unsubscribe(sorted(removed))
            if added:
                self._subscribe(self._line.ticker, added)

    def close(self) -> None:
        """Ends `run`."""
        self._closing.set()

    async def run(self) -> None:
        failures = 0
        while await self._first_of(self._session.wait_for_token()):
            line = await self._connect()
            if line is None:
                continue
            reason = await self._stream(line)
            if self._closing.is_set():
                break
            failures = 0 if line.has_spoken else failures + 1
            self._link.note_lost(reason)
            if "(403 -" in reason:
                self._session.reject(line.token)
            elif line.token == self._session.token:
                await self._first_of(asyncio.sleep(pause_s(failures, first_s=PAUSE_FIRST_S, longest_s=PAUSE_LONGEST_S)))
        self._link.close()

    async def _connect(self) -> "_TickerLine | None":
        """A line that is open, or has ended already; None when the token died meanwhile."""
        async with self._session.handshakes:
            token = self._session.token
            if not token or self._closing.is_set():
                return None
            line = self._line = _TickerLine(self._settings, token, self._open, self._take)
            await self._first_of(line.opened, line.ended, within_s=OPEN_WITHIN_S)
            if not line.opened.done():
                line.end(f"no connection within {OPEN_WITHIN_S:.0f} s")
            return line

    async def _stream(self, line: "_TickerLine") -> str:
        """Returns when the line has ended, with the reason in words."""
        while not line.ended.done():
            await self._first_of(line.ended, within_s=WATCH_EVERY_S)
            if self._closing.is_set():
                line.close("closed by us")
            elif self._session.token not in ("", line.token):
                line.close("new login")
            elif line.is_mute and not line.ended.done():
                line.end(f"mute: no frame for {MUTE_AFTER_S:.0f} s")
                self._link.note_mute(line.ended.result())
        self._line = None
        return line.ended.result()

    def _open(self, ticker: Any) -> None:
        self._subscribe(ticker, self.tokens)

    def _take(self, frame: bytes) -> None:
        self._link.note_frame()
        self._on_frame(frame)

    def _subscribe(self, ticker: Any, tokens: Iterable[int]) -> None:
        listed = sorted(tokens)
        if listed:
            self._on_subscribed(listed)
            ticker.subscribe(listed)
            ticker.set_mode(ticker.MODE_FULL, listed)

    async def _first_of(self, *awaitables: Any, within_s: float | None = None) -> bool:
        """Waits for one of them, the time or `close`, whichever comes first; True when it was one of them."""
        work = {asyncio.ensure_future(awaitable) for awaitable in awaitables}
        closing = asyncio.ensure_future(self._closing.wait())
        done, pending = await asyncio.wait({*work, closing}, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        for each in pending:
            # A line's own futures are asked again later.
            if isinstance(each, asyncio.Task):
                each.cancel()
        return bool(done & work) and closing not in done


class _TickerLine:
    """One KiteTicker from its making to its end; what it brings after that is passed over."""

    def __init__(self, settings: Settings, token: str, on_open: Callable[[Any], None], on_frame: OnFrame) -> None:
        loop = asyncio.get_running_loop()
        self.token = token
        self.opened: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[str] = loop.create_future()
        self.has_spoken = False
        self._frame_s = time.monotonic()
        self._on_open = on_open
        self._on_frame = on_frame
        self.ticker = KiteTicker(settings.kite_api_key, token, root=settings.kite_ws_root, connect_timeout=CONNECT_TIMEOUT_S)
        self.ticker.on_connect = self._opened
        self.ticker.on_message = self._message
        self.ticker.on_close = lambda _, code, reason: self._ended(f"{reason or 'closed by Kite'} ({code})")
        self.ticker.connect()
        # `stop_retry` holds only until the connection is made, which resets it.
        self.ticker.factory.retry = lambda connector=None: None
        # The library tells nobody that a connection could not even be made.
        self.ticker.factory.clientConnectionFailed = lambda _, failure: self._ended(failure.getErrorMessage())

    @property
    def is_mute(self) -> bool:
        return time.monotonic() - self._frame_s > MUTE_AFTER_S

    def end(self, reason: str) -> None:
        """At once, without a word to the other side."""
        self._ended(reason)
        if self.ticker.ws:
            self.ticker.ws.dropConnection(abort=True)

    def close(self, reason: str) -> None:
        """With a closing handshake, which nobody waits for: the library drops what takes longer than a second."""
        self._ended(reason)
        self.ticker.close(1000, reason)

    def _opened(self, ticker: Any, _: Any) -> None:
        if self.ended.done():
            ticker.ws.dropConnection(abort=True)
            return
        self._frame_s = time.monotonic()
        self._on_open(ticker)
        if not self.opened.done():
            self.opened.set_result(None)

    def _message(self, _: Any, payload: bytes, is_binary: bool) -> None:
        if self.ended.done():
            return
        self._frame_s = time.monotonic()
        if is_binary:
            self.has_spoken = True
            self._on_frame(payload)
        else:
            _tell(payload)

    def _ended(self, reason: str) -> None:
        if not self.ended.done():
            self.ended.set_result(reason)


def _tell(payload: bytes) -> None:
    """Kite's text messages: errors, such as too many instruments, and news of the broker's."""
    try:
        message = json.loads(payload)
    except ValueError:
        return
    if isinstance(message, dict) and message.get("type") in ("error", "message"):
        log.warning("kite says", extra={"reason": str(message.get("data"))[:200]})
