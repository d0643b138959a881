"""The Kite stream: subscriptions, modes, cached quotes, heartbeats and faults of all sockets."""

import asyncio
import json
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from sandbox.board import Board
from sandbox.client import Client
from sandbox.drip import before
from sandbox.faults import StreamFaults
from sandbox.market import Rows
from sandbox.packets import Mode, Quotes

MAX_TOKENS = 3000
DRAINED_BYTES = 500_000
DRAIN_S = 10.0
LATE_S = 5
MODES = {"ltp": Mode.LTP, "quote": Mode.QUOTE, "full": Mode.FULL}


class _Connection(ServerConnection):
    def __init__(self, faults: StreamFaults, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._faults = faults

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(before(transport, lambda: self._faults.drip))


class Stream:
    """All sockets of the exchange."""

    def __init__(self, board: Board, faults: StreamFaults, is_valid: Callable[[str, str], bool], seed: int) -> None:
        self.clients: set[Client] = set()
        self.sent_packets = self.handshakes = 0
        self._board, self._faults, self._is_valid = board, faults, is_valid
        self._random = np.random.default_rng(seed)

    def admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuse the handshake of a client without a valid token; nothing is checked after it."""
        self.handshakes += 1
        if self._faults.refuse:
            return connection.respond(HTTPStatus.FORBIDDEN, "Refused.\n")
        query = {name: values[0] for name, values in parse_qs(urlsplit(request.path).query).items()}
        if self._is_valid(query.get("api_key", ""), query.get("access_token", "")):
            return None
        return connection.respond(HTTPStatus.FORBIDDEN, "Invalid `api_key` or `access_token`.\n")

    def connection(self, *args: Any, **options: Any) -> ServerConnection:
        return _Connection(self._faults, *args, **options)

    async def serve(self, connection: ServerConnection) -> None:
        """Obey one client until it goes."""
        client = Client(connection, len(self._board.instruments), self._faults)
        self.clients.add(client)
        try:
            async for message in connection:
                self._obey(client, message)
        except ConnectionClosed:
            pass
        finally:
            self.clients.discard(client)

    async def tend(self) -> None:
        """Keep heartbeats and trickles going."""
        while True:
            await asyncio.sleep(0.1)
            for client in self.clients:
                client.tend()

    def publish(self, rows: Rows, quotes: Quotes) -> None:
        """Send the quotes, one packet each and in this order, to all who subscribed to them."""
        if self._faults.gap or not self.clients:
            return
        rows, quotes = self._distorted(rows, quotes)
        for client in self.clients:
            client.offer(rows, quotes)
        self.sent_packets += len(rows)

    async def drained(self) -> None:
        """Wait until every client has read most of what it was sent, or clearly does not read."""
        deadline_s = time.monotonic() + DRAIN_S
        while any(client.unread_bytes > DRAINED_BYTES for client in self.clients) and time.monotonic() < deadline_s:
            await asyncio.sleep(0.002)

    def is_watched(self, rows: Rows) -> bool:
        return any(client.modes[rows].any() for client in self.clients)

    def drop(self) -> int:
        """Cut every connection without a word."""
        for client in self.clients:
            client.connection.transport.abort()
        return len(self.clients)

    def say(self, kind: str, text: str) -> int:
        """Send a text message to every client."""
        for client in self.clients:
            client.send(json.dumps({"type": kind, "data": text}))
        return len(self.clients)

    async def close(self) -> int:
        """Close every connection with code 1000."""
        clients = list(self.clients)
        await asyncio.gather(*(client.connection.close(1000) for client in clients))
        return len(clients)

    def _obey(self, client: Client, message: str | bytes) -> None:
        try:
            command: Any = json.loads(message)
            action, value = command["a"], command["v"]
            if action == "mode":
                mode, tokens = MODES[value[0]], value[1]
            else:
                mode, tokens = Mode.QUOTE, value
            rows = self._rows(tokens)
        except (ValueError, KeyError, TypeError, IndexError):
            client.send(json.dumps({"type": "error", "data": f"invalid message: {str(message)[:100]}"}))
            return
        if action == "subscribe":
            self._subscribe(client, rows)
        elif action == "unsubscribe":
            client.modes[rows] = Mode.NONE
        elif action == "mode":
            rows = rows[client.modes[rows] > 0]
            changed = rows[client.modes[rows] != mode]
            client.modes[rows] = mode
            self._send_cached(client, changed)

    def _rows(self, tokens: list[object]) -> Rows:
        """Find the rows; what is not a number or not listed is passed over without a word, as at Kite."""
        known = self._board.row_of_token
        rows = [known[token] for token in dict.fromkeys(tokens) if isinstance(token, int) and token in known]
        return np.array(rows, np.intp)

    def _subscribe(self, client: Client, rows: Rows) -> None:
        fresh = rows[client.modes[rows] == 0]
        room = MAX_TOKENS - int(np.count_nonzero(client.modes))
        if len(fresh) > room:
            text = f"Max subscription limit of {MAX_TOKENS} instruments reached; {len(fresh) - room} not subscribed"
            client.send(json.dumps({"type": "error", "data": text}))
            refused = fresh[room:]
            fresh, rows = fresh[:room], rows[~np.isin(rows, refused)]
        client.modes[fresh] = Mode.QUOTE
        self._send_cached(client, rows)

    def _send_cached(self, client: Client, rows: Rows) -> None:
        if rows.size and not self._faults.gap:
            client.offer(rows, self._board.quotes[rows])

    def _distorted(self, rows: Rows, quotes: Quotes) -> tuple[Rows, Quotes]:
        faults = self._faults
        if not (faults.duplicates or faults.out_of_order or faults.zero_price or faults.spike):
            return rows, quotes
        quotes = quotes.copy()
        late = self._chosen(faults.out_of_order, len(rows))
        for name in ("exchange_s", "trade_s"):
            quotes[name][late] -= LATE_S
        spiked = self._chosen(faults.spike, len(rows))
        quotes["last"][spiked] = quotes["last"][spiked] * (1 + faults.spike_percent / 100)
        quotes["last"][self._chosen(faults.zero_price, len(rows))] = 0
        times = 1 + self._chosen(faults.duplicates, len(rows)).astype(np.intp)
        return np.repeat(rows, times), np.repeat(quotes, times)

    def _chosen(self, share: float, count: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        return self._random.random(count) < share
