"""Who sends a request: by its cookies, or, where scripts may come, by its bearer token."""

import hashlib
import hmac
from collections.abc import Iterable

from starlette.requests import cookie_parser
from starlette.responses import Response
from starlette.types import Scope

from dashboard import resources
from stormalert import model
from stormalert.access.sessions import ACCESS_COOKIE, REFRESH_COOKIE, Begun, SignedIn
from stormalert.model import Session
from stormalert.units import SECOND_MS, now_ms

Cookies = dict[str, str]


def header_of(scope: Scope, name: str) -> str:
    """Empty when it is not there."""
    return next((value.decode("latin-1") for found, value in scope["headers"] if found == name.encode()), "")


def cookies_of(scope: Scope) -> Cookies:
    return cookies_among(value.decode("latin-1") for name, value in scope["headers"] if name == b"cookie")


def cookies_among(headers: Iterable[str]) -> Cookies:
    # Not SimpleCookie: it finds nothing at all beside another site's cookie on the same host that holds, say, JSON.
    return {name: value for header in headers for name, value in cookie_parser(header).items()}


def find(cookies: Cookies) -> SignedIn | None:
    """For threads. Raises RedisError or StormError when nobody can be checked."""
    return resources.sessions().find(cookies.get(ACCESS_COOKIE, ""), cookies.get(REFRESH_COOKIE, ""))


def find_script(bearer: str) -> SignedIn | None:
    """The same by a token that may read."""
    who = resources.sessions().find_script(bearer.strip())
    return who if who and who.session.allows(model.Scope.READ) else None


def set_cookies(response: Response, begun: Begun, *, is_https: bool) -> None:
    """Those of a new session."""
    set_access(response, begun.access, begun.session, is_https=is_https)
    _set(response, REFRESH_COOKIE, begun.refresh, begun.session, is_https=is_https)


def set_access(response: Response, access: str, session: Session, *, is_https: bool) -> None:
    # Kept as long as the session, so that the browser still sends it when it ran out; what counts is the time inside.
    _set(response, ACCESS_COOKIE, access, session, is_https=is_https)


def clear_cookies(response: Response, *, is_https: bool) -> None:
    for name in (ACCESS_COOKIE, REFRESH_COOKIE):
        response.delete_cookie(name, httponly=True, samesite="lax", secure=is_https)


def sign_out_token(session: Session) -> str:
    """What the sign-out button sends along, and no other site can know."""
    secret = resources.config().jwt_secret.get_secret_value()
    return hmac.new(secret.encode(), f"sign out {session.id}".encode(), hashlib.sha256).hexdigest()


def is_https(scope: Scope) -> bool:
    return scope["scheme"] in ("https", "wss")


def _set(response: Response, name: str, value: str, session: Session, *, is_https: bool) -> None:
    left_s = max((session.expires_ms - now_ms()) // SECOND_MS, 1)
    response.set_cookie(name, value, max_age=left_s, httponly=True, samesite="lax", secure=is_https, path="/")
