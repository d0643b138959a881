"""Plays a recording through the board: every tick one packet, in order, at any speed.

It begins when somebody is subscribed to what was recorded, a moment later (`delay_s`), so that the modes are set and
nothing is missed. Before that, the cached quote is the recording's first price, a day old.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np

from sandbox.board import Board
from sandbox.market import DAY_S, Candle, day_of
from sandbox.recording import Tick
from sandbox.stream import Stream

# A pause in the recording that is longer, such as a night, is left out.
LONGEST_PAUSE_MS = 30 * 60_000
MOST_AT_ONCE = 500


class Playback:
    """One recording, its place in it, and how fast it goes (0: as fast as clients read)."""

    def __init__(self, board: Board, stream: Stream, ticks: Sequence[Tick], speed: float, delay_s: float) -> None:
        self.speed, self.position, self.total = speed, 0, len(ticks)
        self._board, self._stream, self._delay_s = board, stream, delay_s
        self._ticks = [(time_ms, self._row(symbol), paise) for time_ms, symbol, paise in ticks]
        self._rows = np.unique([row for _, row, _ in self._ticks])
        self._restart = asyncio.Event()
        self._rewind()

    async def run(self) -> None:
        """Play, and play again whenever told to."""
        while True:
            self._restart.clear()
            self._rewind()
            playing = asyncio.create_task(self._play())
            await self._restart.wait()
            playing.cancel()
            await asyncio.gather(playing, return_exceptions=True)

    def restart(self, speed: float | None = None) -> None:
        if speed is not None:
            self.speed = speed
        self._restart.set()

    def knows(self, row: int) -> bool:
        return row in self._rows

    def candles(self, row: int, from_s: int, to_s: int, interval_s: int) -> Iterator[Candle]:
        """Cut what was played so far of one instrument into candles."""
        played = ((t // 1000, p) for t, r, p in self._ticks[: self.position] if r == row and from_s <= t // 1000 < to_s)
        unit = self._board.instruments[row].divisor // 100
        for start_s, ticks in groupby(played, key=lambda tick: tick[0] - (tick[0] - from_s) % interval_s):
            path = [price * unit for _, price in ticks]
            yield Candle(start_s, path[0], max(path), min(path), path[-1], 0)

    def _row(self, symbol: str) -> int:
        row = self._board.find(symbol)
        if row is None:
            raise LookupError(f"{symbol} of the recording is not listed")
        return row

    def _rewind(self) -> None:
        self.position = 0
        self._days = dict.fromkeys(self._rows.tolist(), -1)
        for row in self._rows:
            time_ms, _, paise = next(tick for tick in self._ticks if tick[1] == row)
            quote = self._board.quotes[row]
            for field in ("last", "open", "high", "low", "close", "average"):
                quote[field] = paise * (self._board.instruments[row].divisor // 100)
            quote["trade_s"] = quote["exchange_s"] = time_ms // 1000 - DAY_S
            quote["volume"] = 0

    async def _play(self) -> None:
        while not self._stream.is_watched(self._rows):
            await asyncio.sleep(0.02)
        await asyncio.sleep(self._delay_s)
        clock_s, clock_ms = time.monotonic(), self._ticks[0][0]
        while self.position < self.total:
            before_ms = self._ticks[max(self.position - 1, 0)][0]
            pause_ms = self._ticks[self.position][0] - before_ms
            if pause_ms > LONGEST_PAUSE_MS:
                clock_ms += pause_ms
            due_s = clock_s + (self._ticks[self.position][0] - clock_ms) / 1000 / self.speed if self.speed else 0.0
            await asyncio.sleep(max(due_s - time.monotonic(), 0))
            played_ms = clock_ms + (time.monotonic() - clock_s) * 1000 * self.speed if self.speed else float("inf")
            self._publish_until(played_ms)
            await self._stream.drained()

    def _publish_until(self, played_ms: float) -> None:
        """Publish the ticks that are due, at least one, up to a long pause."""
        rows: list[int] = []
        quotes: list[np.void] = []
        before_ms = self._ticks[self.position][0]
        for time_ms, row, paise in self._ticks[self.position : self.position + MOST_AT_ONCE]:
            if rows and (time_ms > played_ms or (self.speed and time_ms - before_ms > LONGEST_PAUSE_MS)):
                break
            self._print(row, time_ms // 1000, paise * (self._board.instruments[row].divisor // 100))
            rows.append(row)
            quotes.append(self._board.quotes[row].copy())
            before_ms = time_ms
        self.position += len(rows)
        self._stream.publish(np.array(rows, np.intp), np.array(quotes, self._board.quotes.dtype))

    def _print(self, row: int, time_s: int, price: int) -> None:
        """Put one tick on the board; the first one of a day starts open, high and low anew."""
        quote = self._board.quotes[row]
        day = day_of(time_s)
        if day != self._days[row]:
            if self._days[row] >= 0:
                quote["close"] = quote["last"]
            self._days[row] = day
            quote["open"] = quote["high"] = quote["low"] = price
            quote["volume"] = 0
        quote["last"] = quote["average"] = price
        quote["high"], quote["low"] = max(quote["high"], price), min(quote["low"], price)
        quote["last_quantity"] = 1
        quote["volume"] += 1
        quote["trade_s"] = quote["exchange_s"] = time_s
