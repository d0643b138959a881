"""How many packets a second the stand-in exchange sends: three sockets of 3,000 instruments, full mode, read and counted."""

import asyncio
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from bench.fixtures import free_ports
from bench.sizes import Sizes

SOCKETS = 3
KEY, SECRET = "sandbox-key", "sandbox-secret"
START_S = 60.0
SETTLE_S = 1.0


@dataclass(frozen=True, slots=True)
class MeasuredExchange:
    pid: int
    http: str
    ws: str


class Drain:
    """Reads a socket and counts packets: the first two bytes of a frame say how many it has."""

    def __init__(self, connection: ClientConnection) -> None:
        self.packets = 0
        self._connection = connection

    async def run(self) -> None:
        async for frame in self._connection:
            if isinstance(frame, bytes) and len(frame) > 1:
                self.packets += int.from_bytes(frame[:2], "big")


async def measure(sizes: Sizes) -> dict[str, list[dict[str, Any]]]:
    rows = [await _offered(rate, sizes) for rate in sizes.sandbox_rates]
    title = f"sandbox: {SOCKETS} sockets of {sizes.sandbox_instruments // SOCKETS:,} instruments, full mode"
    return {title: rows}


async def _offered(rate: int, sizes: Sizes) -> dict[str, Any]:
    with running_exchange(sizes.sandbox_instruments, rate) as exchange:
        tokens = tokens_of(exchange.http, access := log_in(exchange.http))[: sizes.sandbox_instruments]
        async with AsyncExitStack() as stack:
            drains = []
            for part in (tokens[place::SOCKETS] for place in range(SOCKETS)):
                url = f"{exchange.ws}/?api_key={KEY}&access_token={access}"
                connection = await stack.enter_async_context(connect(url, compression=None, ping_interval=None, max_size=None))
                await connection.send(json.dumps({"a": "subscribe", "v": part}))
                await connection.send(json.dumps({"a": "mode", "v": ["full", part]}))
                drains.append(Drain(connection))
            reading = [asyncio.create_task(drain.run()) for drain in drains]
            await asyncio.sleep(SETTLE_S)
            packets, cpu_s, started_s = sum(drain.packets for drain in drains), cpu_s_of(exchange.pid), time.perf_counter()
            await asyncio.sleep(sizes.sandbox_s)
            packets, cpu_s = sum(drain.packets for drain in drains) - packets, cpu_s_of(exchange.pid) - cpu_s
            elapsed_s = time.perf_counter() - started_s
            for task in reading:
                task.cancel()
    return {
        "offered a second": rate,
        "received a second": round(packets / elapsed_s),
        "cores": round(cpu_s / elapsed_s, 2),
        "packets a second of one core": round(packets / cpu_s),
    }


@contextmanager
def running_exchange(instruments: int, rate: int) -> Iterator[MeasuredExchange]:
    ports = free_ports(3)
    flags = [f"--{name}-port={port}" for name, port in zip(("http", "ws", "smtp"), ports, strict=True)]
    with tempfile.TemporaryDirectory() as state:
        command = [sys.executable, "-m", "sandbox", *flags, f"--state-dir={state}", f"--instruments={instruments}"]
        process = subprocess.Popen([*command, f"--tick-rate={rate}"], stdout=subprocess.PIPE, text=True)
        try:
            # It says where it is when it listens.
            assert process.stdout and process.stdout.readline(), "the sandbox did not start"
            yield MeasuredExchange(process.pid, f"http://127.0.0.1:{ports[0]}", f"ws://127.0.0.1:{ports[1]}")
        finally:
            process.terminate()
            process.communicate(timeout=30)


def log_in(http: str) -> str:
    class StayHere(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            return None

    page = f"{http}/connect/login?v=3&api_key={KEY}"
    try:
        urllib.request.build_opener(StayHere).open(_patiently(page))
        raise RuntimeError("the login page did not send us back")
    except urllib.error.HTTPError as moved:
        location = moved.headers["Location"]
    (request_token,) = urllib.parse.parse_qs(urllib.parse.urlsplit(location).query)["request_token"]
    checksum = hashlib.sha256(f"{KEY}{request_token}{SECRET}".encode()).hexdigest()
    form = urllib.parse.urlencode({"api_key": KEY, "request_token": request_token, "checksum": checksum}).encode()
    with urllib.request.urlopen(f"{http}/session/token", form) as answer:
        return str(json.load(answer)["data"]["access_token"])


def _patiently(page: str) -> urllib.request.Request:
    """The login's request, as soon as the server answers."""
    deadline_s = time.monotonic() + START_S
    while True:
        try:
            urllib.request.urlopen(page).close()
            return urllib.request.Request(page, b"", method="POST")
        except urllib.error.URLError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.05)


def tokens_of(http: str, access: str) -> list[int]:
    request = urllib.request.Request(f"{http}/instruments", headers={"Authorization": f"token {KEY}:{access}"})
    with urllib.request.urlopen(request) as answer:
        return [int(line.split(b",")[0]) for line in answer.read().splitlines()[1:]]


def cpu_s_of(pid: int) -> float:
    """User and system time of a process so far (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
