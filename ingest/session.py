"""Kite's access token: adopted from the store or the environment, renewed by a person's login, dead at 06:00 every day.

The dashboard leaves the request token of a login in the store; this process exchanges it, keeps the access token sealed, and
goes on without a restart.
"""

import asyncio
import json
import logging
import random
from collections.abc import Callable
from typing import Any

import requests
from kiteconnect import KiteConnect
from kiteconnect.exceptions import KiteException, TokenException

from ingest.feed import Feed, FeedState
from stormalert.errors import InputError, StormError
from stormalert.security import Sealer
from stormalert.settings import Settings
from stormalert.store import Store
from stormalert.units import now_ms

log = logging.getLogger(__name__)

POLL_S = 1.0
# So that the death of the token at 06:00 shows within a minute, also while the socket still streams.
CHECK_EVERY_S = 30.0
REST_TIMEOUT_S = 7
# At most one try a minute while the token is known to be dead.
DEAD_RETRY_S = 60.0

REQUEST_SETTING = "kite.request_token"
ACCESS_SETTING = "kite.access_token"


class Session:
    def __init__(self, settings: Settings, store: Store, feed: Feed) -> None:
        self._settings = settings
        self._store = store
        self._feed = feed
        self._sealer = Sealer(settings.master_secret.get_secret_value())
        self._kite = KiteConnect(settings.kite_api_key, root=settings.kite_api_root, timeout=REST_TIMEOUT_S)
        self._token = ""
        self._dead_token = ""
        self._handled_request = ""
        self._changed = asyncio.Event()

    async def run_until(self, stopping: asyncio.Event) -> None:
        passes = 0
        while not stopping.is_set():
            try:
                await self._poll()
                if self._token and passes % round(CHECK_EVERY_S / POLL_S) == 0:
                    await self._check()
            except StormError as error:
                self._feed.turn(FeedState.LOGIN_NEEDED, str(error))
            passes += 1
            try:
                await asyncio.wait_for(stopping.wait(), POLL_S)
            except TimeoutError:
                continue

    @property
    def token(self) -> str:
        """The access token that is believed alive, else the empty text."""
        return self._token

    async def wait_for_token(self) -> str:
        while not self._token:
            self._changed.clear()
            await self._changed.wait()
        return self._token

    def reject(self, token: str) -> None:
        """Kite refused the token. A newer one may have been adopted meanwhile."""
        if token == self._token:
            self._token, self._dead_token = "", token
            self._feed.turn(FeedState.LOGIN_NEEDED, "Kite refused the access token: log in again")
            asyncio.get_running_loop().call_later(DEAD_RETRY_S * random.uniform(1, 1.2), self._retry, token)  # noqa: S311

    async def fetch_dump(self, exchange: str) -> str:
        """The instruments CSV of an exchange. Raises InputError when Kite does not give it."""
        url = f"{self._settings.kite_api_root}/instruments/{exchange}"
        headers = {"X-Kite-Version": "3", "Authorization": f"token {self._settings.kite_api_key}:{self._token}"}
        try:
            reply = await asyncio.to_thread(requests.get, url, headers=headers, timeout=60)
        except requests.RequestException as error:
            raise InputError(f"the instruments of {exchange} cannot be fetched: {type(error).__name__}") from None
        if reply.status_code != 200:
            raise InputError(f"the instruments of {exchange} cannot be fetched: HTTP {reply.status_code}")
        return str(reply.text)

    async def _poll(self) -> None:
        request, access = await asyncio.to_thread(lambda: (self._sealed(REQUEST_SETTING), self._sealed(ACCESS_SETTING)))
        is_newer = request.get("time_ms", 0) > access.get("login_ms", 0)
        if is_newer and request["request_token"] != self._handled_request:
            self._handled_request = request["request_token"]
            access = await self._exchange(request["request_token"]) or access
        token = access.get("access_token") or self._settings.kite_access_token.get_secret_value()
        if token and token not in (self._token, self._dead_token):
            self._adopt(token)
        if not self._token and not self._dead_token:
            self._feed.turn(FeedState.LOGIN_NEEDED, "nobody has logged in to Kite yet")

    async def _exchange(self, request_token: str) -> dict[str, Any] | None:
        secret = self._settings.kite_api_secret.get_secret_value()
        try:
            session = await _in_thread(lambda: self._kite.generate_session(request_token, api_secret=secret))
        except (KiteException, requests.RequestException) as error:
            log.error("login at kite failed", extra={"reason": _reason(error)})
            return None
        access = {"access_token": session["access_token"], "login_ms": now_ms(), "user_id": session.get("user_id", "")}
        sealed = self._sealer.seal(json.dumps(access))
        await asyncio.to_thread(self._store.save_setting, ACCESS_SETTING, sealed)
        return access

    async def _check(self) -> None:
        token = self._token
        try:
            await _in_thread(self._kite.profile)
        except TokenException:
            self.reject(token)
        except (KiteException, requests.RequestException) as error:
            log.debug("kite's profile cannot be read", extra={"reason": _reason(error)})

    def _adopt(self, token: str) -> None:
        self._token = token
        self._kite.set_access_token(token)
        self._changed.set()
        log.info("access token adopted")

    def _retry(self, token: str) -> None:
        """Kite may have refused for a reason of its own, so that a refused token is tried again now and then."""
        if not self._token and self._dead_token == token:
            self._dead_token = ""
            self._adopt(token)

    def _sealed(self, name: str) -> dict[str, Any]:
        sealed = self._store.setting(name)
        return dict(json.loads(self._sealer.unseal(sealed))) if sealed else {}


async def _in_thread(call: Callable[[], Any]) -> Any:
    return await asyncio.to_thread(call)


def _reason(error: Exception) -> str:
    # The text of a requests exception carries the URL, and with it the token.
    return str(error) if isinstance(error, KiteException) else type(error).__name__
