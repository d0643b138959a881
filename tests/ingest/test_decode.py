import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kiteconnect import KiteTicker

from ingest.decode import Packet, Segment, decode

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


def theirs(frame: bytes) -> list[dict[str, Any]]:
    return KiteTicker("key", "token")._parse_binary(frame)


@given(st.lists(bodies(), max_size=5))
def test_reads_what_kites_own_parser_reads(packets: list[bytes]) -> None:
    frame = decode(frame_of(*packets))
    assert not frame.fault
    for packet, expected in zip(frame.packets, theirs(frame_of(*packets)), strict=True):
        ohlc = expected.get("ohlc", dict.fromkeys(("open", "high", "low", "close"), 0))
        assert packet.token == expected["instrument_token"]
        assert packet.last_e4 == round(expected["last_price"] * 10_000)
        assert (packet.open_e4, packet.high_e4, packet.low_e4, packet.close_e4) == tuple(
            round(ohlc[name] * 10_000) for name in ("open", "high", "low", "close")
        )
        assert packet.volume == expected.get("volume_traded", 0)
        for found_ms, moment in (
            (packet.time_ms, expected.get("exchange_timestamp")),
            (packet.trade_ms, expected.get("last_trade_time")),
        ):
            assert found_ms == (int(moment.timestamp()) * 1_000 if moment else 0)


def test_an_index_has_its_high_and_low_before_its_open() -> None:
    body = struct.pack(">8I", 256265, 1_650_000, 1_660_000, 1_640_000, 1_645_000, 1_648_000, 0, 1_655_000_000)
    assert decode(frame_of(body)).packets == [
        Packet(256265, 165_000_000, 164_500_000, 166_000_000, 164_000_000, 164_800_000, 0, 1_655_000_000_000, 0)
    ]


@pytest.mark.parametrize("beat", [b"\x00", b"\x01"])
def test_a_heartbeat_has_no_packets_and_no_fault(beat: bytes) -> None:
    assert decode(beat) == ([], "")


def test_a_cut_frame_keeps_its_whole_packets() -> None:
    whole = frame_of(struct.pack(">II", 408065, 138_455), struct.pack(">II", 884737, 50_000))
    frame = decode(whole[:-3])
    assert [packet.token for packet in frame.packets] == [408065]
    assert frame.fault == "a packet of 8 bytes is cut at 5"


def test_a_frame_that_promises_more_packets_than_it_has_keeps_those() -> None:
    frame = decode(struct.pack(">HHII", 2, 8, 408065, 138_455))
    assert ([packet.last_e4 for packet in frame.packets], frame.fault) == ([13_845_500], "the frame ends after 1 of 2 packets")


def test_a_packet_of_unknown_length_is_skipped_and_told() -> None:
    frame = decode(frame_of(b"x" * 12, struct.pack(">II", 408065, 138_455)))
    assert ([packet.token for packet in frame.packets], frame.fault) == ([408065], "a packet of unknown length 12")


def test_bytes_behind_the_last_packet_are_told() -> None:
    assert decode(frame_of(struct.pack(">II", 408065, 1)) + b"more").fault == "4 bytes behind the last packet"


@given(st.binary(max_size=400))
def test_no_bytes_can_break_it(noise: bytes) -> None:
    decode(noise)
