"""The exchange as one thing: instruments, board, stream, and what drives the prices: a market or a recording."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sandbox.board import Board
from sandbox.faults import StreamFaults
from sandbox.instruments import listed
from sandbox.market import GeneratedMarket
from sandbox.playback import Playback
from sandbox.recording import Tick, read_ticks
from sandbox.sessions import KiteSessions
from sandbox.stream import Stream
from sandbox.trading import Trading

LONGEST_TURN_S, SHORTEST_TURN_S = 0.02, 0.002


class Exchange:
    """Everything behind the stand-in for Kite."""

    def __init__(
        self,
        sessions: KiteSessions,
        faults: StreamFaults,
        *,
        stocks: int,
        segments: Sequence[str],
        with_currencies: bool,
        seed: int,
        liveliness: float,
        rate: float,
        play: Path | None,
        speed: float,
        play_delay_s: float,
    ) -> None:
        recorded: list[Tick] = list(read_ticks(play)) if play else []
        self.sessions = sessions
        self.board = Board(listed(stocks, with_currencies, (symbol for _, symbol, _ in recorded), segments))
        self.market = GeneratedMarket(self.board.instruments, seed, liveliness)
        self.stream = Stream(self.board, faults, sessions.is_valid, seed)
        self._rate = rate
        self._trading = Trading(self.board, self.market, rate, seed, time.time())
        self.playback = Playback(self.board, self.stream, recorded, speed, play_delay_s) if recorded else None

    async def run(self) -> None:
        """Move the prices for ever."""
        if self.playback:
            await self.playback.run()
        # An instrument trades at most once a turn: turns must be short enough for the busiest.
        turn_s = max(min(0.3 * len(self.board.instruments) / self._rate, LONGEST_TURN_S), SHORTEST_TURN_S)
        while True:
            rows = self._trading.turn(time.time())
            if rows.size:
                self.stream.publish(rows, self.board.quotes[rows])
            await asyncio.sleep(turn_s)

    def print_trade(self, symbol: str, price: float, count: int = 1, keep: bool = True) -> float:
        """Print trades at a price of one's choosing, now, and give the price as it went out; not kept: forgotten at once."""
        row = self.board.find(symbol)
        if row is None:
            raise LookupError(f"{symbol!r} is not listed")
        quote = self.board.quotes[row]
        former = quote.copy()
        quote["last"] = round(price * self.board.instruments[row].divisor)
        quote["high"], quote["low"] = max(quote["high"], quote["last"]), min(quote["low"], quote["last"])
        if self.playback is None:
            quote["trade_s"] = quote["exchange_s"] = int(time.time())
        for _ in range(count):
            self.stream.publish(np.array([row]), self.board.quotes[[row]])
        printed = self.board.rupees(row, "last")
        if not keep:
            self.board.quotes[row] = former
        return printed

    def relist(self, symbol: str, *, rename: str = "", is_listed: bool = True) -> str:
        """Give an instrument another trading symbol from the next dump on, or leave it out of it; gives its key."""
        row = self.board.find(symbol)
        if row is None:
            raise LookupError(f"{symbol!r} is not listed")
        if rename:
            self.board.rename(row, rename)
        self.board.unlisted.discard(row) if is_listed else self.board.unlisted.add(row)
        return self.board.instruments[row].key

    def status(self) -> dict[str, Any]:
        clients = [
            {
                "subscribed": int(np.count_nonzero(client.modes)),
                "packets": client.packets,
                "missed_frames": client.missed_frames,
                "unread_bytes": client.unread_bytes,
            }
            for client in self.stream.clients
        ]
        return {
            "instruments": len(self.board.instruments),
            "packets": self.stream.sent_packets,
            "handshakes": self.stream.handshakes,
            "clients": clients,
            "playback": self._playback_status(),
        }

    def _playback_status(self) -> dict[str, Any] | None:
        if self.playback is None:
            return None
        return {"position": self.playback.position, "total": self.playback.total, "speed": self.playback.speed}
