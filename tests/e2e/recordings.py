"""Minute files of a made-up market, written by the test, and the ticks that they stand for by the README's definition."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from stormalert.units import IST, MINUTE_MS

FIRST_DAY = datetime(2024, 3, 4, 9, 15, tzinfo=IST)
QUARTER_MS = MINUTE_MS // 4
# Of a price, each minute; over a night it may move a good deal more.
STEP, GAP = 0.0008, 0.012


class Minute(NamedTuple):
    symbol: str
    ends: datetime
    # In paise, as all prices here.
    opened: int
    high: int
    low: int
    closed: int


def market(symbols: dict[str, int], days: int, minutes_a_day: int, seed: int) -> Iterator[Minute]:
    """A random walk of each symbol from its price, with gaps over night, and minutes without a trade."""
    dice = random.Random(seed)
    prices = dict(symbols)
    for day in range(days):
        for symbol in symbols:
            prices[symbol] = _moved(prices[symbol], dice.uniform(-GAP, GAP))
        for minute in range(minutes_a_day):
            for symbol in symbols:
                path = [prices[symbol]]
                for _ in range(3):
                    path.append(_moved(path[-1], dice.gauss(0, STEP / 2)))
                prices[symbol] = path[-1]
                if dice.random() > 0.03:
                    ends = FIRST_DAY + timedelta(days=day, minutes=minute + 1)
                    yield Minute(symbol, ends, path[0], max(path), min(path), path[-1])


def write(file: Path, minutes: list[Minute]) -> None:
    with file.open("w") as lines:
        for it in minutes:
            prices = ",".join(f"{paise // 100}.{paise % 100:02d}" for paise in it[2:])
            lines.write(f"{it.symbol},{it.ends:%Y%m%d,%H:%M},{prices},0,0\n")


def ticks(minutes: list[Minute]) -> list[tuple[int, str, int]]:
    """(time in ms, symbol, paise), in order: open, then low and high in the order of a plain path, then close."""
    found = []
    for it in minutes:
        starts_ms = round(it.ends.timestamp()) * 1000 - MINUTE_MS
        inner = (it.low, it.high) if it.closed >= it.opened else (it.high, it.low)
        for quarter, paise in enumerate((it.opened, *inner, it.closed)):
            found.append((starts_ms + quarter * QUARTER_MS, it.symbol, paise))
    return sorted(found, key=lambda tick: tick[0])


def _moved(paise: int, by: float) -> int:
    """By steps of five paise, as at the exchange."""
    return round(paise * (1 + by) / 5) * 5
