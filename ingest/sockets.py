"""Up to three sockets of 3,000 instruments each, through the unmodified KiteTicker on the process's own event loop.

KiteTicker would reconnect by itself, but with the token it was made with, and it does not notice a mute socket. So its own
retry is switched off, and each connection is a new KiteTicker with the token of the moment.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Iterable
from typing import Any

from kiteconnect import KiteTicker

from ingest.feed import Feed, FeedState, Watchdog
from ingest.session import Session
from stormalert.settings import Settings

log = logging.getLogger(__name__)
# The feed's state tells of a lost connection once; the library would tell of each try.
logging.getLogger("kiteconnect.ticker").setLevel(logging.CRITICAL)

SOCKETS_MAX = 3
TOKENS_A_SOCKET = 3_000
CONNECT_TIMEOUT_S = 5
BACKOFF_MAX_S = 20.0
WATCH_EVERY_S = 0.5

OnFrame = Callable[[bytes], None]
OnSubscribed = Callable[[Iterable[int]], None]


def spread(wanted: set[int], held: list[set[int]]) -> list[set[int]]:
    """The wanted tokens over the sockets: what a socket holds stays there, new ones go where most room is.

    Tokens beyond three full sockets are left out.
    """
    sockets = [tokens & wanted for tokens in held]
    new = sorted(wanted.difference(*sockets))
    for token in new:
        roomiest = min(sockets, key=len, default=None)
        if roomiest is None or len(roomiest) >= TOKENS_A_SOCKET:
            if len(sockets) == SOCKETS_MAX:
                return sockets
            roomiest = set()
            sockets.append(roomiest)
        roomiest.add(token)
    return sockets or [set()]


class Socket:
    """One connection to Kite, made again whenever it is lost, mute, or a new token was adopted."""

    def __init__(
        self, settings: Settings, session: Session, feed: Feed, on_frame: OnFrame, on_subscribed: OnSubscribed
    ) -> None:
        self._settings = settings
        self._session = session
        self._feed = feed
        self._on_frame = on_frame
        self._on_subscribed = on_subscribed
        self._ticker: Any = None
        self.tokens: set[int] = set()

    def want(self, tokens: set[int]) -> None:
        """Subscribes and unsubscribes what changed, without a reconnect."""
        added, removed = tokens - self.tokens, self.tokens - tokens
        self.tokens = set(tokens)
        if self._ticker and self._ticker.is_connected():
            if removed:
                self._ticker.unsubscribe(sorted(removed))
            if added:
                self._subscribe(self._ticker, added)

    async def run_until(self, stopping: asyncio.Event) -> None:
        failures = 0
        while not stopping.is_set():
            token = await _unless(stopping, self._session.wait_for_token())
            if token is None:
                return
            self._feed.turn(FeedState.CONNECTING, self._feed.reason)
            frames_before = self._feed.frame_ms
            reason = await self._stream(token, stopping)
            if "403" in reason:
                self._session.reject(token)
            elif not stopping.is_set():
                failures = 0 if self._feed.frame_ms != frames_before else failures + 1
                self._feed.turn(FeedState.CONNECTING, reason)
                backoff_s = min(0.5 * 2**failures, BACKOFF_MAX_S) * random.uniform(0.5, 1)  # noqa: S311
                await _unless(stopping, asyncio.sleep(backoff_s))

    async def _stream(self, token: str, stopping: asyncio.Event) -> str:
        """Connects and returns when the connection has ended, with the reason in words."""
        ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        watchdog = Watchdog()
        ticker = self._ticker = self._make_ticker(token, ended, watchdog)
        while not ended.done():
            await asyncio.wait([ended], timeout=WATCH_EVERY_S)
            if stopping.is_set() or self._session.token not in ("", token):
                # Ends with a handshake, or at the next turn of this loop's watchdog.
                ticker.close(1000, "new login")
                await asyncio.wait([ended], timeout=1)
                break
            if watchdog.is_mute and not ended.done():
                self._feed.turn(FeedState.STALE, "no frame for 5 s")
                _abort(ticker)
                break
        self._ticker = None
        return ended.result() if ended.done() else "closed by us"

    def _make_ticker(self, token: str, ended: "asyncio.Future[str]", watchdog: Watchdog) -> Any:
        ticker = KiteTicker(
            self._settings.kite_api_key, token, root=self._settings.kite_ws_root, connect_timeout=CONNECT_TIMEOUT_S
        )

        def end(reason: str) -> None:
            if not ended.done():
                ended.set_result(reason)

        def on_message(_: Any, payload: bytes, is_binary: bool) -> None:
            watchdog.note_frame()
            if is_binary and not ended.done():
                self._on_frame(payload)

        ticker.on_connect = lambda ws, _: self._subscribe(ws, self.tokens)
        ticker.on_message = on_message
        ticker.on_error = _on_error
        ticker.on_close = lambda _, code, reason: end(f"{reason or 'closed'} ({code})")
        ticker.connect()
        ticker.stop_retry()
        # The library tells nobody that a connection could not even be made.
        ticker.factory.clientConnectionFailed = lambda _, failure: end(failure.getErrorMessage())
        return ticker

    def _subscribe(self, ticker: Any, tokens: Iterable[int]) -> None:
        listed = sorted(tokens)
        if listed:
            self._on_subscribed(listed)
            ticker.subscribe(listed)
            ticker.set_mode(ticker.MODE_FULL, listed)


def _on_error(_: Any, code: int, reason: str) -> None:
    # Code 0 is a text message of Kite's; a broken connection also ends in on_close.
    if code == 0:
        log.warning("kite says", extra={"reason": reason})


def _abort(ticker: Any) -> None:
    if ticker.ws:
        ticker.ws.dropConnection(abort=True)


async def _unless(stopping: asyncio.Event, awaitable: Any) -> Any:
    """The result, or None when the process is to stop first."""
    work, stop = asyncio.ensure_future(awaitable), asyncio.ensure_future(stopping.wait())
    await asyncio.wait([work, stop], return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    if work.done():
        return work.result()
    work.cancel()
    return None
