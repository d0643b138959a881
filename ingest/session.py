"""Kite's access token: adopted from the store or the environment, renewed by a person's login, dead at 06:00 every day.

The dashboard leaves the request token of a login in the store; this process exchanges it, keeps the access token sealed, and
goes on without a restart.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from typing import Any

import requests
from kiteconnect import KiteConnect
from kiteconnect.exceptions import KiteException, NetworkException, TokenException
from pydantic import ValidationError

from ingest import kite_http
from ingest.feed import Feed
from stormalert.access.security import sealer
from stormalert.config.settings import Settings
from stormalert.config.stored import KITE_LOGIN, KITE_REQUEST, KiteLogin
from stormalert.errors import InputError, StormError
from stormalert.process import Tasks, sleep_unless
from stormalert.store import Store
from stormalert.units import now_ms

log = logging.getLogger(__name__)

POLL_S = 1.0
# So that the death of the token at 06:00 shows within a minute, also while the socket still streams.
CHECK_EVERY_S = 10.0
# Each of a whole question, its answer included.
REST_TIMEOUT_S = 7
DUMP_TIMEOUT_S = 60
# At most one try a minute while the token is known to be dead.
DEAD_RETRY_S = 60.0
# A request token that Kite could not be asked about is tried again, as long as it lives.
EXCHANGE_RETRY_S = 3.0
REQUEST_LIVES_MS = 300_000


class KiteSession:
    """The token of the moment; `handshakes` lets one socket connect at a time, so that a dead token is tried once."""

    def __init__(self, settings: Settings, store: Store, feed: Feed) -> None:
        self.handshakes = asyncio.Lock()
        # When the newest login was made; 0: the token was obtained elsewhere, or there is none.
        self.login_ms = 0
        self._settings = settings
        self._store = store
        self._feed = feed
        self._kite = KiteConnect(settings.kite_api_key, root=settings.kite_api_root, timeout=REST_TIMEOUT_S)
        self._kite.reqsession = kite_http.session()
        self._token = ""
        self._dead_token = ""
        self._check_after_s = 0.0
        self._handled_request = ""
        self._exchange_after_s = 0.0
        # What the last login gave, and sealed as long as the store has not taken it.
        self._login: KiteLogin | None = None
        self._unsaved = ""
        self._changed = asyncio.Event()

    async def run_until(self, stopping: asyncio.Event) -> None:
        # Apart from each other: a Kite that answers slowly to the one must not delay the other.
        async with Tasks(stopping) as tasks:
            tasks.create_task(_repeat(self._follow_login, stopping))
            tasks.create_task(_repeat(self._check_when_due, stopping))

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
            # Kite may have refused for a reason of its own, so that a refused token is asked about now and then.
            self._check_after_s = time.monotonic() + DEAD_RETRY_S * random.uniform(1, 1.2)  # noqa: S311
            self._feed.need_login("Kite refused the access token: log in again")

    async def fetch_dump(self, exchange: str) -> str:
        """The instruments CSV of an exchange. Raises InputError when Kite does not give it."""
        url = f"{self._settings.kite_api_root}/instruments/{exchange}"
        token = self._token
        headers = {"X-Kite-Version": "3", "Authorization": f"token {self._settings.kite_api_key}:{token}"}
        try:
            reply = await asyncio.to_thread(self._kite.reqsession.get, url, headers=headers, timeout=DUMP_TIMEOUT_S)
        except requests.RequestException as error:
            raise InputError(f"the instruments of {exchange} cannot be fetched: {type(error).__name__}") from None
        if reply.status_code == 403:
            self.reject(token)
        if reply.status_code != 200:
            raise InputError(f"the instruments of {exchange} cannot be fetched: HTTP {reply.status_code}")
        return str(reply.text)

    async def _follow_login(self) -> None:
        try:
            await self._save()
            request_text, access_text = await asyncio.to_thread(
                lambda: (self._store.setting(KITE_REQUEST.name), self._store.setting(KITE_LOGIN.name))
            )
        except StormError as error:
            # No reason to log in: what is there streams on.
            self._feed.note_trouble("store", str(error))
            return
        self._feed.note_trouble("store", "")
        missing = "nobody has logged in to Kite yet"
        try:
            request = KITE_REQUEST.read(self._unsealed(request_text))
            login = KITE_LOGIN.read(self._unsealed(access_text))
        except StormError as error:
            request, login, missing = None, None, f"{error}: log in again"
        except ValidationError:
            request, login, missing = None, None, "the login was stored by another version: log in again"
        if request and request.time_ms > max(_login_ms(login), _login_ms(self._login)):
            await self._exchange(request.request_token, request.time_ms)
        if _login_ms(self._login) > _login_ms(login):
            login = self._login
        self.login_ms = _login_ms(login)
        token = (login.access_token if login else "") or self._settings.kite_access_token.get_secret_value()
        if token and token not in (self._token, self._dead_token):
            self._adopt(token)
        if not self._token and not self._dead_token and not self._handled_request:
            self._feed.need_login(missing)

    async def _exchange(self, request_token: str, requested_ms: int) -> None:
        if request_token == self._handled_request or time.monotonic() < self._exchange_after_s:
            return
        secret = self._settings.kite_api_secret.get_secret_value()
        try:
            session = await asyncio.to_thread(self._kite.generate_session, request_token, secret)
        except (KiteException, requests.RequestException) as error:
            is_passing = isinstance(error, NetworkException | requests.RequestException)
            if is_passing and now_ms() - requested_ms < REQUEST_LIVES_MS:
                log.warning("kite not reached for the login", extra={"reason": _reason(error)})
                self._exchange_after_s = time.monotonic() + EXCHANGE_RETRY_S
                return
            self._handled_request = request_token
            log.error("login at kite failed", extra={"reason": _reason(error)})
            if not self._token:
                self._feed.need_login(f"the login at Kite failed ({_reason(error)}): log in again")
            return
        self._handled_request = request_token
        # Used at once, also when the store is away and takes it later.
        self._login = KiteLogin(access_token=session["access_token"], login_ms=now_ms(), user_id=session.get("user_id", ""))
        self._unsaved = sealer(self._settings).seal(KITE_LOGIN.text(self._login))
        self._adopt(self._login.access_token)
        try:
            await self._save()
        except StormError as error:
            self._feed.note_trouble("store", str(error))

    async def _save(self) -> None:
        if self._unsaved:
            await asyncio.to_thread(self._store.save_setting, KITE_LOGIN.name, self._unsaved)
            self._unsaved = ""

    async def _check_when_due(self) -> None:
        token = self._token or self._dead_token
        if not token or time.monotonic() < self._check_after_s:
            return
        is_dead = not self._token
        self._check_after_s = time.monotonic() + (DEAD_RETRY_S * random.uniform(1, 1.2) if is_dead else CHECK_EVERY_S)  # noqa: S311
        try:
            await asyncio.to_thread(self._kite.profile)
        except TokenException:
            self.reject(token)
        except (KiteException, requests.RequestException) as error:
            log.debug("kite's profile cannot be read", extra={"reason": _reason(error)})
        else:
            if token == self._dead_token and not self._token:
                self._adopt(token)

    def _adopt(self, token: str) -> None:
        self._token, self._dead_token = token, ""
        self._kite.set_access_token(token)
        self._check_after_s = time.monotonic() + CHECK_EVERY_S
        self._feed.note_login()
        self._changed.set()
        log.info("access token adopted")

    def _unsealed(self, sealed: str | None) -> str:
        return sealer(self._settings).unseal(sealed) if sealed else ""


async def _repeat(work: Callable[[], Any], stopping: asyncio.Event) -> None:
    while not stopping.is_set():
        await work()
        await sleep_unless(stopping, POLL_S)


def _login_ms(login: KiteLogin | None) -> int:
    return login.login_ms if login else 0


def _reason(error: Exception) -> str:
    # The text of a requests exception carries the URL, and with it the token.
    return str(error) if isinstance(error, KiteException) else type(error).__name__
