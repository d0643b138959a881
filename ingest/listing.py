"""The instruments in the store, as Kite lists them: at start, at 08:30 every day, and whenever somebody asks.

An instrument is its token. Where a listing gives a token another symbol, the rules on it and their next alerts carry the new
one; what is watched and no longer listed stays watched and is told.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from redis.asyncio import Redis

from ingest.feed import Feed
from ingest.instruments import EXCHANGES, auctioned_tokens, read_dump, underlying_names
from ingest.session import KiteSession
from stormalert.config.stored import INSTRUMENTS_REFRESH
from stormalert.errors import InputError, StormError
from stormalert.market.days import ist
from stormalert.model import Instrument
from stormalert.process import UNREACHABLE
from stormalert.redis.keys import shard_of
from stormalert.store import Store
from stormalert.units import now_ms

log = logging.getLogger(__name__)

POLL_S = 1.0
RETRY_AFTER_S = 60.0
# Kite makes the day's dump around this time.
DUMP_AT_MINUTE = 8 * 60 + 30
# Whoever changes it asks for a listing now; its value is the moment of asking.
NAMED_MAX = 5


class Changes(NamedTuple):
    """What a listing does to the instruments that are watched."""

    renamed: list[Instrument]
    unlisted: list[str]


class Listing:
    def __init__(
        self,
        store: Store,
        session: KiteSession,
        redis: Redis,
        shards: int,
        feed: Feed,
        on_auctioned: Callable[[frozenset[int]], None],
    ) -> None:
        self.count = 0
        self.listed_ms = 0
        self._store = store
        self._session = session
        self._redis = redis
        self._shards = shards
        self._feed = feed
        self._on_auctioned = on_auctioned
        self._asked: str | None = None
        self._retry_after_s = 0.0
        self._token = ""

    async def run_until(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            token = await self._session.wait_for_token()
            if token != self._token:
                # A new login may mend what failed.
                self._token, self._retry_after_s = token, 0.0
            if await self._is_asked() or self._is_due():
                try:
                    await self._load()
                except (StormError, *UNREACHABLE) as error:
                    self._retry_after_s = time.monotonic() + RETRY_AFTER_S
                    self._feed.note_trouble("instruments", f"the instruments are not refreshed: {error}")
            await asyncio.sleep(POLL_S)

    async def _is_asked(self) -> bool:
        try:
            before, self._asked = self._asked, await asyncio.to_thread(self._store.setting, INSTRUMENTS_REFRESH.name)
        except StormError:
            # The session says so.
            return False
        return self._asked != before

    def _is_due(self) -> bool:
        return time.monotonic() >= self._retry_after_s and self.listed_ms < last_dump_ms(now_ms())

    async def _load(self) -> None:
        started_ms = now_ms()
        texts = [await self._session.fetch_dump(exchange) for exchange in EXCHANGES]
        # In a thread: tens of thousands of rows would hold the frames up.
        rows = await asyncio.to_thread(lambda: [row for text in texts for row in read_dump(text)])
        if not rows:
            raise InputError("Kite's dumps list no instrument")
        listed = {row.token: row for row in rows}
        changes = await asyncio.to_thread(self._changes, listed)
        for instrument in changes.renamed:
            await self._rename(instrument)
        # Last, so that a change of symbol that was not carried through is seen again.
        self.count = await asyncio.to_thread(self._store.save_instruments, rows)
        derivatives = await self._session.fetch_dump("NFO")
        auctioned = await asyncio.to_thread(lambda: auctioned_tokens(rows, underlying_names(derivatives)))
        self._on_auctioned(auctioned)
        self.listed_ms = started_ms
        self._feed.note_trouble("instruments", "")
        self._feed.note_trouble("unlisted", _told(changes.unlisted))
        log.info(
            "instruments refreshed",
            extra={"instruments": self.count, "with_auction": len(auctioned), "renamed": len(changes.renamed)},
        )

    def _changes(self, listed: Mapping[int, Instrument]) -> Changes:
        known = {token: self._store.instrument(token) for token in sorted(self._store.watched_tokens())}
        renamed = [
            listed[token] for token, was in known.items() if was and token in listed and listed[token].symbol != was.symbol
        ]
        unlisted = [was.symbol for token, was in known.items() if was and token not in listed]
        return Changes(renamed, unlisted)

    async def _rename(self, instrument: Instrument) -> None:
        key = shard_of(instrument.token, self._shards).instrument(instrument.token)
        # Where the engine does not know the instrument, it hears of the symbol when a rule is armed.
        if await self._redis.exists(key):
            await self._redis.hset(key, "symbol", instrument.symbol)
        rules = await asyncio.to_thread(self._store.rename_instrument, instrument.token, instrument.symbol)
        log.info("symbol changed", extra={"token": instrument.token, "symbol": instrument.symbol, "rules": rules})


def last_dump_ms(time_ms: int) -> int:
    """The newest 08:30 in India at or before a moment."""
    moment = ist(time_ms)
    made = moment.replace(hour=DUMP_AT_MINUTE // 60, minute=DUMP_AT_MINUTE % 60, second=0, microsecond=0)
    made_ms = int(made.timestamp() * 1_000)
    # India has no summer time: every day is as long.
    return made_ms if made_ms <= time_ms else made_ms - 86_400_000


def _told(symbols: list[str]) -> str:
    if not symbols:
        return ""
    more = f" and {len(symbols) - NAMED_MAX} more" if len(symbols) > NAMED_MAX else ""
    return f"watched, but no longer listed by Kite: {', '.join(symbols[:NAMED_MAX])}{more}"
