"""Asks Kite for the candles that the dashboard wants, no faster than Kite allows."""

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from typing import Any

import requests
from kiteconnect import KiteConnect
from kiteconnect.exceptions import KiteException, NetworkException, TokenException
from redis.asyncio import Redis

from ingest import kite_http
from ingest.session import KiteSession
from stormalert.config.settings import Settings
from stormalert.errors import InputError
from stormalert.market import candles
from stormalert.market.bars import Bar
from stormalert.market.days import ist
from stormalert.process import UNREACHABLE
from stormalert.units import PRICE_MAX_E4

log = logging.getLogger(__name__)

# Kite takes 3 a second for the whole key.
REQUEST_EVERY_S = 0.35
# 60 days of minutes are a megabyte.
TIMEOUT_S = 20
LOOK_FOR_S = 1
PAUSE_AFTER_FAILURE_S = 0.5
LOG_IN = "Kite gives candles only after a login, and nobody is logged in: an admin logs in under Admin"


class Candles:
    def __init__(self, redis: Redis, session: KiteSession, settings: Settings) -> None:
        self._redis = redis
        self._session = session
        self._kite = KiteConnect(settings.kite_api_key, root=settings.kite_api_root, timeout=TIMEOUT_S)
        self._kite.reqsession = kite_http.session()
        self._next_s = 0.0

    async def run_until(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            try:
                request = await candles.take(self._redis, LOOK_FOR_S)
                if request and not request.is_stale:
                    await self._answer(request)
            except UNREACHABLE:
                await asyncio.sleep(PAUSE_AFTER_FAILURE_S)

    async def _answer(self, request: candles.Request) -> None:
        try:
            bars = await self._fetch(request)
        except InputError as error:
            log.info("candles not fetched", extra={"token": request.token, "reason": str(error)})
            await candles.answer(self._redis, request.id, reason=str(error))
        else:
            await candles.answer(self._redis, request.id, bars)

    async def _fetch(self, request: candles.Request) -> list[Bar]:
        token = self._session.token
        if not token:
            raise InputError(LOG_IN)
        await asyncio.sleep(self._next_s - time.monotonic())
        self._next_s = time.monotonic() + REQUEST_EVERY_S
        try:
            return await asyncio.to_thread(self._ask_kite, token, request)
        except TokenException:
            self._session.reject(token)
            raise InputError(LOG_IN) from None
        except NetworkException as error:
            raise InputError(f"Kite cannot give candles now ({error}); try again in a minute") from None
        except KiteException as error:
            raise InputError(f"Kite gives no candles of this: {error}") from None
        except requests.RequestException as error:
            # Its text carries the URL.
            raise InputError(f"Kite was not reached for candles ({type(error).__name__}); try again in a minute") from None

    def _ask_kite(self, token: str, request: candles.Request) -> list[Bar]:
        self._kite.set_access_token(token)
        from_, to = (ist(at_ms) for at_ms in (request.from_ms, request.to_ms))
        return _bars(self._kite.historical_data(request.token, from_, to, "minute"))


def _bars(found: Iterable[Mapping[str, Any]]) -> list[Bar]:
    """Those with prices that can be: a thinly traded instrument may have candles of zeros."""
    bars = []
    for it in found:
        opened, high, low, close = (round(it[name] * 10_000) for name in ("open", "high", "low", "close"))
        if 0 < low <= min(opened, close) <= max(opened, close) <= high <= PRICE_MAX_E4:
            bars.append(Bar(int(it["date"].timestamp()) * 1_000, opened, high, low, close))
    return bars
