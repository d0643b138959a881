"""Checks who somebody says they are: the password, then the second factor; each try is counted, and each result is recorded.

Behind the sign-in page, the REST routes, and one's account, where the password is asked for again. A browser that signed in
before is known by a cookie of its own: its tries are counted apart and its passwords are hashed apart, so that whoever guesses
at an account does not lock its owner out.
"""

import asyncio
import functools
import logging
import os
import sys
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, ParamSpec, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from dashboard import resources
from dashboard.accounts import throttle
from dashboard.accounts.throttle import Subject
from stormalert.access import second_factor
from stormalert.access.security import hash_password, is_outdated, is_password, new_id, sealer
from stormalert.access.sessions import Begun
from stormalert.away import what_is_away
from stormalert.config import policy
from stormalert.errors import Conflict, StormError
from stormalert.model import AuditEntry, Role, Session, User
from stormalert.notify import preferences, templates
from stormalert.process import REDIS_ERRORS
from stormalert.units import DAY_MS, SECOND_MS, now_ms
from stormalert.words import count_of

log = logging.getLogger("stormalert")

NAME_MAX = 64
PASSWORD_MAX = 1024
DEVICE_COOKIE = "storm_device"
DEVICE_S = 90 * DAY_MS // SECOND_MS
_DEVICE = "stormalert device"
WRONG = "The name or the password is wrong."
WRONG_CODE = "The code is wrong, or was used already."
BUSY = "Too many people sign in just now; try again in a few seconds."
BUSY_S = 5
# Each takes a tenth of a second of a core: more would wait longer than anybody does.
WAITING_MAX = 20
_LOW_PRIORITY = 10

T = TypeVar("T")
P = ParamSpec("P")
Checking = Coroutine[Any, Any, T]

# How often somebody was let in, or refused and why; the dashboard's heartbeat tells it.
counts: dict[str, str | int | float] = {"sign_ins": 0}


class NotSignedIn(Exception):
    """A sentence for a person and the HTTP status for it; `wait_s`: nothing is tried before."""

    def __init__(self, status: int, sentence: str, wait_s: int = 0) -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.wait_s = status, sentence, wait_s


def away(error: Exception) -> str:
    """What is said when Redis or the store cannot be asked."""
    return f"{what_is_away(error)}, so nobody can sign in; try again in a moment."


class Caller(NamedTuple):
    """Where a try comes from; `device`: the token of a browser in which somebody signed in before, else empty."""

    address: str
    device: str


class _HashingThread:
    """Hashes passwords one after another, behind everything else that this machine does."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(1, "passwords", initializer=_be_humble)
        self._waiting = 0

    async def run(self, work: Callable[[], T]) -> T:
        if self._waiting >= WAITING_MAX:
            raise NotSignedIn(503, BUSY, BUSY_S)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1


def _be_humble() -> None:
    if sys.platform == "linux":
        # Of this thread and those it starts only.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOW_PRIORITY)


_strangers, _known = _HashingThread(), _HashingThread()


def _counted(wrong: str) -> Callable[[Callable[P, Checking[T]]], Callable[P, Checking[T]]]:
    """Counts the refusals of a check, `wrong` being what it found."""

    def decorate(check: Callable[P, Checking[T]]) -> Callable[P, Checking[T]]:
        @functools.wraps(check)
        async def counted(*args: P.args, **kwargs: P.kwargs) -> T:
            try:
                return await check(*args, **kwargs)
            except NotSignedIn as refused:
                _count(f"sign_ins_refused_{({401: wrong, 429: 'throttled'}).get(refused.status, 'unavailable')}")
                raise

        return counted

    return decorate


def _count(name: str) -> None:
    counts[name] = int(counts.get(name, 0)) + 1


@_counted("password")
async def check_password(caller: Caller, name: str, password: str) -> User:
    """The user whose password it is. Raises NotSignedIn."""
    name = name.strip().lower()
    if len(name) > NAME_MAX or len(password) > PASSWORD_MAX:
        raise NotSignedIn(401, WRONG)
    device = caller.device
    try:
        known = await asyncio.to_thread(_user_of, device, name) if device else None
        subjects = [throttle.of_device(device) if known else throttle.of_name(name), throttle.of_address(caller.address)]
        await _take_a_try(subjects)
        thread = _known if known else _strangers
        user = await thread.run(lambda: _checked(name, password, caller.address))
        if user is None:
            raise NotSignedIn(401, WRONG)
        if not user.has_second_factor:
            await throttle.forget(resources.loop_redis(), subjects)
        return user
    except REDIS_ERRORS as error:
        raise NotSignedIn(503, away(error)) from None
    except StormError as error:
        log.error("sign-in not checked", extra={"reason": str(error)})
        raise NotSignedIn(503, away(error)) from None


@_counted("code")
async def check_code(caller: Caller, user: User, code: str) -> None:
    """Of the second factor, or a recovery code. Raises NotSignedIn."""
    subjects = [throttle.of_code(user.id), throttle.of_address(caller.address)]
    try:
        await _take_a_try(subjects)
        if not await asyncio.to_thread(_passes, user, code):
            await asyncio.to_thread(record, user.id, "second factor refused", caller.address)
            raise NotSignedIn(401, WRONG_CODE)
        # The right password was given before; it was not forgotten then, so that it cannot be tried for ever without a code.
        by_password = [throttle.of_name(user.name), throttle.of_device(caller.device)]
        await throttle.forget(resources.loop_redis(), [*subjects, *by_password])
    except REDIS_ERRORS as error:
        raise NotSignedIn(503, away(error)) from None
    except StormError as error:
        log.error("second factor not checked", extra={"reason": str(error)})
        raise NotSignedIn(503, away(error)) from None


def must_enrol(user: User) -> bool:
    """Whether the policy wants a second factor that the user does not have. Raises StormError."""
    return not user.has_second_factor and policy.read(resources.store()).demands_second_factor(user)


async def begin(request: Request, user: User) -> Begun:
    """Everything was checked: a new session. Raises NotSignedIn."""

    def begun() -> Begun:
        record(user.id, "signed in", address(request))
        return resources.sessions().begin(user, request.headers.get("user-agent", ""), address(request))

    try:
        session = await asyncio.to_thread(begun)
        _count("sign_ins")
        return session
    except REDIS_ERRORS as error:
        raise NotSignedIn(503, away(error)) from None
    except StormError as error:
        log.error("session not begun", extra={"reason": str(error)})
        raise NotSignedIn(503, away(error)) from None


def change_password(user: User, session: Session, new: str) -> None:
    """All sessions but this one end. Raises StormError, Conflict."""
    resources.store().save_user(user.model_copy(update={"password_hash": hash_password(new)}))
    resources.sessions().end_all(user.id, but=session.id)
    record(user.id, "password changed")


def change_user(by: User, user: User, changes: dict[str, Any]) -> User:
    """Role, plan and whether the account is off. Raises StormError, Conflict for the last admin."""
    if changes.get("role") is Role.MEMBER or changes.get("is_off"):
        check_not_last_admin(user)
    saved = resources.store().save_user(user.model_copy(update=changes))
    if saved.is_off:
        resources.sessions().end_all(saved.id)
    told = ", ".join(f"{name} {value}" for name, value in changes.items())
    record(by.id, "user changed", f"{saved.name}: {told or 'nothing'}")
    return saved


def erase(user: User, by: User) -> None:
    """The user with all that is theirs. Raises StormError, Conflict for the last admin."""
    check_not_last_admin(user)
    resources.sessions().end_all(user.id)
    store = resources.store()
    preferences.forget(store, user.id)
    templates.forget(store, user.id)
    store.erase_user(user.id)
    record(by.id, "account erased", user.id)


def check_not_last_admin(user: User) -> None:
    """Raises Conflict when nobody else could administer."""
    others = (each for each in resources.store().users() if each.role is Role.ADMIN and not each.is_off)
    if user.role is Role.ADMIN and not any(each.id != user.id for each in others):
        raise Conflict(f"{user.name} is the only admin; make another one first.")


def has_app(user: User, secret: str, code: str) -> bool:
    """Whether the user's app knows the secret that it was offered. Raises RedisError."""
    return second_factor.passes_first(resources.thread_redis(), user, secret, code)


def enrol(user: User, secret: str) -> tuple[User, list[str]]:
    """The user with a second factor, and its recovery codes, which nobody can read again. Raises StormError, Conflict."""
    codes = second_factor.new_recovery_codes()
    fields = {
        "totp_sealed": sealer(resources.config()).seal(secret),
        "recovery_digests": tuple(map(second_factor.recovery_digest, codes)),
    }
    saved = resources.store().save_user(user.model_copy(update=fields))
    record(user.id, "second factor added")
    return saved, codes


def drop_second_factor(user: User, by: User) -> User:
    """One's own, or by an admin that of somebody who lost it. Raises StormError, Conflict."""
    saved = resources.store().save_user(user.model_copy(update={"totp_sealed": "", "recovery_digests": ()}))
    if by.id == user.id:
        record(user.id, "second factor removed")
    else:
        record(by.id, "second factor of a user removed", user.name)
    return saved


def set_device(response: Response, user: User, *, is_https: bool) -> None:
    token = resources.sessions().keyring.sign(user.id, DEVICE_S, _DEVICE)
    response.set_cookie(DEVICE_COOKIE, token, max_age=DEVICE_S, httponly=True, samesite="lax", secure=is_https, path="/")


def record(user: str, action: str, detail: str = "") -> None:
    entry = AuditEntry(id=new_id(), time_ms=now_ms(), user=user, action=action, detail=detail)
    resources.store().record_audit(entry)


def caller_of(request: Request) -> Caller:
    return Caller(address(request), request.cookies.get(DEVICE_COOKIE, ""))


def address(request: Request) -> str:
    return request.client.host if request.client else "unknown"


async def _take_a_try(subjects: list[Subject]) -> None:
    wait_ms = await throttle.take_a_try(resources.loop_redis(), subjects)
    if wait_ms:
        wait_s = -(-wait_ms // SECOND_MS)
        length = count_of(wait_s, "second") if wait_s < 90 else f"{-(-wait_s // 60)} minutes"
        raise NotSignedIn(429, f"Too many sign-ins were tried. Please wait {length}, then try again.", wait_s)


def _user_of(device: str, name: str) -> User | None:
    """The user, when it was this one who signed in with the device."""
    claims = resources.sessions().keyring.read(device, _DEVICE)
    user = resources.store().user(claims["sub"]) if claims else None
    return user if user and user.name == name else None


def _checked(name: str, password: str, from_address: str) -> User | None:
    store = resources.store()
    user = store.user_by_name(name) if name else None
    is_right = is_password(password, user.password_hash if user else None) and not (user and user.is_off)
    if not (user and is_right):
        record(user.id if user else "", "sign-in refused", from_address)
        return None
    return _rehashed(user, password)


def _rehashed(user: User, password: str) -> User:
    if not is_outdated(user.password_hash):
        return user
    try:
        return resources.store().save_user(user.model_copy(update={"password_hash": hash_password(password)}))
    except Conflict:
        # At the next sign-in, then.
        return user


def _passes(user: User, code: str) -> bool:
    config = resources.config()
    return second_factor.passes(resources.store(), resources.thread_redis(), sealer(config), user, code)
