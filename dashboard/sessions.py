"""Who is signed in: the session that a cookie carries, unless it was revoked or its user is gone."""

import asyncio
import hashlib
import hmac
from collections.abc import Iterable
from typing import NamedTuple

from starlette.requests import cookie_parser
from starlette.types import Scope

from dashboard import resources
from stormalert import keys
from stormalert.model import Role, User
from stormalert.security import SESSION_COOKIE, Session, read_session


class SignedIn(NamedTuple):
    user: User
    session: Session

    @property
    def is_admin(self) -> bool:
        # From the store, not from the session: a role that was taken away is away at once.
        return self.user.role is Role.ADMIN


def cookie_of(scope: Scope) -> str:
    """The session cookie of an ASGI request; empty when it has none."""
    return among(value.decode("latin-1") for name, value in scope["headers"] if name == b"cookie")


def among(cookie_headers: Iterable[str]) -> str:
    """The session cookie among others; empty when it is not there."""
    for header in cookie_headers:
        # Not SimpleCookie: it finds nothing at all beside another site's cookie on the same host that holds, say, JSON.
        if session := cookie_parser(header).get(SESSION_COOKIE):
            return session
    return ""


async def find(cookie: str) -> SignedIn | None:
    """For the event loop. Raises RedisError when Redis is away: nobody passes unchecked."""
    session = _read(cookie)
    if session is None or await resources.loop_redis().exists(keys.revoked(session.id)):
        return None
    return _with_user(session, await asyncio.to_thread(resources.store().user, session.user))


def find_in_thread(cookie: str) -> SignedIn | None:
    """For the pages' threads. Raises RedisError."""
    session = _read(cookie)
    if session is None or resources.thread_redis().exists(keys.revoked(session.id)):
        return None
    return _with_user(session, resources.store().user(session.user))


def sign_out_token(session: Session) -> str:
    """What the sign-out button sends along, and no other site can know."""
    secret = resources.config().jwt_secret.get_secret_value()
    return hmac.new(secret.encode(), f"sign out {session.id}".encode(), hashlib.sha256).hexdigest()


def _read(cookie: str) -> Session | None:
    secret = resources.config().jwt_secret.get_secret_value()
    return read_session(cookie, secret) if secret and cookie else None


def _with_user(session: Session, user: User | None) -> SignedIn | None:
    return SignedIn(user, session) if user else None
