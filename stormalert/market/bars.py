"""Minute bars as ingest writes them and charts draw them."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from stormalert.units import parse_price_e4


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
