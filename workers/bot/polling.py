"""Asks Telegram for updates. One process at a time does, because Telegram answers a second one with 409 Conflict."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence
from datetime import timedelta

from redis.asyncio import Redis
from redis.exceptions import LockError
from telegram import Update
from telegram.error import Conflict, InvalidToken, RetryAfter, TelegramError, TimedOut

from stormalert.backoff import pause_s
from stormalert.outage import Outage
from stormalert.process import REDIS_ERRORS, cancel, sleep_unless
from stormalert.redis import keys
from workers.bot.talk import POLL_S, WANTED, App, menu

Updates = Sequence[Update]

log = logging.getLogger("stormalert")

LOCK_MS = 15_000
RENEW_S = 4.0
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
# Who has another program of theirs on the same token is not helped by a fight.
CONFLICT_PAUSE_S = 15.0


class Lock:
    """Held by one process; lost when it cannot be renewed."""

    def __init__(self, client: Redis, owner: str, key: str = keys.BOT_LOCK) -> None:
        self._lock = client.lock(key, timeout=LOCK_MS / 1000, blocking=False, thread_local=False)
        self._owner = owner
        self._held_until_s = 0.0

    async def take(self) -> bool:
        """Whether it is ours for the next seconds, renewed or new."""
        asked_s = time.monotonic()
        try:
            is_ours = await self._renew() or await self._lock.acquire(token=self._owner)
        except REDIS_ERRORS as error:
            log.debug("lock not renewed", extra={"reason": type(error).__name__})
            return time.monotonic() < self._held_until_s
        self._held_until_s = asked_s + LOCK_MS / 1000 - RENEW_S if is_ours else 0.0
        return is_ours

    async def _renew(self) -> bool:
        try:
            return self._held_until_s > 0 and await self._lock.reacquire()
        except LockError:
            # It ended, and is another's or nobody's.
            return False

    async def give_back(self) -> None:
        with contextlib.suppress(*REDIS_ERRORS):
            await self._lock.release()


class TelegramOutage:
    """Tells the beginning and the end of a trouble with Telegram; knows how long to wait."""

    def __init__(self) -> None:
        self._outage = Outage("telegram", each_reason=True)
        self._failures = 0

    def begin(self, error: TelegramError) -> float:
        """Seconds to wait now."""
        reason, advice, least_s = _explained(error)
        self._outage.begin(reason, advice=advice)
        wait_s = max(least_s, pause_s(self._failures, first_s=FIRST_PAUSE_S, longest_s=LONGEST_PAUSE_S))
        self._failures += 1
        return wait_s

    def end(self) -> None:
        self._outage.end()
        self._failures = 0


async def initialize(application: App, stopping: asyncio.Event) -> bool:
    """Whether Telegram knows us, sooner or later; False when we are to stop before."""
    outage = TelegramOutage()
    while not stopping.is_set():
        try:
            await application.initialize()
        except TelegramError as error:
            await sleep_unless(stopping, outage.begin(error))
            continue
        outage.end()
        with contextlib.suppress(TelegramError):
            await application.bot.set_my_commands(menu())
        return True
    return False


class Poller:
    def __init__(self, application: App, lock: Lock) -> None:
        self._application = application
        self._lock = lock
        self._offset = 0
        self._confirmed = 0
        self._is_fresh = False
        self._outage = TelegramOutage()
        self._asking: asyncio.Task[Updates] | None = None
        self.is_polling = False

    async def run_until(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            if not await self._lock.take():
                await sleep_unless(stopping, RENEW_S)
                continue
            await self._poll_while_locked(stopping)
        await self._lock.give_back()

    async def _poll_while_locked(self, stopping: asyncio.Event) -> None:
        log.info("listening to telegram", extra={"bot": self._application.bot.username})
        self.is_polling = True
        polling = asyncio.create_task(self._poll())
        try:
            while not polling.done() and not stopping.is_set() and await self._lock.take():
                await sleep_unless(stopping, RENEW_S)
        finally:
            self.is_polling = False
            # The question alone: an update that is under way is dealt with, or the next one who asks deals with it again.
            if self._asking:
                await cancel(self._asking)
            await polling
            await self._confirm()
            log.info("no longer listening to telegram")

    async def _poll(self) -> None:
        self._is_fresh = False
        while self.is_polling:
            self._asking = asyncio.create_task(self._ask())
            await asyncio.wait((self._asking,))
            for update in () if self._asking.cancelled() else self._asking.result():
                if not self.is_polling:
                    break
                await self._application.process_update(update)
                # The next question confirms it; what is not confirmed comes again.
                self._offset = update.update_id + 1

    async def _ask(self) -> Updates:
        try:
            if not self._is_fresh:
                # While a webhook is set, Telegram gives no updates to those who ask.
                await self._application.bot.delete_webhook()
                self._is_fresh = True
            asked = self._offset
            updates: Updates = await self._application.bot.get_updates(
                offset=asked, timeout=timedelta(seconds=POLL_S), allowed_updates=WANTED
            )
        except TelegramError as error:
            self._is_fresh = False
            await asyncio.sleep(self._outage.begin(error))
            return ()
        self._confirmed = asked
        self._outage.end()
        return updates

    async def _confirm(self) -> None:
        if self._offset > self._confirmed:
            with contextlib.suppress(TelegramError):
                await self._application.bot.get_updates(offset=self._offset, limit=1, timeout=0, allowed_updates=WANTED)
                self._confirmed = self._offset


def _explained(error: TelegramError) -> tuple[str, str, float]:
    """Reason, advice and least pause; never the error's own text, which may hold the token."""
    match error:
        case Conflict():
            return (
                "conflict",
                "another program asks for this bot's updates: stop it, or give each a bot of its own",
                CONFLICT_PAUSE_S,
            )
        case InvalidToken():
            return "credentials refused", "check TELEGRAM_BOT_TOKEN", LONGEST_PAUSE_S
        case RetryAfter(retry_after=after):
            return "rate limited", "none needed", after if isinstance(after, int) else after.total_seconds()
        case TimedOut():
            return "timed out", "none needed", 0.0
        case _:
            return type(error).__name__, "check the network", 0.0
