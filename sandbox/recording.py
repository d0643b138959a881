"""Recorded markets, read as ticks: minute files and tick files.

A **minute file** has no header and one line a minute, `symbol,YYYYMMDD,HH:MM,open,high,low,close,volume,oi`, in Indian time;
HH:MM is the *end* of the minute, so the line labelled 09:16 began at 09:15:00. It becomes four ticks, always four:

    +0 s open    +15 s and +30 s low then high if close >= open, else high then low    +45 s close

counted from the beginning of the minute. Lines of one minute (several symbols) are merged by time, in the order of the file
where times are equal.

A **tick file** has the header `time,symbol,price`, time in epoch milliseconds and price in rupees; its order is kept. Prices
are given in whole paise; a finer one is refused. On the wire the exchange's time has whole seconds, so milliseconds are cut.
"""

import csv
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from itertools import groupby
from pathlib import Path

INDIA = timezone(timedelta(hours=5, minutes=30))
MINUTE_COLUMNS = 9
STEP_MS = 15_000
TICK_HEADER = ["time", "symbol", "price"]
# What a packet of Kite's has room for.
SECONDS_MAX = 2**32 - 1
PAISE_MAX = 2**31 - 1

Tick = tuple[int, str, int]  # time_ms, symbol, price_paise
Line = tuple[int, list[str]]


class RecordingError(ValueError):
    """A recording that cannot be read; the message names file, line and reason."""


def read_ticks(path: Path) -> Iterator[Tick]:
    """Read a minute file or a tick file, told apart by the header."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = ((number, row) for number, row in enumerate(csv.reader(file), start=1) if row)
            first = next(lines, None)
            if first is None:
                raise RecordingError(f"{path}: the file is empty")
            if first[1] == TICK_HEADER:
                yield from _ticks(path, lines)
            else:
                yield from _minutes(path, _chain(first, lines))
    except (OSError, UnicodeDecodeError) as error:
        raise RecordingError(f"{path}: {getattr(error, 'strerror', None) or 'not a text file'}") from error


def _chain(first: Line, lines: Iterator[Line]) -> Iterator[Line]:
    yield first
    yield from lines


def _ticks(path: Path, lines: Iterable[Line]) -> Iterator[Tick]:
    for number, row in lines:
        if len(row) != len(TICK_HEADER):
            raise RecordingError(f"{path}:{number}: expected time,symbol,price, was {','.join(row)!r}")
        time, symbol, price = row
        if not (time.isascii() and time.isdigit() and int(time) // 1000 <= SECONDS_MAX):
            raise RecordingError(f"{path}:{number}: time must be epoch milliseconds until the year 2106, was {time!r}")
        yield int(time), symbol, _paise(path, number, price)


def _minutes(path: Path, lines: Iterable[Line]) -> Iterator[Tick]:
    for (date, label), minute in groupby(lines, key=lambda line: tuple(line[1][1:3]) if len(line[1]) > 2 else ("", "")):
        ticks: list[Tick] = []
        for number, row in minute:
            if len(row) != MINUTE_COLUMNS:
                columns = "symbol,date,time,open,high,low,close,volume,oi"
                raise RecordingError(f"{path}:{number}: expected {columns}, was {','.join(row)!r}")
            ticks += _of_minute(row[0], _start_ms(path, number, date, label), _ohlc(path, number, row[3:7]))
        yield from sorted(ticks, key=lambda tick: tick[0])


def _of_minute(symbol: str, start_ms: int, ohlc: list[int]) -> list[Tick]:
    opened, high, low, closed = ohlc
    path = (opened, low, high, closed) if closed >= opened else (opened, high, low, closed)
    return [(start_ms + step * STEP_MS, symbol, price) for step, price in enumerate(path)]


def _start_ms(path: Path, number: int, date: str, label: str) -> int:
    try:
        end = datetime.strptime(f"{date} {label}", "%Y%m%d %H:%M").replace(tzinfo=INDIA)
    except ValueError as error:
        raise RecordingError(f"{path}:{number}: expected YYYYMMDD,HH:MM, was '{date},{label}'") from error
    start_s = round((end - timedelta(minutes=1)).timestamp())
    if not 0 < start_s <= SECONDS_MAX:
        raise RecordingError(f"{path}:{number}: expected a day between 1970 and 2106, was '{date}'")
    return start_s * 1000


def _ohlc(path: Path, number: int, texts: list[str]) -> list[int]:
    opened, high, low, closed = (_paise(path, number, text) for text in texts)
    if not low <= min(opened, closed) <= max(opened, closed) <= high:
        raise RecordingError(f"{path}:{number}: open and close must lie between low and high, was {','.join(texts)!r}")
    return [opened, high, low, closed]


def _paise(path: Path, number: int, text: str) -> int:
    try:
        paise = Decimal(text) * 100
    except InvalidOperation:
        paise = Decimal("NaN")
    if not paise.is_finite() or not 0 < paise <= PAISE_MAX or paise != paise.to_integral_value():
        raise RecordingError(
            f"{path}:{number}: price must be rupees in whole paise, above 0 and at most {PAISE_MAX / 100}, was {text!r}"
        )
    return int(paise)
