"""Kite's binary frames as packets of exact integers; reads only what StormAlert uses.

A frame is a count and then, per packet, its length and body; all integers are big-endian and unsigned. The length alone says
what a packet is. A frame of one byte is a heartbeat.
"""

import struct
from enum import IntEnum
from typing import NamedTuple


class Segment(IntEnum):
    """The low byte of an instrument token."""

    NSE = 1
    NFO = 2
    CDS = 3
    BSE = 4
    BFO = 5
    BCD = 6
    MCX = 7
    MCXSX = 8
    INDICES = 9
    NCO = 12


class Packet(NamedTuple):
    """Prices are rupees x 10,000; a field that the packet's kind lacks is 0."""

    token: int
    last_e4: int
    open_e4: int
    high_e4: int
    low_e4: int
    # Of the previous session.
    close_e4: int
    # Of the day so far.
    volume: int
    # When the exchange sent it, and when it was last traded.
    time_ms: int
    trade_ms: int


class Frame(NamedTuple):
    packets: list[Packet]
    # Why bytes were passed over, in words; empty for a sound frame.
    fault: str


_COUNT = struct.Struct(">H")
_LTP = struct.Struct(">II")
_INDEX_QUOTE = struct.Struct(">IIIIII")
_INDEX_FULL = struct.Struct(">IIIIII4xI")
_QUOTE = struct.Struct(">II8xI8xIIII")
_FULL = struct.Struct(">II8xI8xIIIII12xI")

# Kite's prices are integers: currencies carry seven decimals on NSE and four on BSE, commodities on NSE four, all others two.
_CDS_PER_E4 = 1_000
_FOUR_DECIMALS = frozenset((Segment.BCD, Segment.NCO))
_E4_PER_PAISA = 100


def decode(frame: bytes) -> Frame:
    """All sound packets of a frame in order. A packet of unknown length is skipped, a cut one ends the frame."""
    if len(frame) < 2:
        return Frame([], "" if frame else "an empty frame")
    (count,) = _COUNT.unpack_from(frame)
    packets: list[Packet] = []
    fault = ""
    offset, end = 2, len(frame)
    for _ in range(count):
        if offset + 2 > end:
            return Frame(packets, f"the frame ends after {len(packets)} of {count} packets")
        (length,) = _COUNT.unpack_from(frame, offset)
        offset += 2
        if offset + length > end:
            return Frame(packets, f"a packet of {length} bytes is cut at {end - offset}")
        packet = _packet(frame, offset, length)
        if packet is None:
            fault = f"a packet of unknown length {length}"
        else:
            packets.append(packet)
        offset += length
    if offset < end:
        fault = f"{end - offset} bytes behind the last packet"
    return Frame(packets, fault)


def _packet(frame: bytes, at: int, length: int) -> Packet | None:
    if length == 184:
        token, last, volume, open_, high, low, close, traded_s, sent_s = _FULL.unpack_from(frame, at)
    elif length == 44:
        token, last, volume, open_, high, low, close = _QUOTE.unpack_from(frame, at)
        traded_s = sent_s = 0
    elif length == 32:
        token, last, high, low, open_, close, sent_s = _INDEX_FULL.unpack_from(frame, at)
        volume = traded_s = 0
    elif length == 28:
        token, last, high, low, open_, close = _INDEX_QUOTE.unpack_from(frame, at)
        volume = traded_s = sent_s = 0
    elif length == 8:
        token, last = _LTP.unpack_from(frame, at)
        volume = open_ = high = low = close = traded_s = sent_s = 0
    else:
        return None
    segment = token & 0xFF
    if segment == Segment.CDS:
        last, open_, high, low, close = (_from_cds(price) for price in (last, open_, high, low, close))
    elif segment not in _FOUR_DECIMALS:
        last, open_, high = last * _E4_PER_PAISA, open_ * _E4_PER_PAISA, high * _E4_PER_PAISA
        low, close = low * _E4_PER_PAISA, close * _E4_PER_PAISA
    return Packet(token, last, open_, high, low, close, volume, sent_s * 1_000, traded_s * 1_000)


def _from_cds(price_e7: int) -> int:
    # NSE quotes currencies in steps of 0.0025, so the last three decimals are always 0.
    return (price_e7 + _CDS_PER_E4 // 2) // _CDS_PER_E4
