"""Kite's REST interface: sessions, profile, instruments and quotes, with Kite's limits and checks."""

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
from sandbox.history import History
from sandbox.instruments import as_csv
from sandbox.kite_errors import KiteError
from sandbox.recording import INDIA
from sandbox.sessions import KiteSessions

Endpoint = Callable[[Request], Awaitable[Response]]

# Requests a second, by family (Kite's published limits).
RATES = {"quote": 1, "historical": 3, "other": 10}
MOST_QUOTES = {"quote": 500, "ohlc": 1000, "ltp": 1000}
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


class Kite:
    """The endpoints; `routes` lists them."""

    def __init__(self, sessions: KiteSessions, board: Board, history: History, faults: RestFaults) -> None:
        self._sessions, self._board, self._history, self._faults = sessions, board, history, faults
        self._asked: dict[tuple[str, int], int] = {}

    def routes(self) -> list[Route]:
        return [
            self._route("/session/token", self._make_session, method="POST", is_open=True),
            self._route("/session/token", self._end_session, method="DELETE", is_open=True),
            self._route("/user/profile", self._profile),
            self._route("/instruments", self._instruments),
            self._route("/instruments/historical/{token}/{interval}", self._history.answer, "historical"),
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
        chosen = [it for it in self._board.listed() if exchange in ("", it.exchange)]
        return Response(as_csv(chosen, self._faults.blank_columns), media_type="text/csv")

    async def _quote(self, request: Request) -> Response:
        return _success({key: self._full(row) for key, row in self._asked_rows(request, "quote")})

    async def _ohlc(self, request: Request) -> Response:
        rows = self._asked_rows(request, "ohlc")
        return _success({key: self._last(row) | {"ohlc": self._board.ohlc(row)} for key, row in rows})

    async def _ltp(self, request: Request) -> Response:
        return _success({key: self._last(row) for key, row in self._asked_rows(request, "ltp")})

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
