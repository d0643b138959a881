"""Kite's REST interface: sessions, profile, instruments, quotes, candles, and errors in Kite's own words."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.board import Board
from sandbox.faults import RestFaults
from sandbox.instruments import as_csv
from sandbox.market import INDIA_S, Candle, Market
from sandbox.playback import Playback
from sandbox.recording import INDIA
from sandbox.sessions import Sessions

Endpoint = Callable[[Request], Awaitable[Response]]

# Requests a second, by family (Kite's published limits).
RATES = {"quote": 1, "historical": 3, "other": 10}
MOST_QUOTES = {"quote": 500, "ohlc": 1000, "ltp": 1000}
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
USER = {
    "user_id": "SB0001",
    "user_type": "individual",
    "email": "trader@sandbox.invalid",
    "user_name": "Sandbox Trader",
    "user_shortname": "Sandbox",
    "broker": "ZERODHA",
    "exchanges": ["NSE", "BSE", "NFO", "CDS", "BCD"],
    "products": ["CNC", "NRML", "MIS"],
    "order_types": ["MARKET", "LIMIT", "SL", "SL-M"],
    "avatar_url": None,
    "meta": {"demat_consent": "physical"},
}


class KiteError(Exception):
    """An error as Kite answers it."""

    def __init__(self, status: int, error_type: str, message: str) -> None:
        super().__init__(message)
        self.status, self.error_type, self.message = status, error_type, message

    def response(self) -> JSONResponse:
        body = {"status": "error", "message": self.message, "data": None, "error_type": self.error_type}
        return JSONResponse(body, self.status)


class Kite:
    """The endpoints; `routes` lists them."""

    def __init__(self, sessions: Sessions, board: Board, market: Market, playback: Playback | None, faults: RestFaults) -> None:
        self._sessions, self._board, self._market, self._playback = sessions, board, market, playback
        self._faults = faults
        self._asked: dict[tuple[str, int], int] = {}

    def routes(self) -> list[Route]:
        return [
            self._route("/session/token", self._make_session, method="POST", is_open=True),
            self._route("/session/token", self._end_session, method="DELETE", is_open=True),
            self._route("/user/profile", self._profile),
            self._route("/instruments", self._instruments),
            self._route("/instruments/historical/{token}/{interval}", self._historical, "historical"),
            self._route("/instruments/{exchange}", self._instruments),
            self._route("/quote", self._quote, "quote"),
            self._route("/quote/ohlc", self._ohlc, "quote"),
            self._route("/quote/ltp", self._ltp, "quote"),
        ]

    def _route(self, path: str, endpoint: Endpoint, family: str = "other", method: str = "GET", is_open: bool = False) -> Route:
        async def guarded(request: Request) -> Response:
            try:
                await self._guard(request, family, is_open)
                return await endpoint(request)
            except KiteError as error:
                return error.response()

        return Route(path, guarded, methods=[method])

    async def _guard(self, request: Request, family: str, is_open: bool) -> None:
        """Check limits and token, and let the faults have their way."""
        await asyncio.sleep(self._faults.delay_s)
        chance = random.random()  # noqa: S311 - a fault, not a secret
        second = int(time.monotonic())
        self._asked = {key: count for key, count in self._asked.items() if key[1] == second}
        asked = self._asked[family, second] = self._asked.get((family, second), 0) + 1
        if asked > RATES[family] or chance < self._faults.too_many:
            raise KiteError(429, "NetworkException", "Too many requests")
        if chance < self._faults.too_many + self._faults.unavailable:
            raise KiteError(503, "NetworkException", "Kite is unavailable. Please try again.")
        if is_open:
            return
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        api_key, _, access_token = credentials.partition(":")
        if scheme != "token" or not self._sessions.is_valid(api_key, access_token):
            raise KiteError(403, "TokenException", "Incorrect `api_key` or `access_token`.")

    async def _make_session(self, request: Request) -> Response:
        form = {name: str(value) for name, value in (await request.form()).items()}
        for name in ("api_key", "request_token", "checksum"):
            if not form.get(name):
                raise KiteError(400, "InputException", f"Missing or empty field `{name}`")
        if form["api_key"] != self._sessions.api_key:
            raise KiteError(403, "TokenException", "Invalid `api_key`.")
        access_token = self._sessions.exchange(form["request_token"], form["checksum"])
        if access_token is None:
            raise KiteError(403, "TokenException", "Invalid `checksum`, or token is invalid or has expired.")
        session = USER | {
            "api_key": self._sessions.api_key,
            "access_token": access_token,
            "public_token": "sandbox-public-token",
            "enctoken": "",
            "refresh_token": "",
            "silo": "",
            "login_time": _written(time.time()),
        }
        return _success(session)

    async def _end_session(self, request: Request) -> Response:
        if not self._sessions.end(request.query_params.get("access_token", "")):
            raise KiteError(403, "TokenException", "Incorrect `api_key` or `access_token`.")
        return _success(True)

    async def _profile(self, request: Request) -> Response:
        return _success(USER)

    async def _instruments(self, request: Request) -> Response:
        exchange = request.path_params.get("exchange", "")
        chosen = [it for it in self._board.instruments if exchange in ("", it.exchange)]
        return Response(as_csv(chosen, self._faults.blank_columns), media_type="text/csv")

    async def _quote(self, request: Request) -> Response:
        return _success({key: self._full(row) for key, row in self._asked_rows(request, "quote")})

    async def _ohlc(self, request: Request) -> Response:
        rows = self._asked_rows(request, "ohlc")
        return _success({key: self._last(row) | {"ohlc": self._board.ohlc(row)} for key, row in rows})

    async def _ltp(self, request: Request) -> Response:
        return _success({key: self._last(row) for key, row in self._asked_rows(request, "ltp")})

    async def _historical(self, request: Request) -> Response:
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
        return _success({"candles": [_candle(candle, divisor, has_oi) for candle in candles]})

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

    def _asked_rows(self, request: Request, kind: str) -> list[tuple[str, int]]:
        keys = request.query_params.getlist("i")
        if not keys:
            raise KiteError(400, "InputException", "Missing or empty field `i`")
        if len(keys) > MOST_QUOTES[kind]:
            raise KiteError(400, "InputException", f"At most {MOST_QUOTES[kind]} instruments in one request")
        found = ((key, self._board.find(key)) for key in keys)
        return [(key, row) for key, row in found if row is not None]

    def _last(self, row: int) -> dict[str, Any]:
        token = self._board.instruments[row].token
        return {"instrument_token": token, "last_price": self._board.rupees(row, "last")}

    def _full(self, row: int) -> dict[str, Any]:
        quote, ohlc = self._board.quotes[row], self._board.ohlc(row)
        timed = self._last(row) | {"timestamp": _written(int(quote["exchange_s"])), "net_change": 0, "ohlc": ohlc}
        if self._board.instruments[row].is_index:
            return timed
        return timed | {
            "last_trade_time": _written(int(quote["trade_s"])),
            "last_quantity": int(quote["last_quantity"]),
            "buy_quantity": int(quote["buy_quantity"]),
            "sell_quantity": int(quote["sell_quantity"]),
            "volume": int(quote["volume"]),
            "average_price": self._board.rupees(row, "average"),
            "oi": 0,
            "oi_day_high": 0,
            "oi_day_low": 0,
            "lower_circuit_limit": round(ohlc["close"] * 0.8, 2),
            "upper_circuit_limit": round(ohlc["close"] * 1.2, 2),
            "depth": self._board.depth(row),
        }


def _success(data: Any) -> JSONResponse:
    return JSONResponse({"status": "success", "data": data})


def _written(time_s: float) -> str:
    return f"{datetime.fromtimestamp(time_s, INDIA):%Y-%m-%d %H:%M:%S}"


def _read(text: str, name: str) -> int:
    try:
        return int(datetime.fromisoformat(text).replace(tzinfo=INDIA).timestamp())
    except ValueError as error:
        raise KiteError(400, "InputException", f"invalid `{name}` date") from error


def _candle(candle: Candle, divisor: int, has_oi: bool) -> list[object]:
    start = f"{datetime.fromtimestamp(candle.start_s, INDIA):%Y-%m-%dT%H:%M:%S%z}"
    prices = [price / divisor for price in (candle.open, candle.high, candle.low, candle.close)]
    return [start, *prices, candle.volume, *([0] if has_oi else [])]
