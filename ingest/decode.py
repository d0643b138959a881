"""Kite's binary frames as rows of exact integers; reads only what StormAlert uses.

A frame is a count and then, per packet, its length and body; all integers are big-endian and unsigned. The length alone says
what a packet is. A frame of one byte is a heartbeat. Nearly always many packets of one kind follow each other, so that a whole
run of them is read at once, at the speed of C.
"""

import struct
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, repeat
from operator import add, itemgetter
from typing import Any, NamedTuple

from stormalert.market.calendar import Segment


class Packet(NamedTuple):
    """The fields of a row. Prices are in the units of the instrument's segment, see `price_e4`; what a kind lacks is 0."""

    token: int
    last: int
    # Of the day so far.
    volume: int = 0
    open: int = 0
    high: int = 0
    low: int = 0
    # Of the previous session.
    close: int = 0
    # Epoch seconds: when it was last traded, and when the exchange sent it.
    traded_s: int = 0
    sent_s: int = 0


# A packet as the decoder gives it: a plain tuple, because thousands pass each second and naming the fields costs as much as
# reading them.
Row = tuple[int, int, int, int, int, int, int, int, int]


class Frame(NamedTuple):
    # To be gone through once.
    rows: Iterator[Row]
    # Why bytes were passed over, in words; empty for a sound frame.
    fault: str


_SHORT = struct.Struct(">H")
# Each with the packet's own length before it.
_LTP = struct.Struct(">2xII")
_INDEX_QUOTE = struct.Struct(">2xIIIIII4x")
_INDEX_FULL = struct.Struct(">2xIIIIII4xI")
_QUOTE = struct.Struct(">2xII8xI8xIIII")
_FULL = struct.Struct(">2xII8xI8xIIIII12xI120x")

# Kite's prices are integers: currencies carry seven decimals on NSE and four on BSE, commodities on NSE four, all others two.
_CDS_PER_E4 = 1_000
_FOUR_DECIMALS = frozenset((Segment.BCD, Segment.NCO))
_E4_PER_PAISA = 100


def decode(frame: bytes) -> Frame:
    """All sound packets of a frame in order. A packet of unknown length is skipped, a cut one ends the frame."""
    if len(frame) < 2:
        return Frame(iter(()), "" if frame else "an empty frame")
    (count,) = _SHORT.unpack_from(frame)
    runs: list[Iterable[Row]] = []
    view, fault = memoryview(frame), ""
    offset, end, left, read = 2, len(frame), count, 0
    while left:
        if offset + 2 > end:
            return Frame(chain.from_iterable(runs), f"the frame ends after {read} of {count} packets")
        (length,) = _SHORT.unpack_from(frame, offset)
        size = 2 + length
        whole = min((end - offset) // size, left)
        if not whole:
            return Frame(chain.from_iterable(runs), f"a packet of {length} bytes is cut at {end - offset - 2}")
        alike = _alike(frame, offset, size, whole)
        rows_of = _ROWS_OF.get(length)
        if rows_of:
            runs.append(rows_of(view[offset : offset + alike * size]))
            read += alike
        else:
            fault = f"a packet of unknown length {length}"
        offset += alike * size
        left -= alike
    if offset < end:
        fault = f"{end - offset} bytes behind the last packet"
    return Frame(chain.from_iterable(runs), fault)


def price_e4(token: int, units: int) -> int:
    """A price of a row as rupees x 10,000."""
    segment = token & 0xFF
    if segment == Segment.CDS:
        # NSE quotes currencies in steps of 0.0025, so the last three decimals are always 0.
        return (units + _CDS_PER_E4 // 2) // _CDS_PER_E4
    return units if segment in _FOUR_DECIMALS else units * _E4_PER_PAISA


def _alike(frame: bytes, offset: int, size: int, most: int) -> int:
    """How many packets from the offset on have the length of the first: each byte of it is compared for all at once."""
    end = offset + most * size
    return min(_leading(frame[offset:end:size]), _leading(frame[offset + 1 : end : size]))


def _leading(octets: bytes) -> int:
    """How many equal ones it begins with."""
    return len(octets) - len(octets.lstrip(octets[:1]))


def _full(run: memoryview) -> Iterable[Any]:
    return _FULL.iter_unpack(run)


def _quote(run: memoryview) -> Iterable[Any]:
    return _padded(_QUOTE.iter_unpack(run), 2)


def _ltp(run: memoryview) -> Iterable[Any]:
    return _padded(_LTP.iter_unpack(run), 7)


# An index puts high and low before open, and has no volume: places of its fields in the order of a row, the padding's for it.
_in_order_of_quote = itemgetter(0, 1, 6, 4, 2, 3, 5, 6, 6)
_in_order_of_full = itemgetter(0, 1, 7, 4, 2, 3, 5, 7, 6)


def _index_quote(run: memoryview) -> Iterable[Any]:
    return map(_in_order_of_quote, _padded(_INDEX_QUOTE.iter_unpack(run), 1))


def _index_full(run: memoryview) -> Iterable[Any]:
    return map(_in_order_of_full, _padded(_INDEX_FULL.iter_unpack(run), 1))


def _padded(rows: Iterable[Any], zeros: int) -> Iterable[Any]:
    return map(add, rows, repeat((0,) * zeros))


_ROWS_OF: dict[int, Callable[[memoryview], Iterable[Any]]] = {
    8: _ltp,
    28: _index_quote,
    32: _index_full,
    44: _quote,
    184: _full,
}
