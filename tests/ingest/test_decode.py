import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kiteconnect import KiteTicker

from ingest.decode import Packet, decode, price_e4
from stormalert.market.calendar import Segment

DIVISORS = {Segment.CDS: 10_000_000, Segment.BCD: 10_000, Segment.NCO: 10_000}
LENGTHS = {"ltp": 8, "index_quote": 28, "index_full": 32, "quote": 44, "full": 184}


def frame_of(*packets: bytes) -> bytes:
    return struct.pack(">H", len(packets)) + b"".join(struct.pack(">H", len(body)) + body for body in packets)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    length = draw(st.sampled_from(list(LENGTHS.values())))
    segment = draw(st.sampled_from(list(Segment)))
    token = draw(st.integers(1, 2**24 - 1)) << 8 | segment
    # Currencies are quoted in steps of 0.0025, and times lie in the range that the library can show.
    unit = 25_000 if segment is Segment.CDS else 1
    words = draw(st.lists(st.integers(0, (2**32 - 1) // unit), min_size=length // 4 - 1, max_size=length // 4 - 1))
    return struct.pack(f">{length // 4}I", token, *(word * unit for word in words))


@st.composite
def runs(draw: st.DrawFn) -> list[bytes]:
    """As frames are: mostly several packets of one kind after each other."""
    found: list[bytes] = []
    for body in draw(st.lists(bodies(), max_size=4)):
        found += [body] * draw(st.integers(1, 4))
    return found


def theirs(frame: bytes) -> list[dict[str, Any]]:
    read: list[dict[str, Any]] = KiteTicker("key", "token")._parse_binary(frame)
    return read


@given(runs())
def test_reads_what_kites_own_parser_reads(packets: list[bytes]) -> None:
    frame = decode(frame_of(*packets))
    assert not frame.fault
    for row, expected in zip(frame.rows, theirs(frame_of(*packets)), strict=True):
        packet = Packet._make(row)
        ohlc = expected.get("ohlc", dict.fromkeys(("open", "high", "low", "close"), 0))
        assert packet.token == expected["instrument_token"]
        assert price_e4(packet.token, packet.last) == round(expected["last_price"] * 10_000)
        prices = (packet.open, packet.high, packet.low, packet.close)
        assert [price_e4(packet.token, price) for price in prices] == [
            round(ohlc[name] * 10_000) for name in ("open", "high", "low", "close")
        ]
        assert packet.volume == expected.get("volume_traded", 0)
        for found_s, moment in (
            (packet.sent_s, expected.get("exchange_timestamp")),
            (packet.traded_s, expected.get("last_trade_time")),
        ):
            assert found_s == (int(moment.timestamp()) if moment else 0)


def test_an_index_has_its_high_and_low_before_its_open() -> None:
    body = struct.pack(">8I", 256265, 1_650_000, 1_660_000, 1_640_000, 1_645_000, 1_648_000, 0, 1_655_000_000)
    (row,) = decode(frame_of(body)).rows
    assert row == Packet(
        256265, 1_650_000, open=1_645_000, high=1_660_000, low=1_640_000, close=1_648_000, sent_s=1_655_000_000
    )


@pytest.mark.parametrize("beat", [b"\x00", b"\x01"])
def test_a_heartbeat_has_no_packets_and_no_fault(beat: bytes) -> None:
    frame = decode(beat)
    assert (list(frame.rows), frame.fault) == ([], "")


def test_a_cut_frame_keeps_its_whole_packets() -> None:
    whole = frame_of(struct.pack(">II", 408065, 138_455), struct.pack(">II", 884737, 50_000))
    frame = decode(whole[:-3])
    assert [row[0] for row in frame.rows] == [408065]
    assert frame.fault == "a packet of 8 bytes is cut at 5"


def test_a_frame_that_promises_more_packets_than_it_has_keeps_those() -> None:
    frame = decode(struct.pack(">HHII", 2, 8, 408065, 138_455))
    assert ([row[1] for row in frame.rows], frame.fault) == ([138_455], "the frame ends after 1 of 2 packets")


def test_a_packet_of_unknown_length_is_skipped_and_told() -> None:
    frame = decode(frame_of(b"x" * 12, struct.pack(">II", 408065, 138_455)))
    assert ([row[0] for row in frame.rows], frame.fault) == ([408065], "a packet of unknown length 12")


def test_bytes_behind_the_last_packet_are_told() -> None:
    assert decode(frame_of(struct.pack(">II", 408065, 1)) + b"more").fault == "4 bytes behind the last packet"


@given(st.binary(max_size=400))
def test_no_bytes_can_break_it(noise: bytes) -> None:
    list(decode(noise).rows)
