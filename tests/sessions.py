"""Sessions as signing in makes them."""

from redis import Redis

from stormalert.access.sessions import Begun, Sessions
from stormalert.config import settings
from stormalert.model import Role, User
from stormalert.store import Store


def sessions(store: Store, redis_url: str, jwt_secret: str) -> Sessions:
    return Sessions(store, Redis.from_url(redis_url), settings.parse({"JWT_SECRET": jwt_secret}))


def begin(store: Store, redis_url: str, jwt_secret: str, user_id: str, role: Role = Role.MEMBER) -> Begun:
    """Of a user who is made when they are not there."""
    user = store.user(user_id)
    if user is None:
        user = store.save_user(User(id=user_id, name=user_id, password_hash="x", role=role, created_ms=1))
    return sessions(store, redis_url, jwt_secret).begin(user, "a test", "127.0.0.1")
