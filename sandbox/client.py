"""One socket of the Kite stream: what it subscribed to, and how frames, heartbeats and trickles reach it.

Frames are written without awaiting; a client that does not read misses frames of the generated market, as a snapshot feed
may, while a recording waits for it (`Stream.drained`).
"""

import time
from collections import deque

import numpy as np
from websockets.asyncio.server import ServerConnection, broadcast

from sandbox.faults import StreamFaults
from sandbox.market import Rows
from sandbox.packets import HEARTBEAT, Quotes, frames

HEARTBEAT_S = 1.0
MAX_UNREAD_BYTES = 8_000_000
MAX_WAITING_FRAMES = 1000


class Client:
    """One socket and what it subscribed to."""

    def __init__(self, connection: ServerConnection, rows: int, faults: StreamFaults) -> None:
        self.connection = connection
        self.modes = np.zeros(rows, np.int8)
        self.packets = self.missed_frames = 0
        self._faults = faults
        self._spoke_s = self._trickled_s = time.monotonic()
        self._waiting: deque[bytes | str] = deque(maxlen=MAX_WAITING_FRAMES)

    @property
    def unread_bytes(self) -> int:
        return self.connection.transport.get_write_buffer_size()

    def offer(self, rows: Rows, quotes: Quotes) -> None:
        """Send those quotes that the client subscribed to."""
        modes = self.modes[rows]
        wanted = modes > 0
        if not wanted.any():
            return
        if not wanted.all():
            modes, quotes = modes[wanted], quotes[wanted]
        for frame in frames(quotes, modes):
            self.send(frame)
        self.packets += len(quotes)

    def send(self, frame: bytes | str) -> None:
        if self._faults.mute:
            return
        if self._faults.trickle_s > 0:
            self._waiting.append(frame)
        elif self.unread_bytes > MAX_UNREAD_BYTES:
            self.missed_frames += 1
        else:
            self._write(frame)

    def tend(self) -> None:
        """Send what waits in a trickle, or a heartbeat if nothing was said for a second."""
        now_s = time.monotonic()
        if self._waiting and now_s - self._trickled_s >= self._faults.trickle_s:
            self._trickled_s = now_s
            self._write(self._waiting.popleft())
        elif now_s - self._spoke_s >= HEARTBEAT_S and not self._faults.mute:
            self._write(HEARTBEAT)

    def _write(self, frame: bytes | str) -> None:
        self._spoke_s = time.monotonic()
        broadcast([self.connection], frame)
