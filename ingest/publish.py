"""Ticks into the sharded streams and quotes onto the screens.

Ticks of one turn of the event loop go out together, a script call a shard. While Redis is slow or away they wait in memory up
to a bound; beyond it an instrument keeps its lowest, highest and newest price, so that no extreme is lost, and what was dropped
is counted and marked as a gap. What Redis took stays here until it must be on its disk: after a power cut it is sent again.
"""

import asyncio
import json
import logging
import secrets
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from ingest.decode import Packet, Row, price_e4
from ingest.gaps import Gap
from stormalert.batches import batched
from stormalert.histogram import Histogram
from stormalert.model import Tick
from stormalert.outage import Outage
from stormalert.process import UNREACHABLE, Tasks
from stormalert.redis.keys import QUOTES_TOPIC, Shard, all_shards, shard_of
from stormalert.redis.scripts import Call, script
from stormalert.units import SECOND_MS, format_price, now_ms

log = logging.getLogger(__name__)

# The last resort when no evaluator runs for long: some 100 MB a shard.
TICKS_MAX = 2_000_000
# Ticks of a shard.
WAITING_MAX = 300_000
# Holds the server for some 2 ms.
SENT_AT_ONCE = 500
BATCH_KEPT_S = 3_600
QUOTES_EVERY_S = 0.1
# Screens hear of a change at once; the quote's hash, which they read when they open, is written every so many turns.
HASH_EVERY_TURNS = 10
QUOTES_AT_ONCE = 100
RETRY_AFTER_S = 0.25
# A server that writes to its disk each second may lose two; and how many ticks of a shard are kept for that at most.
ON_DISK_S = 5.0
TAKEN_MAX = 100_000

OnGap = Callable[[Gap], None]


class Publisher:
    def __init__(self, redis: Redis, shards: int, on_gap: OnGap) -> None:
        publisher = secrets.token_hex(4)
        self._delays = _Delays()
        self._queues = [_ShardQueue(redis, shard, publisher, on_gap, self._delays) for shard in all_shards(shards)]
        self._queue_of: dict[int, _ShardQueue] = {}
        self._screens = _Screens(redis, shards)

    @property
    def published(self) -> int:
        return sum(queue.published for queue in self._queues)

    @property
    def conflated(self) -> int:
        return sum(queue.conflated for queue in self._queues)

    @property
    def delays(self) -> Histogram:
        """How long ticks took from their frame into their stream, since the process began."""
        return self._delays.all

    def take_delay_ms(self) -> int:
        """99 of 100 ticks since the last call were in their stream so soon after they came; 0 when there were none."""
        return self._delays.take_p99_ms()

    def add_ticks(self, ticks: Sequence[Tick]) -> None:
        """Never blocks."""
        for tick in ticks:
            queue = self._queue_of.get(tick.token)
            if queue is None:
                queue = self._queue_of[tick.token] = self._queues[int(shard_of(tick.token, len(self._queues)).tag[1:])]
            queue.add(tick)

    def show(self, row: Row) -> None:
        """Shows the packet's quote, admitted or not; a newer one replaces it until it is sent."""
        self._screens.changed[row[0]] = row

    async def run_until(self, stopping: asyncio.Event) -> None:
        async with Tasks(stopping) as tasks:
            tasks.create_task(self._screens.run_until(stopping))
            for queue in self._queues:
                tasks.create_task(queue.run_until(stopping))
            await stopping.wait()
            for queue in self._queues:
                queue.wake()


class _Delays:
    """How long ticks waited, in whole ms."""

    def __init__(self) -> None:
        self.all = Histogram()
        self._ticks_by_ms: Counter[int] = Counter()

    def note(self, since_s: float, ticks: int) -> None:
        delay_ms = round((time.monotonic() - since_s) * 1_000)
        self._ticks_by_ms[delay_ms] += ticks
        self.all.note(delay_ms, ticks)

    def take_p99_ms(self) -> int:
        left = self._ticks_by_ms.total() // 100
        longest_ms = 0
        for longest_ms in sorted(self._ticks_by_ms, reverse=True):
            left -= self._ticks_by_ms[longest_ms]
            if left < 0:
                break
        self._ticks_by_ms.clear()
        return longest_ms


class _Taken(NamedTuple):
    """A batch that Redis took, and when."""

    number: int
    ticks: list[Tick]
    taken_s: float


class _ShardQueue:
    """The ticks of one shard, in order."""

    def __init__(self, redis: Redis, shard: Shard, publisher: str, on_gap: OnGap, delays: _Delays) -> None:
        self.published = 0
        self.conflated = 0
        self._redis = redis
        self._shard = shard
        self._appended = shard.appended(publisher)
        self._on_gap = on_gap
        self._delays = delays
        self._waiting: list[Tick] = []
        # When the first of them came.
        self._since_s = 0.0
        self._has_ticks = asyncio.Event()
        self._batch = 0
        self._taken: deque[_Taken] = deque()
        self._ticks_taken = 0
        self._outage = Outage("redis", shard=shard.tag)
        # What was conflated since Redis took the last batch.
        self._lost = 0
        self._lost_from_ms = 0

    def add(self, tick: Tick) -> None:
        waiting = self._waiting
        waiting.append(tick)
        if len(waiting) == 1:
            self._since_s = time.monotonic()
            self._has_ticks.set()
        elif len(waiting) > WAITING_MAX:
            self._conflate()

    def wake(self) -> None:
        self._has_ticks.set()

    async def run_until(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set() or (self._waiting and not self._outage.is_on):
            await self._has_ticks.wait()
            self._has_ticks.clear()
            while self._waiting:
                # Kept apart until it was taken: sent again it must be the same batch.
                batch, self._waiting = self._waiting[:SENT_AT_ONCE], self._waiting[SENT_AT_ONCE:]
                since_s = self._since_s
                if not await self._deliver(batch, stopping):
                    return
                self._delays.note(since_s, len(batch))

    async def _deliver(self, batch: list[Tick], stopping: asyncio.Event) -> bool:
        """Until Redis has taken it; False when that did not happen before the end."""
        self._batch += 1
        while True:
            try:
                if await self._append(self._batch, batch, self._after()).run(self._redis) < 0:
                    await self._send_again()
                    await self._append(self._batch, batch).run(self._redis)
            except (*UNREACHABLE, ResponseError) as error:
                self._outage.begin(str(error))
                if stopping.is_set():
                    return False
                await asyncio.sleep(RETRY_AFTER_S)
            else:
                self.published += len(batch)
                self._keep(_Taken(self._batch, batch, time.monotonic()))
                self._note_taken()
                return True

    def _append(self, number: int, ticks: list[Tick], after: str = "") -> Call[int]:
        return script("append").call(
            int,
            ticks=self._shard.ticks,
            appended=self._appended,
            batch=number,
            after=after,
            keep=BATCH_KEPT_S,
            most=TICKS_MAX,
            fields=[text for tick in ticks for text in (tick.token, format_price(tick.price_e4), tick.time_ms, tick.via)],
        )

    def _after(self) -> str:
        """The batch that Redis must have; empty where it may have forgotten the number."""
        is_known = self._taken and time.monotonic() - self._taken[-1].taken_s < BATCH_KEPT_S / 2
        return str(self._taken[-1].number) if is_known else ""

    def _keep(self, taken: _Taken) -> None:
        self._taken.append(taken)
        self._ticks_taken += len(taken.ticks)
        while self._taken[0].taken_s < taken.taken_s - ON_DISK_S or self._ticks_taken > TAKEN_MAX:
            self._ticks_taken -= len(self._taken.popleft().ticks)

    async def _send_again(self) -> None:
        """What Redis took and does not have any more: it lost power, or somebody emptied it."""
        newest = int(await self._redis.get(self._appended) or 0)
        lost = [each for each in self._taken if each.number > newest]
        # Of one that was emptied nothing tells what was evaluated: it would fire again.
        is_mended = bool(newest) and len(lost) == self._batch - 1 - newest
        for each in lost if newest else ():
            await self._append(each.number, each.ticks).run(self._redis)
        count = sum(len(each.ticks) for each in lost)
        log.warning("redis lost ticks", extra={"shard": self._shard.tag, "ticks": count, "sent_again": count if newest else 0})
        if not is_mended:
            began_ms = now_ms() - round((time.monotonic() - self._taken[0].taken_s) * SECOND_MS)
            self._on_gap(Gap(began_ms, now_ms(), "redis lost what it was told", 0 if newest else count))

    def _conflate(self) -> None:
        kept = conflate(self._waiting)
        lost = len(self._waiting) - len(kept)
        self.conflated += lost
        self._lost += lost
        self._lost_from_ms = self._lost_from_ms or self._waiting[0].time_ms
        self._waiting = kept

    def _note_taken(self) -> None:
        self._outage.end(waiting=len(self._waiting), conflated=self.conflated)
        # A backlog that only grows slower than it is sent is one gap, told when it is worked off.
        if self._lost and len(self._waiting) < SENT_AT_ONCE:
            self._on_gap(Gap(self._lost_from_ms, now_ms(), "redis was away or slow: only extremes were kept", self._lost))
            self._lost, self._lost_from_ms = 0, 0


class _Screens:
    """Quotes as they changed, for all who look."""

    def __init__(self, redis: Redis, shards: int) -> None:
        self.changed: dict[int, Row] = {}
        self._redis = redis
        self._shards = shards
        # Changes that their hash does not show yet, by turn.
        self._unwritten: list[dict[int, Row]] = [{} for _ in range(HASH_EVERY_TURNS)]
        self._written: set[int] = set()

    async def run_until(self, stopping: asyncio.Event) -> None:
        turn = 0
        while not stopping.is_set():
            await asyncio.sleep(QUOTES_EVERY_S)
            turn = (turn + 1) % HASH_EVERY_TURNS
            rows, self.changed = self.changed, {}
            try:
                await self._write_hashes(rows, turn)
                await self._announce(rows)
            except (*UNREACHABLE, ResponseError):
                # Screens show the next ones; ticks tell of the outage.
                log.debug("quotes not sent")

    async def _write_hashes(self, rows: dict[int, Row], turn: int) -> None:
        """An instrument's first quote at once, later ones when it is its turn."""
        due = self._unwritten[turn]
        for token, row in rows.items():
            if token in self._written:
                self._unwritten[token % HASH_EVERY_TURNS][token] = row
            else:
                self._written.add(token)
                due[token] = row
        self._unwritten[turn] = {}
        for part in _parts(due):
            async with self._redis.pipeline(transaction=False) as pipe:
                for token, row in part:
                    pipe.hset(shard_of(token, self._shards).quote(token), mapping=quote_fields(row))  # type: ignore[arg-type]
                await pipe.execute()

    async def _announce(self, rows: dict[int, Row]) -> None:
        for part in _parts(rows):
            changes = {token: [_price(token, row[1]), change_percent(row), row[8] * 1_000] for token, row in part}
            await self._redis.publish(QUOTES_TOPIC, json.dumps(changes, separators=(",", ":")))


def _parts(rows: dict[int, Row]) -> Iterator[list[tuple[int, Row]]]:
    """So few that ticks, which share the event loop, do not wait for them."""
    return batched(rows.items(), QUOTES_AT_ONCE)


def conflate(ticks: Iterable[Tick]) -> list[Tick]:
    """Each instrument's lowest, highest and newest tick, in order of arrival."""
    kept: dict[int, list[int]] = {}
    ordered = list(ticks)
    for place, tick in enumerate(ordered):
        low, high, _ = kept.setdefault(tick.token, [place, place, place])
        kept[tick.token] = [
            place if tick.price_e4 < ordered[low].price_e4 else low,
            place if tick.price_e4 > ordered[high].price_e4 else high,
            place,
        ]
    return [ordered[place] for place in sorted({place for places in kept.values() for place in places})]


def change_percent(row: Row) -> str:
    """Against the previous close, with two decimals; empty when there is none."""
    last, close = row[1], row[6]
    return f"{(last - close) * 100 / close:.2f}" if close else ""


def quote_fields(row: Row) -> dict[str, str | int]:
    """The quote's hash, in the order of the key table."""
    quote = Packet._make(row)
    return {
        "last": _price(quote.token, quote.last),
        "open": _price(quote.token, quote.open),
        "high": _price(quote.token, quote.high),
        "low": _price(quote.token, quote.low),
        "close": _price(quote.token, quote.close),
        "volume": quote.volume,
        "change": change_percent(row),
        "time": quote.sent_s * 1_000,
    }


def _price(token: int, units: int) -> str:
    return format_price(price_e4(token, units))
