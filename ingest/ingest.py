"""Wires session, sockets, admission and publisher, and keeps the feed's state on show."""

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Iterable
from datetime import date
from typing import Any

from redis.asyncio import Redis

from ingest.admit import Admission
from ingest.bars import Bars
from ingest.candles import Candles
from ingest.decode import decode
from ingest.feed import Feed, Link
from ingest.gaps import GapLog
from ingest.listing import Listing
from ingest.publish import Publisher
from ingest.session import KiteSession
from ingest.sockets import SOCKETS_MAX, TOKENS_A_SOCKET, Socket, spread
from stormalert import process
from stormalert.config.settings import Settings
from stormalert.config.stored import CALENDAR
from stormalert.errors import InputError, StormError
from stormalert.market.calendar import BUILT_IN, Calendar, Segment, TradingSessions, read_calendar
from stormalert.market.days import date_of
from stormalert.process import sleep_unless
from stormalert.redis import keys
from stormalert.store import Store
from stormalert.units import now_ms

log = logging.getLogger(__name__)

FOLLOW_EVERY_S = 1.0
SHOW_EVERY_S = 1.0


async def ingest(settings: Settings, stopping: asyncio.Event) -> None:
    store = await process.store_when_there(settings, stopping)
    if store is None:
        return
    async with process.connect(settings.redis_url) as redis:
        if await process.wait_for_redis(redis, stopping):
            await Ingest(settings, store, redis).run_until(stopping)
    store.close()


class Ingest:
    def __init__(self, settings: Settings, store: Store, redis: Redis) -> None:
        self._settings = settings
        self._store = store
        self._redis = redis
        self._feed = Feed()
        self._gaps = GapLog(redis)
        self._session = KiteSession(settings, store, self._feed)
        self._publisher = Publisher(redis, settings.shards, self._gaps.note)
        self._bars = Bars(redis, settings.shards)
        self._candles = Candles(redis, self._session, settings)
        self._calendar: Calendar = BUILT_IN
        self._calendar_text: str | None = None
        self._sessions = TradingSessions()
        is_open = self._sessions.is_open if settings.market_hours == "exchange" else _always
        self._admission = Admission(settings.jump_guard_percent, is_open)
        self._listing = Listing(store, self._session, redis, settings.shards, self._feed, self._set_auctioned)
        self._heartbeat = process.Heartbeat("ingest", redis, settings.beat_path)
        self._sockets: list[Socket] = []
        # When an earlier process had its last frame; until a socket goes on from there.
        self._resume_ms = 0
        self._left_out = 0
        # When trading began or begins in what is subscribed; 0: it is always on.
        self._opens_ms = 0
        self._faulty_frames = 0

    async def run_until(self, stopping: asyncio.Event) -> None:
        self._resume_ms = await self._last_frame_ms()
        async with process.Tasks(stopping) as tasks:
            tasks.create_task(self._heartbeat.beat_until(stopping))
            tasks.create_task(self._session.run_until(stopping))
            tasks.create_task(self._publisher.run_until(stopping))
            tasks.create_task(self._bars.run_until(stopping))
            tasks.create_task(self._candles.run_until(stopping))
            tasks.create_task(self._gaps.run_until(stopping))
            tasks.create_task(self._show_feed(stopping))
            tasks.create_task(self._follow_store(stopping, tasks))
            listing = tasks.create_task(self._listing.run_until(stopping))
            await stopping.wait()
            listing.cancel()

    def _on_frame(self, payload: bytes) -> None:
        frame = decode(payload)
        if frame.fault:
            self._faulty_frames += 1
            log.debug("faulty frame", extra={"fault": frame.fault})
        received_ms = now_ms()
        for row in frame.rows:
            self._publisher.show(row)
            ticks = self._admission.admit(row, received_ms)
            self._publisher.add_ticks(ticks)
            self._bars.add(ticks)

    def _on_subscribed(self, tokens: Iterable[int]) -> None:
        subscribed_ms = now_ms()
        for token in tokens:
            self._admission.note_subscribed(token, subscribed_ms)

    def _set_auctioned(self, tokens: frozenset[int]) -> None:
        self._sessions.auctioned = tokens

    async def _follow_store(self, stopping: asyncio.Event, tasks: asyncio.TaskGroup) -> None:
        """Watchlists and calendar as they are now; while the store is away, as they were."""
        while not stopping.is_set():
            try:
                wanted, calendar = await asyncio.to_thread(self._asked)
            except StormError as error:
                log.debug("store not read", extra={"reason": str(error)})
            else:
                self._use_calendar(calendar)
                self._subscribe(wanted, tasks)
                self._note_hours(wanted)
            self._check_year()
            await sleep_unless(stopping, FOLLOW_EVERY_S)
        for socket in self._sockets:
            socket.close()

    def _asked(self) -> tuple[set[int], str | None]:
        return self._store.watched_tokens(), self._store.setting(CALENDAR.name)

    def _subscribe(self, wanted: set[int], tasks: asyncio.TaskGroup) -> None:
        shares = spread(wanted, [socket.tokens for socket in self._sockets])
        for _ in shares[len(self._sockets) :]:
            self._sockets.append(self._socket(tasks))
        # Those that grow come first: what moves is subscribed anew before it is let go.
        moves = sorted(zip(self._sockets, shares, strict=True), key=lambda move: len(move[0].tokens) - len(move[1]))
        for socket, share in moves:
            if share != socket.tokens:
                socket.want(share)
        for socket in [socket for socket in self._sockets if not socket.tokens]:
            if len(self._sockets) > 1:
                self._sockets.remove(socket)
                socket.close()
        self._left_out = len(wanted) - sum(map(len, shares))
        told = f"{self._left_out} instruments are left out: Kite takes {SOCKETS_MAX * TOKENS_A_SOCKET:,}"
        self._feed.note_trouble("left_out", told if self._left_out else "")

    def _note_hours(self, wanted: set[int]) -> None:
        if self._settings.market_hours == "exchange":
            segments = {token & 0xFF for token in wanted} or {Segment.NSE}
            self._opens_ms = self._sessions.opens_ms(segments, now_ms())

    def _socket(self, tasks: asyncio.TaskGroup) -> Socket:
        link = Link(self._feed, self._gaps.note)
        if self._resume_ms:
            link.resume(self._resume_ms, "ingest was not running")
            self._resume_ms = 0
        socket = Socket(self._settings, self._session, link, self._on_frame, self._on_subscribed)
        tasks.create_task(socket.run())
        return socket

    def _use_calendar(self, text: str | None) -> None:
        if text == self._calendar_text:
            return
        self._calendar_text = text
        try:
            self._calendar = read_calendar(text)
        except InputError as error:
            self._calendar = BUILT_IN
            self._feed.note_trouble("calendar", f"the calendar of the settings is not used: {error}")
        else:
            self._feed.note_trouble("calendar", "")
            log.info("calendar read", extra={"years": ",".join(map(str, sorted(self._calendar.years)))})
        self._sessions.use(self._calendar)

    def _check_year(self) -> None:
        is_followed = self._settings.market_hours == "exchange"
        self._feed.note_trouble("year", missing_holidays(self._calendar, date_of(now_ms())) if is_followed else "")

    async def _last_frame_ms(self) -> int:
        """Of an earlier process that had instruments; what it wrote is taken away, so that no count of its own is left."""
        try:
            frame_ms, instruments = await self._redis.hmget(keys.FEED, "frame_ms", "instruments")
            await self._redis.delete(keys.FEED)
        except process.UNREACHABLE:
            return 0
        return int(frame_ms or 0) if int(instruments or 0) else 0

    async def _show_feed(self, stopping: asyncio.Event) -> None:
        """Each second, and at once when it changed: a dead socket is told as soon as it is found."""
        published, since_s, rate = self._publisher.published, time.monotonic(), 0
        while not stopping.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._feed.changed.wait(), SHOW_EVERY_S)
            self._feed.changed.clear()
            elapsed_s = time.monotonic() - since_s
            if elapsed_s >= SHOW_EVERY_S:
                rate = round((self._publisher.published - published) / elapsed_s)
                published, since_s = self._publisher.published, time.monotonic()
            self._heartbeat.stats |= {"delays": self._publisher.delays.text, "login_ms": self._session.login_ms}
            try:
                await self._redis.hset(keys.FEED, mapping=self._facts(rate))  # type: ignore[arg-type]
            except process.UNREACHABLE:
                log.debug("feed state not shown")

    def _facts(self, ticks_per_s: int) -> dict[str, Any]:
        return {
            "state": self._feed.state,
            "reason": self._feed.reason,
            "since_ms": self._feed.since_ms,
            "frame_ms": self._feed.frame_ms,
            "trouble": "; ".join(self._feed.troubles.values()),
            "troubles": json.dumps(self._feed.troubles),
            "opens_ms": self._opens_ms,
            "instruments": sum(len(socket.tokens) for socket in self._sockets),
            "left_out": self._left_out,
            "sockets": len(self._sockets),
            "gaps": self._gaps.count,
            "listed": self._listing.count,
            "listed_ms": self._listing.listed_ms,
            "ticks": self._publisher.published,
            "ticks_per_s": ticks_per_s,
            "delay_p99_ms": self._publisher.take_delay_ms(),
            "conflated": self._publisher.conflated,
            "faulty_frames": self._faulty_frames,
            **{f"refused_{refusal}": count for refusal, count in self._admission.refused.items()},
        }


def missing_holidays(calendar: Calendar, today: date) -> str:
    """Of which year none are known, in words; empty when all are."""
    year = calendar.missing_year(today)
    return f"no holidays are known for {year}: a holiday would look like a dead feed" if year else ""


def _always(token: int, time_ms: int) -> bool:
    return True
