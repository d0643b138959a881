import struct

import numpy as np
import pytest

from sandbox.packets import QUOTE, Mode, divisor, frames


def quotes_of(*tokens: int) -> np.ndarray:
    quotes = np.zeros(len(tokens), QUOTE)
    quotes["token"] = tokens
    for number, name in enumerate(("last", "open", "high", "low", "close"), start=1):
        quotes[name] = number * 100
    quotes["exchange_s"] = 1_625_461_887
    return quotes


def packets_of(frame: bytes) -> list[bytes]:
    packets, at = [], 2
    for _ in range(int.from_bytes(frame[:2], "big")):
        length = int.from_bytes(frame[at : at + 2], "big")
        packets.append(frame[at + 2 : at + 2 + length])
        at += 2 + length
    assert at == len(frame)
    return packets


def encoded(quotes: np.ndarray, *modes: Mode) -> list[bytes]:
    return [packet for frame in frames(quotes, np.array(modes, np.int8)) for packet in packets_of(frame)]


@pytest.mark.parametrize(
    ("token", "mode", "size"),
    [
        (408065, Mode.LTP, 8),
        (408065, Mode.QUOTE, 44),
        (408065, Mode.FULL, 184),
        (256265, Mode.LTP, 8),
        (256265, Mode.QUOTE, 28),
        (256265, Mode.FULL, 32),
    ],
)
def test_a_packet_has_the_length_of_its_mode_and_kind(token: int, mode: Mode, size: int) -> None:
    (packet,) = encoded(quotes_of(token), mode)
    assert len(packet) == size
    assert struct.unpack_from(">II", packet) == (token, 100)


def test_a_stock_lists_open_high_low_close() -> None:
    (packet,) = encoded(quotes_of(408065), Mode.QUOTE)
    assert struct.unpack_from(">4I", packet, 28) == (200, 300, 400, 500)


def test_an_index_lists_high_low_open_close_and_its_time() -> None:
    (packet,) = encoded(quotes_of(256265), Mode.FULL)
    assert struct.unpack(">6Ii I".replace(" ", ""), packet) == (256265, 100, 300, 400, 200, 500, -400, 1_625_461_887)


def test_the_published_sample_of_a_full_packet_comes_out_byte_for_byte() -> None:
    # The first 44 bytes of Kite's own sample, INFY on 5 July 2021.
    sample = bytes.fromhex("00063a01000266ba000000070002656d001232170003e9bb00058a01000264f30002673c000261c90002646c60e2947f")[
        :48
    ]
    quote = np.zeros(1, QUOTE)
    quote.view(np.uint8)[: len(sample)] = np.frombuffer(sample, np.uint8)
    assert quote["last"][0] == 157370
    assert quote["volume"][0] == 1192471
    assert quote["close"][0] == 156780
    assert encoded(quote, Mode.FULL)[0][:48] == sample


def test_kinds_mixed_in_one_frame_keep_their_order() -> None:
    tokens = [408065, 256265, 408065, 779521, 256265]
    modes = [Mode.FULL, Mode.FULL, Mode.LTP, Mode.QUOTE, Mode.QUOTE]
    packets = encoded(quotes_of(*tokens), *modes)
    assert [int.from_bytes(packet[:4], "big") for packet in packets] == tokens
    assert [len(packet) for packet in packets] == [184, 32, 8, 44, 28]


def test_more_packets_than_a_frame_holds_go_into_several() -> None:
    quotes = quotes_of(*range(257, 257 + 2500))
    counts = [int.from_bytes(frame[:2], "big") for frame in frames(quotes, np.full(2500, Mode.LTP, np.int8))]
    assert counts == [1000, 1000, 500]


def test_prices_are_divided_by_segment() -> None:
    assert [divisor(256 + segment) for segment in (1, 2, 3, 4, 6, 7, 9, 12)] == [
        100,
        100,
        10_000_000,
        100,
        10_000,
        100,
        100,
        10_000,
    ]
