"""Kite's binary packets, encoded: a quote is kept in wire form all along, so that a packet is the first bytes of its row.

Every integer is big-endian; a price is an integer in the units of its segment (`divisor`).
"""

import itertools
from collections.abc import Iterator
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

DEPTH = np.dtype([("quantity", ">u4"), ("price", ">u4"), ("orders", ">u2"), ("padding", ">u2")])

QUOTE = np.dtype(
    [
        ("token", ">u4"),
        ("last", ">u4"),
        ("last_quantity", ">u4"),
        ("average", ">u4"),
        ("volume", ">u4"),
        ("buy_quantity", ">u4"),
        ("sell_quantity", ">u4"),
        ("open", ">u4"),
        ("high", ">u4"),
        ("low", ">u4"),
        ("close", ">u4"),
        ("trade_s", ">u4"),
        ("oi", ">u4"),
        ("oi_day_high", ">u4"),
        ("oi_day_low", ">u4"),
        ("exchange_s", ">u4"),
        ("depth", DEPTH, (10,)),
    ]
)

# Unlike a quote, an index puts high and low before open.
INDEX = np.dtype(
    [
        ("token", ">u4"),
        ("last", ">u4"),
        ("high", ">u4"),
        ("low", ">u4"),
        ("open", ">u4"),
        ("close", ">u4"),
        ("change", ">i4"),
        ("exchange_s", ">u4"),
    ]
)

SEGMENTS = {"nse": 1, "nfo": 2, "cds": 3, "bse": 4, "bcd": 6, "indices": 9, "nco": 12}
HEARTBEAT = b"\x00"
MAX_PACKETS = 1000  # a frame; what is more goes into the next one

Quotes = NDArray[np.void]
Modes = NDArray[np.int8]


class Mode(IntEnum):
    """What a client asked to see of an instrument."""

    NONE = 0
    LTP = 1
    QUOTE = 2
    FULL = 3


PACKET_BYTES = {Mode.LTP: 8, Mode.QUOTE: 44, Mode.FULL: 184}
INDEX_PACKET_BYTES = {Mode.LTP: 8, Mode.QUOTE: 28, Mode.FULL: 32}


def segment(token: int) -> int:
    """Give the exchange segment that the lowest byte of a token names."""
    return token & 0xFF


def divisor(token: int) -> int:
    """Give how many units of the wire make one rupee."""
    if segment(token) == SEGMENTS["cds"]:
        return 10_000_000
    return 10_000 if segment(token) in (SEGMENTS["bcd"], SEGMENTS["nco"]) else 100


def frames(quotes: Quotes, modes: Modes) -> Iterator[bytes]:
    """Encode the quotes in their order, each by its mode, in frames of at most MAX_PACKETS."""
    for start in range(0, len(quotes), MAX_PACKETS):
        part = slice(start, start + MAX_PACKETS)
        yield _frame(quotes[part], modes[part])


def _frame(quotes: Quotes, modes: Modes) -> bytes:
    is_index = (quotes["token"] & 0xFF) == SEGMENTS["indices"]
    kinds = modes + np.int8(8) * is_index
    starts = [0, *(np.flatnonzero(np.diff(kinds)) + 1).tolist(), len(quotes)]
    runs = [
        _run(quotes[start:end], Mode(int(modes[start])), bool(is_index[start])) for start, end in itertools.pairwise(starts)
    ]
    return len(quotes).to_bytes(2, "big") + b"".join(runs)


def _run(quotes: Quotes, mode: Mode, is_index: bool) -> bytes:
    """Encode neighbours of one kind at once: a length and the first bytes of the row, for each."""
    rows: NDArray[Any] = _as_index(quotes) if is_index else np.ascontiguousarray(quotes)
    size = (INDEX_PACKET_BYTES if is_index else PACKET_BYTES)[mode]
    packets = np.empty((len(rows), 2 + size), np.uint8)
    packets[:, 0] = size >> 8
    packets[:, 1] = size & 0xFF
    packets[:, 2:] = rows.view(np.uint8).reshape(len(rows), rows.itemsize)[:, :size]
    return packets.tobytes()


def _as_index(quotes: Quotes) -> Quotes:
    rows = np.empty(len(quotes), INDEX)
    for name in ("token", "last", "high", "low", "open", "close", "exchange_s"):
        rows[name] = quotes[name]
    rows["change"] = quotes["last"].astype(np.int64) - quotes["close"]
    return rows
