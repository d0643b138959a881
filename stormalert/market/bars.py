"""Minute bars as ingest writes them and charts draw them."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from stormalert.units import DAY_MS, IST, now_ms, parse_price_e4


class Bar(NamedTuple):
    """Prices of the minute that begins at `time_ms`, in rupees x 10,000."""

    time_ms: int
    open_e4: int
    high_e4: int
    low_e4: int
    close_e4: int


def read_bars(entries: Iterable[tuple[str, Mapping[str, str]]]) -> list[Bar]:
    """Of the entries of `storm:{s0}:bars:<token>`, oldest first; a minute that was written in parts is put together."""
    bars: list[Bar] = []
    for entry_id, fields in entries:
        prices = (parse_price_e4(fields[name]) for name in ("open", "high", "low", "close"))
        bar = Bar(int(entry_id.partition("-")[0]), *prices)
        if bars and bars[-1].time_ms == bar.time_ms:
            before = bars.pop()
            high, low = max(before.high_e4, bar.high_e4), min(before.low_e4, bar.low_e4)
            bar = Bar(bar.time_ms, before.open_e4, high, low, bar.close_e4)
        bars.append(bar)
    return bars


def day_began_ms(at_ms: int | None = None) -> int:
    """Midnight in India before that moment, or before now."""
    moment_ms = now_ms() if at_ms is None else at_ms
    offset = datetime.fromtimestamp(moment_ms / 1_000, IST).utcoffset()
    assert offset is not None
    offset_ms = int(offset.total_seconds() * 1_000)
    return (moment_ms + offset_ms) // DAY_MS * DAY_MS - offset_ms
