"""Where a backtest's prices come from: the minutes that ingest keeps, Kite's candles, or somebody's file."""

import io
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from dashboard import resources
from dashboard.backtest.recording import Price, Tell, prices_of, read_recording
from dashboard.chart import candles
from stormalert import words
from stormalert.batches import batched
from stormalert.errors import InputError
from stormalert.market.bars import Bar, read_bars
from stormalert.market.days import day_began_ms
from stormalert.model import Instrument
from stormalert.redis.keys import shard_of
from stormalert.units import DAY_MS, SECOND_MS, parse_price_e4

# Three a second: half a minute.
CANDLE_REQUESTS_MAX = 80
FILE_MAX_MB = 60
_READ_AT_ONCE = 50
_TOLD_EVERY = 5_000


class Day(NamedTuple):
    """One instrument's minutes of a day, and its previous close where that is known."""

    instrument: Instrument
    bars: list[Bar]
    close_e4: int | None


def newest_day_ms(instruments: Sequence[Instrument]) -> int | None:
    """When the newest Indian day began of which there are minutes: today, if there was trading."""
    newest = 0
    for part in batched(instruments, _READ_AT_ONCE):
        with resources.thread_redis().pipeline(transaction=False) as pipe:
            for it in part:
                pipe.xrevrange(_bars_key(it), count=1)
            newest = max([newest, *(int(entries[0][0].partition("-")[0]) for entries in pipe.execute() if entries)])
    return day_began_ms(newest) if newest else None


def days(instruments: Sequence[Instrument], day_ms: int) -> Iterator[Day]:
    """Those with minutes on that day."""
    for part in batched(instruments, _READ_AT_ONCE):
        with resources.thread_redis().pipeline(transaction=False) as pipe:
            for it in part:
                pipe.xrange(_bars_key(it), min=day_ms, max=day_ms + DAY_MS - 1)
                pipe.hmget(shard_of(it.token, resources.config().shards).quote(it.token), "close", "time")
            found = pipe.execute()
        for it, entries, (close, time_ms) in zip(part, found[::2], found[1::2], strict=True):
            if bars := read_bars(entries):
                yield Day(it, bars, _close_e4(close) if time_ms and day_began_ms(int(time_ms)) == day_ms else None)


def prices_of_day(day: Day, day_ms: int) -> Iterator[Price]:
    """With the previous close before them, from which a day rule is measured."""
    if day.close_e4:
        yield Price(day_ms - SECOND_MS, day.instrument.symbol, day.close_e4)
    yield from prices_of(day.instrument.symbol, day.bars)


def of_day(instruments: Sequence[Instrument], day_ms: int, tell: Tell) -> Iterator[Price]:
    for count, day in enumerate(days(instruments, day_ms)):
        tell(count / len(instruments))
        yield from prices_of_day(day, day_ms)


def check_candles(instruments: int, from_ms: int, to_ms: int) -> None:
    """Raises InputError when Kite would have to be asked too often."""
    asked = instruments * len(list(candles.parts(from_ms, to_ms)))
    if asked > CANDLE_REQUESTS_MAX:
        raise InputError(
            f"Kite gives 60 days of one instrument a request, so this would be {words.grouped(asked)} requests, and at most "
            f"{CANDLE_REQUESTS_MAX} are made at once; choose fewer days or instruments."
        )


def of_candles(instruments: Sequence[Instrument], from_ms: int, to_ms: int, tell: Tell) -> Iterator[Price]:
    requests = [(it, part) for it in instruments for part in candles.parts(from_ms, to_ms)]
    for count, (it, part) in enumerate(requests):
        tell(count / len(requests))
        yield from prices_of(it.symbol, candles.part_of(it.token, *part))


def of_file(content: bytes, name: str, tell: Tell) -> Iterator[Price]:
    file = io.BytesIO(content)
    lines = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    for count, price in enumerate(read_recording(lines, name)):
        if count % _TOLD_EVERY == 0:
            tell(file.tell() / len(content))
        yield price


def _bars_key(instrument: Instrument) -> str:
    return shard_of(instrument.token, resources.config().shards).bars(instrument.token)


def _close_e4(text: str | None) -> int | None:
    try:
        return parse_price_e4(text or "")
    except InputError:
        # Kite has none of an instrument's first day.
        return None
