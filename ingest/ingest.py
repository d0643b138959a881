"""Wires session, sockets, admission and publisher, and keeps the feed's state on show."""

import asyncio
import logging
import time
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from redis.asyncio import Redis

from ingest import calendar
from ingest.admit import Admission
from ingest.decode import decode
from ingest.feed import Feed
from ingest.instruments import EXCHANGES, auctioned_tokens, read_dump, underlying_names
from ingest.publish import Publisher
from ingest.session import Session
from ingest.sockets import Socket, spread
from stormalert import keys, process
from stormalert.errors import InputError
from stormalert.settings import Settings
from stormalert.store import Store, open_store
from stormalert.units import IST, now_ms

log = logging.getLogger(__name__)

FOLLOW_EVERY_S = 1.0
DUMP_RETRY_S = 60.0
# Kite makes the day's dump around this time.
DUMP_AT_MINUTE = 8 * 60 + 30


async def ingest(settings: Settings, stopping: asyncio.Event) -> None:
    store = open_store(settings.mongodb_uri, settings.sqlite_path)
    async with process.connect(settings.redis_url) as redis:
        await process.wait_for_redis(redis)
        await Ingest(settings, store, redis).run_until(stopping)
    store.close()


class Ingest:
    def __init__(self, settings: Settings, store: Store, redis: Redis) -> None:
        self._settings = settings
        self._store = store
        self._redis = redis
        self._feed = Feed()
        self._session = Session(settings, store, self._feed)
        self._publisher = Publisher(redis, settings.shards)
        self._sessions = calendar.Sessions()
        is_open = self._sessions.is_open if settings.market_hours == "exchange" else _always
        self._admission = Admission(settings.jump_guard_percent, is_open)
        self._heartbeat = process.Heartbeat("ingest", redis)
        self._sockets: list[Socket] = []
        self._faulty_frames = 0

    async def run_until(self, stopping: asyncio.Event) -> None:
        if not calendar.is_known(datetime.now(IST).date()):
            log.error("no holidays are known for this year", extra={"year": datetime.now(IST).year})
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._heartbeat.beat_until(stopping))
            tasks.create_task(self._session.run_until(stopping))
            tasks.create_task(self._publisher.run_until(stopping))
            tasks.create_task(self._show_feed(stopping))
            tasks.create_task(self._follow_watchlists(stopping, tasks))
            refresh = tasks.create_task(self._refresh_instruments())
            await stopping.wait()
            refresh.cancel()

    def _on_frame(self, payload: bytes) -> None:
        self._feed.note_frame()
        frame = decode(payload)
        if frame.fault:
            self._faulty_frames += 1
            log.debug("faulty frame", extra={"fault": frame.fault})
        received_ms = now_ms()
        for packet in frame.packets:
            self._publisher.show(packet)
            self._publisher.add_ticks(self._admission.admit(packet, received_ms))

    def _on_subscribed(self, tokens: Iterable[int]) -> None:
        subscribed_ms = now_ms()
        for token in tokens:
            self._admission.note_subscribed(token, subscribed_ms)

    async def _follow_watchlists(self, stopping: asyncio.Event, tasks: asyncio.TaskGroup) -> None:
        while not stopping.is_set():
            wanted = await asyncio.to_thread(self._store.watched_tokens)
            shares = spread(wanted, [socket.tokens for socket in self._sockets])
            for place, share in enumerate(shares):
                if place == len(self._sockets):
                    self._sockets.append(self._socket(share))
                    tasks.create_task(self._sockets[place].run_until(stopping))
                elif share != self._sockets[place].tokens:
                    self._sockets[place].want(share)
            left_out = len(wanted) - sum(map(len, shares))
            self._heartbeat.facts["left_out"] = left_out
            await _sleep_unless(stopping, FOLLOW_EVERY_S)

    def _socket(self, tokens: set[int]) -> Socket:
        socket = Socket(self._settings, self._session, self._feed, self._on_frame, self._on_subscribed)
        socket.want(tokens)
        return socket

    async def _refresh_instruments(self) -> None:
        """At start, and every day when Kite's dump is new."""
        while True:
            await self._session.wait_for_token()
            try:
                await self._load_instruments()
            except InputError as error:
                log.warning("instruments not refreshed", extra={"reason": str(error)})
                await asyncio.sleep(DUMP_RETRY_S)
            else:
                await asyncio.sleep(_seconds_until_dump(datetime.now(IST)))

    async def _load_instruments(self) -> None:
        loaded = [row for exchange in EXCHANGES for row in read_dump(await self._session.fetch_dump(exchange))]
        count = await asyncio.to_thread(self._store.save_instruments, loaded)
        self._sessions.auctioned = auctioned_tokens(loaded, underlying_names(await self._session.fetch_dump("NFO")))
        log.info("instruments refreshed", extra={"instruments": count, "with_auction": len(self._sessions.auctioned)})

    async def _show_feed(self, stopping: asyncio.Event) -> None:
        published, since_s = self._publisher.published, time.monotonic()
        while not stopping.is_set():
            await _sleep_unless(stopping, 1.0)
            elapsed_s = time.monotonic() - since_s
            rate = round((self._publisher.published - published) / elapsed_s)
            published, since_s = self._publisher.published, time.monotonic()
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
            "instruments": sum(len(socket.tokens) for socket in self._sockets),
            "ticks": self._publisher.published,
            "ticks_per_s": ticks_per_s,
            "conflated": self._publisher.conflated,
            "faulty_frames": self._faulty_frames,
            **{f"refused_{refusal}": count for refusal, count in self._admission.refused.items()},
        }


def _always(token: int, time_ms: int) -> bool:
    return True


def _seconds_until_dump(now: datetime) -> float:
    minutes = DUMP_AT_MINUTE - (now.hour * 60 + now.minute)
    return (minutes if minutes > 0 else minutes + 24 * 60) * 60.0


async def _sleep_unless(stopping: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stopping.wait(), seconds)
    except TimeoutError:
        return
