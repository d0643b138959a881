"""Ticks into the sharded streams and quotes onto the screens.

Ticks of one turn of the event loop go out together. While Redis is slow or away they wait in memory up to a bound; beyond it an
instrument keeps its lowest, highest and newest price, so that no extreme is lost, and what was dropped is counted.
"""

import asyncio
import json
import logging
from collections.abc import Iterable

from redis.asyncio import Redis

from ingest.decode import Packet
from stormalert.keys import QUOTES_TOPIC, Shard, shard_of
from stormalert.model import Tick
from stormalert.process import UNREACHABLE
from stormalert.units import format_price

log = logging.getLogger(__name__)

# The last resort when no evaluator runs for long: some 100 MB a shard.
TICKS_MAX = 2_000_000
WAITING_MAX = 100_000
SENT_AT_ONCE = 2_000
QUOTES_EVERY_S = 0.1
RETRY_AFTER_S = 0.25


class Publisher:
    def __init__(self, redis: Redis, shards: int) -> None:
        self.published = 0
        self.conflated = 0
        self._redis = redis
        self._shards = shards
        self._waiting: list[Tick] = []
        self._has_ticks = asyncio.Event()
        self._quotes: dict[int, Packet] = {}
        self._is_away = False

    def add_ticks(self, ticks: Iterable[Tick]) -> None:
        """Never blocks."""
        self._waiting.extend(ticks)
        if len(self._waiting) > WAITING_MAX:
            kept = conflate(self._waiting)
            self.conflated += len(self._waiting) - len(kept)
            self._waiting = kept
        self._has_ticks.set()

    def show(self, packet: Packet) -> None:
        """Shows the packet's quote, admitted or not; a newer one replaces it until it is sent."""
        self._quotes[packet.token] = packet

    async def run_until(self, stopping: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._publish_quotes(stopping))
            tasks.create_task(self._publish_ticks(stopping))
            await stopping.wait()
            self._has_ticks.set()

    async def _publish_ticks(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set() or (self._waiting and not self._is_away):
            await self._has_ticks.wait()
            batch = self._waiting[:SENT_AT_ONCE]
            if not batch:
                self._has_ticks.clear()
                if stopping.is_set():
                    return
                continue
            del self._waiting[:SENT_AT_ONCE]
            by_shard: dict[Shard, list[Tick]] = {}
            for tick in batch:
                by_shard.setdefault(shard_of(tick.token, self._shards), []).append(tick)
            left = await asyncio.gather(*(self._append(shard, ticks) for shard, ticks in by_shard.items()))
            if waiting := [tick for ticks in left for tick in ticks]:
                self._waiting[:0] = waiting
                await asyncio.sleep(RETRY_AFTER_S)
            else:
                self._note_back()
            self.published += len(batch) - len(waiting)

    async def _append(self, shard: Shard, ticks: list[Tick]) -> list[Tick]:
        """Returns those that must be sent again: all or none."""
        try:
            # In a transaction, so that a batch whose reply is lost is there whole or not at all.
            async with self._redis.pipeline(transaction=True) as pipe:
                for tick in ticks:
                    fields = {"token": tick.token, "price": format_price(tick.price_e4), "time": tick.time_ms}
                    if tick.via:
                        fields["via"] = tick.via
                    pipe.xadd(shard.ticks, fields, maxlen=TICKS_MAX, approximate=True)  # type: ignore[arg-type]
                await pipe.execute()
        except UNREACHABLE as error:
            self._note_away(str(error))
            return ticks
        return []

    async def _publish_quotes(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            await asyncio.sleep(QUOTES_EVERY_S)
            quotes, self._quotes = self._quotes, {}
            if not quotes or self._is_away:
                continue
            try:
                await self._send_quotes(quotes)
            except UNREACHABLE:
                # Screens show the next ones; ticks tell of the outage.
                log.debug("quotes not sent")

    async def _send_quotes(self, quotes: dict[int, Packet]) -> None:
        async with self._redis.pipeline(transaction=False) as pipe:
            for packet in quotes.values():
                pipe.hset(shard_of(packet.token, self._shards).quote(packet.token), mapping=quote_fields(packet))  # type: ignore[arg-type]
            await pipe.execute()
        changes = {token: [format_price(p.last_e4), change_percent(p), p.time_ms] for token, p in quotes.items()}
        await self._redis.publish(QUOTES_TOPIC, json.dumps(changes, separators=(",", ":")))

    def _note_away(self, reason: str) -> None:
        if not self._is_away:
            log.error("redis lost, ticks wait", extra={"reason": reason})
        self._is_away = True

    def _note_back(self) -> None:
        if self._is_away:
            log.info("redis back", extra={"waiting": len(self._waiting), "conflated": self.conflated})
        self._is_away = False


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


def change_percent(packet: Packet) -> str:
    """Against the previous close, with two decimals; empty when there is none."""
    if not packet.close_e4:
        return ""
    return f"{(packet.last_e4 - packet.close_e4) * 100 / packet.close_e4:.2f}"


def quote_fields(packet: Packet) -> dict[str, str | int]:
    """The quote's hash, in the order of the key table."""
    return {
        "last": format_price(packet.last_e4),
        "open": format_price(packet.open_e4),
        "high": format_price(packet.high_e4),
        "low": format_price(packet.low_e4),
        "close": format_price(packet.close_e4),
        "volume": packet.volume,
        "change": change_percent(packet),
        "time": packet.time_ms,
    }
