"""Our decoder beside KiteTicker's own, on the same frames."""

import random
import struct
import time
from collections.abc import Callable
from typing import Any

from kiteconnect import KiteTicker

from bench.sizes import Sizes
from ingest.decode import decode

PACKETS_A_FRAME = 100
ROUNDS = 5
LENGTHS = {"ltp": 8, "index quote": 28, "index full": 32, "quote": 44, "full": 184}
TOKEN = 408065


def run(sizes: Sizes) -> dict[str, list[dict[str, Any]]]:
    rows = [_compare(kind, length, sizes.decoder_frames) for kind, length in LENGTHS.items()]
    return {"decoder: ours beside KiteTicker's own, on the same frames": rows}


def _compare(kind: str, length: int, count: int) -> dict[str, Any]:
    frames = [_frame(length) for _ in range(count)]
    # Taken in turns, so that a noisy neighbour disturbs both alike; the best round is the least disturbed one.
    theirs, ours = (min(times) for times in zip(*(_both(frames) for _ in range(ROUNDS)), strict=True))
    return {
        "packet": kind,
        "ours us": round(ours * 1e6, 2),
        "KiteTicker us": round(theirs * 1e6, 2),
        "times faster": round(theirs / ours, 1),
    }


def _both(frames: list[bytes]) -> tuple[float, float]:
    return _seconds_a_packet(KiteTicker("key", "token")._parse_binary, frames), _seconds_a_packet(decode, frames)


def _seconds_a_packet(read: Callable[[bytes], Any], frames: list[bytes]) -> float:
    started_s = time.perf_counter()
    for frame in frames:
        read(frame)
    return (time.perf_counter() - started_s) / (len(frames) * PACKETS_A_FRAME)


def _frame(length: int) -> bytes:
    dice = random.Random(length)
    words = length // 4 - 1
    packets = (
        struct.pack(f">HI{words}I", length, TOKEN, *(dice.randrange(2**31) for _ in range(words)))
        for _ in range(PACKETS_A_FRAME)
    )
    return struct.pack(">H", PACKETS_A_FRAME) + b"".join(packets)
