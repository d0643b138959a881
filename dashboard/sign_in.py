"""GET and POST /login, POST /logout."""

import asyncio
import hmac
import logging
import secrets
import time

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dashboard import resources, sessions, throttle
from dashboard.gate import signed_in
from dashboard.html import sentence_page, sign_in_page
from stormalert import keys
from stormalert.errors import StormError
from stormalert.model import AuditEntry, User
from stormalert.process import REDIS_ERRORS
from stormalert.security import SESSION_COOKIE, SESSION_S, is_password, issue_session, new_id
from stormalert.units import SECOND_MS, now_ms

log = logging.getLogger("stormalert")

CSRF_COOKIE = "storm_csrf"
_CSRF_S = 3600
_NAME_MAX = 64
_PASSWORD_MAX = 1024
WRONG = "The name or the password is wrong."
STALE = "This page was open for too long. Please sign in again."
AWAY = "Redis does not answer, so nobody can sign in; try again in a moment."
STORE_AWAY = "The store does not answer, so nobody can sign in; try again in a moment."


async def get_login(request: Request) -> Response:
    return _form(request)


async def post_login(request: Request) -> Response:
    form = await request.form()
    name, password = str(form.get("name", "")).strip().lower(), str(form.get("password", ""))
    csrf, cookie = str(form.get("csrf", "")), request.cookies.get(CSRF_COOKIE, "")
    if not csrf or not hmac.compare_digest(csrf.encode(), cookie.encode()):
        return _form(request, STALE, name, 403)
    if len(name) > _NAME_MAX or len(password) > _PASSWORD_MAX:
        return _form(request, WRONG, "", 401)
    subjects = [throttle.of_name(name), throttle.of_address(_address(request))]
    try:
        wait_ms = await throttle.take_a_try(resources.loop_redis(), subjects)
        if wait_ms:
            return _too_many(request, name, wait_ms)
        user = await asyncio.to_thread(_checked, name, password, _address(request))
        if user is None:
            return _form(request, WRONG, name, 401)
        await throttle.forget(resources.loop_redis(), subjects)
    except REDIS_ERRORS:
        return _form(request, AWAY, name, 503)
    except StormError as error:
        log.error("sign-in not checked", extra={"reason": str(error)})
        return _form(request, STORE_AWAY, name, 503)
    return _signed_in(request, user)


async def get_logout(_request: Request) -> Response:
    """A link or an image of another site must not sign anybody out."""
    return sentence_page("Not signed out", "Use the button on the page to sign out.", 405)


async def post_logout(request: Request) -> Response:
    who = signed_in(request.scope)
    form = await request.form()
    if not hmac.compare_digest(str(form.get("csrf", "")).encode(), sessions.sign_out_token(who.session).encode()):
        return sentence_page("Not signed out", "This did not come from StormAlert's own button; please use that one.", 403)
    left_s = max(who.session.expires_s - int(time.time()), 1)
    # A minute more than it lives, for clocks that differ.
    await resources.loop_redis().set(keys.revoked(who.session.id), 1, ex=left_s + 60)
    await asyncio.to_thread(record, who.user.id, "signed out", _address(request))
    response = RedirectResponse("/login", 303)
    response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="lax", secure=_is_https(request))
    return response


def record(user: str, action: str, detail: str = "") -> None:
    resources.store().record_audit(AuditEntry(id=new_id(), time_ms=now_ms(), user=user, action=action, detail=detail))


def _checked(name: str, password: str, address: str) -> User | None:
    user = resources.store().user_by_name(name) if name else None
    is_right = is_password(password, user.password_hash if user else None)
    record(user.id if user else "", "signed in" if is_right else "sign-in refused", address)
    return user if is_right else None


def _signed_in(request: Request, user: User) -> Response:
    token = issue_session(user.id, user.role, resources.config().jwt_secret.get_secret_value())
    response = RedirectResponse("/", 303)
    response.set_cookie(
        SESSION_COOKIE, token, max_age=SESSION_S, httponly=True, samesite="lax", secure=_is_https(request), path="/"
    )
    response.delete_cookie(CSRF_COOKIE, path="/login")
    return response


def _too_many(request: Request, name: str, wait_ms: int) -> Response:
    wait_s = -(-wait_ms // SECOND_MS)
    length = f"{wait_s} second{'s' if wait_s != 1 else ''}" if wait_s < 90 else f"{-(-wait_s // 60)} minutes"
    response = _form(request, f"Too many sign-ins were tried. Please wait {length}, then try again.", name, 429)
    response.headers["Retry-After"] = str(wait_s)
    return response


def _form(request: Request, refusal: str = "", name: str = "", status: int = 200) -> Response:
    # Kept while it lives, so that a second tab does not spoil the first.
    csrf = request.cookies.get(CSRF_COOKIE) or secrets.token_urlsafe(24)
    response = sign_in_page(csrf, refusal, name[:_NAME_MAX], status)
    response.set_cookie(
        CSRF_COOKIE, csrf, max_age=_CSRF_S, httponly=True, samesite="strict", secure=_is_https(request), path="/login"
    )
    return response


def _address(request: Request) -> str:
    return request.client.host if request.client else "unknown"


def _is_https(request: Request) -> bool:
    return request.url.scheme == "https"
