"""Who is signed in: by a browser's cookies or by a script's bearer token.

A browser has two cookies. The access token is a JWT that is good for a quarter of an hour; the refresh secret gets the next
one as long as the session lasts. A script has one JWT for as long as its user said. In either case the token only names the
session: its record in the store, its user and the list of revoked sessions in Redis are looked at each time.
"""

import hashlib
import hmac
import secrets
import time
from typing import NamedTuple

import jwt
from redis import Redis

from stormalert.access.security import new_id
from stormalert.config.settings import Settings
from stormalert.errors import StormError
from stormalert.model import Role, Scope, Session, SessionKind, User
from stormalert.redis import keys
from stormalert.store import Store
from stormalert.units import DAY_MS, MINUTE_MS, SECOND_MS, now_ms

ACCESS_COOKIE = "storm_session"
REFRESH_COOKIE = "storm_refresh"
ACCESS_S = 15 * 60
# A page that stays open is here at each of its reruns, with the token that it was opened with.
SEEN_EVERY_MS = MINUTE_MS
_ALGORITHM = "HS256"
_AUDIENCE = "stormalert"


class SignedIn(NamedTuple):
    user: User
    session: Session
    # An access token for the browser in the place of the one that ran out.
    renewed: str = ""

    @property
    def is_admin(self) -> bool:
        # From the store, not from the token: a role that was taken away is away at once.
        return self.user.role is Role.ADMIN


class Begun(NamedTuple):
    """A new session with its secrets, which are kept nowhere; `refresh` is empty for a script's."""

    session: Session
    access: str
    refresh: str = ""


class Keyring:
    """Signs with the current secret and reads what the one before it signed; `kid` says which."""

    def __init__(self, current: str, previous: str = "") -> None:
        self._current = current
        self._by_kid = {_kid(secret): secret for secret in (previous, current) if secret}

    @classmethod
    def of(cls, config: Settings) -> "Keyring":
        return cls(config.jwt_secret.get_secret_value(), config.jwt_secret_previous.get_secret_value())

    def sign(self, user: str, lifetime_s: int, audience: str = _AUDIENCE, **claims: str) -> str:
        """Raises StormError without a secret."""
        if not self._current:
            raise StormError("JWT_SECRET is not set: sessions cannot be signed")
        now_s = int(time.time())
        usual = {"sub": user, "jti": new_id(), "iat": now_s, "exp": now_s + lifetime_s, "aud": audience}
        return jwt.encode(usual | claims, self._current, _ALGORITHM, headers={"kid": _kid(self._current)})

    def read(self, token: str, audience: str = _AUDIENCE) -> dict[str, str] | None:
        """The claims; None when the token is forged, malformed, expired or for something else."""
        try:
            secret = self._by_kid[jwt.get_unverified_header(token).get("kid", "")]
            required = ["sub", "jti", "iat", "exp"]
            claims = jwt.decode(token, secret, [_ALGORITHM], audience=audience, options={"require": required})
        except (jwt.PyJWTError, KeyError, TypeError):
            return None
        return {name: str(value) for name, value in claims.items()}


class Sessions:
    """For threads. Each method raises RedisError or StormError when one of the two is away: nobody passes unchecked."""

    def __init__(self, store: Store, client: Redis, config: Settings) -> None:
        self._store = store
        self._client = client
        self.keyring = Keyring.of(config)
        self._lifetime_ms = config.session_days * DAY_MS

    def begin(self, user: User, label: str, address: str) -> Begun:
        """A browser's, after its user was checked."""
        secret = secrets.token_urlsafe(32)
        session = self._save(user, SessionKind.BROWSER, label, address, self._lifetime_ms, refresh_digest=_digest(secret))
        return Begun(session, self._access(session), f"{session.id}.{secret}")

    def begin_script(self, user: User, label: str, address: str, scopes: tuple[Scope, ...], lifetime_ms: int) -> Begun:
        session = self._save(user, SessionKind.SCRIPT, label, address, lifetime_ms, scopes=scopes)
        return Begun(session, self.keyring.sign(user.id, lifetime_ms // SECOND_MS, sid=session.id))

    def find(self, access: str, refresh: str) -> SignedIn | None:
        """By a browser's two cookies, either may be empty."""
        claims = self.keyring.read(access) if access else None
        if claims:
            return self._open(claims.get("sid", ""), claims["sub"], SessionKind.BROWSER)
        session_id, _, secret = refresh.partition(".")
        found = self._open(session_id, "", SessionKind.BROWSER) if secret else None
        if found is None or not hmac.compare_digest(_digest(secret), found.session.refresh_digest):
            return None
        now = now_ms()
        if now - found.session.seen_ms >= SEEN_EVERY_MS:
            self._store.save_session(found.session.model_copy(update={"seen_ms": now}))
        return found._replace(renewed=self._access(found.session))

    def find_script(self, bearer: str) -> SignedIn | None:
        claims = self.keyring.read(bearer)
        return self._open(claims.get("sid", ""), claims["sub"], SessionKind.SCRIPT) if claims else None

    def of(self, user: User) -> list[Session]:
        """Those that last, newest first."""
        return [session for session in self._store.sessions_of(user.id) if session.expires_ms > now_ms()]

    def end(self, session: Session) -> None:
        # A minute more than it would last, for clocks that differ.
        self._client.set(keys.revoked(session.id), 1, px=max(session.expires_ms - now_ms(), 0) + MINUTE_MS)
        self._store.delete_session(session.id)

    def end_all(self, user: str, but: str = "") -> int:
        ended = [session for session in self._store.sessions_of(user) if session.id != but]
        for session in ended:
            self.end(session)
        return len(ended)

    def _open(self, session_id: str, user_id: str, kind: SessionKind) -> SignedIn | None:
        if not session_id or self._client.exists(keys.revoked(session_id)):
            return None
        session = self._store.session(session_id)
        if session is None or session.kind is not kind or session.expires_ms <= now_ms():
            return None
        user = self._store.user(session.user)
        if user is None or user.is_off or (user_id and user_id != user.id):
            return None
        return SignedIn(user, session)

    def _save(
        self,
        user: User,
        kind: SessionKind,
        label: str,
        address: str,
        lifetime_ms: int,
        scopes: tuple[Scope, ...] = tuple(Scope),
        refresh_digest: str = "",
    ) -> Session:
        now = now_ms()
        session = Session(
            id=new_id(),
            user=user.id,
            kind=kind,
            label=label[:200],
            address=address[:64],
            scopes=scopes,
            refresh_digest=refresh_digest,
            created_ms=now,
            seen_ms=now,
            expires_ms=now + lifetime_ms,
        )
        self._store.save_session(session)
        return session

    def _access(self, session: Session) -> str:
        left_s = (session.expires_ms - now_ms()) // SECOND_MS
        return self.keyring.sign(session.user, max(min(ACCESS_S, left_s), 1), sid=session.id)


def _kid(secret: str) -> str:
    return hashlib.blake2b(secret.encode(), digest_size=6, person=b"storm-kid").hexdigest()


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
