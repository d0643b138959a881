"""What a client sees of a recording is exactly what `read_ticks` says of it."""

import asyncio
import json
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from sandbox.recording import read_ticks

NIFTY, INFY = 256265, 408065
PATIENCE_S = 60.0

MINUTES = """\
NIFTY,20220601,09:08,16594.40,16594.40,16594.40,16594.40,0,0
NIFTY,20220601,09:16,16602.20,16614.35,16561.95,16613.90,0,0
INFY,20220601,09:16,1500.00,1510.00,1490.05,1495.50,0,0
NIFTY,20220601,09:17,16616.10,16632.45,16607.00,16627.05,0,0
NIFTY,20220602,09:16,16496.45,16500.95,16455.30,16460.30,0,0
"""


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "minutes.csv"
    path.write_text(MINUTES, encoding="utf-8")
    return path


@asynccontextmanager
async def subscribed(sandbox: Any, *tokens: int) -> AsyncIterator[ClientConnection]:
    token = await asyncio.to_thread(sandbox.log_in)
    async with connect(f"{sandbox.ws}/?api_key=sandbox-key&access_token={token}", compression=None) as connection:
        await connection.send(json.dumps({"a": "subscribe", "v": list(tokens)}))
        await connection.send(json.dumps({"a": "mode", "v": ["full", list(tokens)]}))
        yield connection


async def full_packets(connection: ClientConnection, count: int) -> list[bytes]:
    found: list[bytes] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(found) < count:
            frame = await connection.recv()
            assert isinstance(frame, bytes)
            at = 2
            while at < len(frame):
                length = int.from_bytes(frame[at : at + 2], "big")
                if length in (32, 184):
                    found.append(frame[at + 2 : at + 2 + length])
                at += 2 + length
    return found


def seen(packet: bytes) -> tuple[int, str, int]:
    token, price = struct.unpack_from(">II", packet)
    second = struct.unpack_from(">I", packet, 28 if len(packet) == 32 else 60)[0]
    return second * 1000, {NIFTY: "NIFTY", INFY: "INFY"}[token], price


@pytest.mark.parametrize("speed", ["0", "1000"])
async def test_every_tick_is_one_packet_in_order(start_sandbox: Callable[..., Any], recording: Path, speed: str) -> None:
    sandbox = start_sandbox(f"--play={recording}", f"--speed={speed}", "--play-delay=1", "--instruments=20")
    async with subscribed(sandbox, NIFTY, INFY) as connection:
        expected = list(read_ticks(recording))
        packets = await full_packets(connection, 2 + len(expected))
        cached, played = packets[:2], packets[2:]
        assert all(seen(packet)[0] < expected[0][0] for packet in cached)
        assert [seen(packet) for packet in played] == expected
        # high, low, open, close of the last packet: the second day's own, and the first day's last price
        assert struct.unpack_from(">4I", played[-1], 8) == (1650095, 1645530, 1649645, 1662705)


async def test_it_plays_again_from_the_start_when_told_to(start_sandbox: Callable[..., Any], recording: Path) -> None:
    sandbox = start_sandbox(f"--play={recording}", "--speed=0", "--play-delay=1", "--instruments=20")
    async with subscribed(sandbox, NIFTY) as connection:
        expected = [tick for tick in read_ticks(recording) if tick[1] == "NIFTY"]
        await full_packets(connection, 1 + len(expected))
        assert (await asyncio.to_thread(sandbox.call, "GET", "/control"))[1]["playback"]["position"] == 20
        assert (await asyncio.to_thread(sandbox.call, "POST", "/control/playback", {"speed": 1000}))[0] == 200
        assert [seen(packet) for packet in await full_packets(connection, len(expected))] == expected


async def test_candles_are_those_of_the_recording(start_sandbox: Callable[..., Any], recording: Path) -> None:
    sandbox = start_sandbox(f"--play={recording}", "--speed=0", "--play-delay=0", "--instruments=20")
    async with subscribed(sandbox, NIFTY) as connection:
        async with asyncio.timeout(PATIENCE_S):
            while (await asyncio.to_thread(sandbox.call, "GET", "/control"))[1]["playback"]["position"] < 20:
                await connection.recv()
        path = f"/instruments/historical/{NIFTY}/minute?from=2022-06-01+09:15:00&to=2022-06-01+09:16:00"
        _, answer = await asyncio.to_thread(sandbox.kite, path)
        assert answer["data"]["candles"] == [
            ["2022-06-01T09:15:00+0530", 16602.2, 16614.35, 16561.95, 16613.9, 0],
            ["2022-06-01T09:16:00+0530", 16616.1, 16632.45, 16607.0, 16627.05, 0],
        ]


@pytest.mark.usefixtures("processes")
def test_the_command_line_prints_the_ticks(recording: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sandbox", "ticks", str(recording)], capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert lines[0] == "time,symbol,price"
    assert lines[1] == "1654054620000,NIFTY,16594.40"
    assert len(lines) == 1 + 20


def test_no_recording_no_playback(sandbox: Any) -> None:
    assert sandbox.call("POST", "/control/playback", {})[0] == 400
