"""Kite's historical candles: of the recording where one is played, else of the generated market."""

import asyncio
import time
from datetime import datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.board import Board
from sandbox.kite_errors import KiteError
from sandbox.market import INDIA_S, Candle, GeneratedMarket
from sandbox.playback import Playback
from sandbox.recording import INDIA

# Interval: its seconds, and the days that one request may span.
INTERVALS = {
    "minute": (60, 60),
    "3minute": (180, 100),
    "5minute": (300, 100),
    "10minute": (600, 100),
    "15minute": (900, 200),
    "30minute": (1800, 200),
    "60minute": (3600, 400),
    "day": (86_400, 2000),
}


class History:
    """Answers for any instrument, interval and span that Kite would."""

    def __init__(self, board: Board, market: GeneratedMarket, playback: Playback | None) -> None:
        self._board, self._market, self._playback = board, market, playback

    async def answer(self, request: Request) -> Response:
        row = self._board.find(request.path_params["token"])
        if row is None:
            raise KiteError(400, "InputException", "invalid token")
        if request.path_params["interval"] not in INTERVALS:
            raise KiteError(400, "InputException", "invalid interval")
        interval_s, most_days = INTERVALS[request.path_params["interval"]]
        from_s, to_s = (_read(request.query_params.get(name, ""), name) for name in ("from", "to"))
        if to_s - from_s > most_days * 86_400:
            raise KiteError(400, "InputException", f"interval exceeds max limit: {most_days} days")
        candles = await asyncio.to_thread(self._candles, row, from_s, to_s, interval_s)
        divisor = self._board.instruments[row].divisor
        has_oi = request.query_params.get("oi") == "1"
        written = [_written(candle, divisor, has_oi) for candle in candles]
        return JSONResponse({"status": "success", "data": {"candles": written}})

    def _candles(self, row: int, from_s: int, to_s: int, interval_s: int) -> list[Candle]:
        """Cut what is past into candles on the clock's own borders: all that begin from `from_s` to `to_s`."""
        offset_s = INDIA_S % interval_s
        start_s = -((-from_s - offset_s) // interval_s) * interval_s - offset_s
        if self._playback and self._playback.knows(row):
            end_s = start_s + ((to_s - start_s) // interval_s + 1) * interval_s
            return list(self._playback.candles(row, start_s, end_s, interval_s))
        now_s = int(time.time())
        starts = range(start_s, min(to_s, now_s) + 1, interval_s)
        return list(self._market.candles(row, starts, now_s, samples=12 if len(starts) <= 1440 else 4))


def _read(text: str, name: str) -> int:
    try:
        return int(datetime.fromisoformat(text).replace(tzinfo=INDIA).timestamp())
    except ValueError as error:
        raise KiteError(400, "InputException", f"invalid `{name}` date") from error


def _written(candle: Candle, divisor: int, has_oi: bool) -> list[object]:
    start = f"{datetime.fromtimestamp(candle.start_s, INDIA):%Y-%m-%dT%H:%M:%S%z}"
    prices = [price / divisor for price in (candle.open, candle.high, candle.low, candle.close)]
    return [start, *prices, candle.volume, *([0] if has_oi else [])]
