"""Recorded prices: minutes made into ticks and ticks into minutes, and the files that people have them in. Pure."""

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from stormalert.errors import InputError
from stormalert.market.bars import Bar
from stormalert.units import IST, MINUTE_MS, parse_epoch_ms, parse_price_e4

TICK_HEADER = ["time", "symbol", "price"]
MINUTE_COLUMNS = ("symbol", "YYYYMMDD", "HH:MM", "open", "high", "low", "close")
# More than this is the wrong file rather than a bad line.
PROBLEMS_MAX = 8
_STEP_MS = 15_000
_SYMBOL = re.compile(r"([A-Z]+:)?[A-Z0-9][A-Z0-9&_. -]{0,47}")
_USUAL_EXCHANGE = "NSE:"
# How recordings abbreviate the indices that Kite lists by their names.
_ALIASES = {"NSE:NIFTY": "NSE:NIFTY 50", "NSE:BANKNIFTY": "NSE:NIFTY BANK"}


# Told how much of the prices was read, as a share of 1.
Tell = Callable[[float], object]


class Price(NamedTuple):
    time_ms: int
    symbol: str
    price_e4: int


def symbol_of(text: str) -> str:
    """A recording's symbol as Kite spells it: NIFTY is NSE:NIFTY 50, infy is NSE:INFY. Raises InputError."""
    symbol = text.strip().upper()
    if not _SYMBOL.fullmatch(symbol):
        raise InputError(f"the symbol must be such as INFY or NSE:INFY, was {text.strip()!r}")
    symbol = symbol if ":" in symbol else f"{_USUAL_EXCHANGE}{symbol}"
    return _ALIASES.get(symbol, symbol)


def prices_of(symbol: str, bars: Iterable[Bar]) -> Iterator[Price]:
    """Four ticks a minute, since nobody knows what was in between: open, the extremes, close; a minute that ended higher
    touched its low first.
    """
    for time_ms, opened, high, low, close in bars:
        path = (opened, low, high, close) if close >= opened else (opened, high, low, close)
        for step, price_e4 in enumerate(path):
            yield Price(time_ms + step * _STEP_MS, symbol, price_e4)


def bars_of(ticks: Iterable[tuple[int, int]]) -> list[Bar]:
    """Minutes of ticks, which are (time_ms, price_e4) in their order; one that comes late counts for the minute that is on."""
    bars: list[Bar] = []
    for time_ms, price_e4 in ticks:
        if bars and time_ms < bars[-1].time_ms + MINUTE_MS:
            start_ms, opened, high, low, _ = bars[-1]
            bars[-1] = Bar(start_ms, opened, max(high, price_e4), min(low, price_e4), price_e4)
        else:
            bars.append(Bar(time_ms - time_ms % MINUTE_MS, price_e4, price_e4, price_e4, price_e4))
    return bars


def read_recording(lines: Iterable[str], name: str) -> Iterator[Price]:
    """Of a file with the header time,symbol,price, or of one with a minute a line.

    Raises InputError with lines and reasons, after the last line that it read.
    """
    problems: list[str] = []
    parse = None
    reader = csv.reader(lines, strict=True)
    try:
        for row in reader:
            if not row:
                continue
            if parse is None:
                parse = _tick if row == TICK_HEADER else _minute
                if parse is _tick:
                    continue
            try:
                yield from parse(row)
            except InputError as error:
                problems.append(f"{name}, line {reader.line_num}: {error}")
                if len(problems) == PROBLEMS_MAX:
                    problems.append("further lines were not read")
                    break
    except (csv.Error, UnicodeDecodeError) as error:
        problems.append(f"{name}, line {reader.line_num + 1}: not a CSV file in UTF-8 ({error})")
    if parse is None and not problems:
        problems.append(f"{name}: the file is empty")
    if problems:
        raise InputError("\n".join(problems))


def _tick(row: list[str]) -> Iterator[Price]:
    if len(row) != len(TICK_HEADER):
        raise InputError(f"expected {','.join(TICK_HEADER)}, was {','.join(row)[:80]!r}")
    yield Price(parse_epoch_ms(row[0], "time"), symbol_of(row[1]), parse_price_e4(row[2]))


def _minute(row: list[str]) -> Iterator[Price]:
    if len(row) < len(MINUTE_COLUMNS):
        expected = f"{','.join(MINUTE_COLUMNS)} or first the header {','.join(TICK_HEADER)}"
        raise InputError(f"expected {expected}, was {','.join(row)[:80]!r}")
    symbol, start_ms = symbol_of(row[0]), _start_ms(row[1], row[2])
    opened, high, low, close = map(parse_price_e4, row[3:7])
    if not low <= min(opened, close) <= max(opened, close) <= high:
        raise InputError(f"open and close must lie between low and high, was {','.join(row[3:7])!r}")
    return prices_of(symbol, [Bar(start_ms, opened, high, low, close)])


def _start_ms(date: str, label: str) -> int:
    """A minute is named by its end."""
    try:
        end = datetime.strptime(f"{date} {label}", "%Y%m%d %H:%M").replace(tzinfo=IST)
    except ValueError:
        raise InputError(f"the minute must be YYYYMMDD,HH:MM, was '{date},{label}'") from None
    return int(end.timestamp()) * 1_000 - MINUTE_MS
