"""The second factor: time-based codes (TOTP, RFC 6238) and recovery codes for when the phone is lost."""

import hashlib
import hmac
import re
import secrets
import time

import pyotp
from redis import Redis

from stormalert.access.security import Sealer
from stormalert.errors import Conflict
from stormalert.model import User
from stormalert.redis import keys
from stormalert.store import Store

ISSUER = "StormAlert"
RECOVERY_CODES = 8
STEP_S = 30
# A clock may be one step off, in either direction.
STEPS_OFF = 1
_USED_S = STEP_S * (2 * STEPS_OFF + 2)
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"


def new_secret() -> str:
    return pyotp.random_base32()


def uri(secret: str, user: str) -> str:
    """What a QR code holds for an authenticator app."""
    return pyotp.TOTP(secret).provisioning_uri(name=user, issuer_name=ISSUER)


def matching_step(secret: str, code: str) -> int | None:
    """The time step that the code is of; None when it is wrong or of another time."""
    digits = re.sub(r"\s", "", code)
    if not re.fullmatch(r"[0-9]{6}", digits):
        return None
    totp, now_step = pyotp.TOTP(secret), int(time.time()) // STEP_S
    steps = [now_step + off for off in range(-STEPS_OFF, STEPS_OFF + 1)]
    # All of them, so that the time it takes tells nothing.
    matching = [step for step in steps if hmac.compare_digest(totp.at(step * STEP_S), digits)]
    return matching[0] if matching else None


def new_recovery_codes() -> list[str]:
    """79 bits each; only their digests are kept."""
    return ["-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(4)) for _ in range(RECOVERY_CODES)]


def recovery_digest(code: str) -> str:
    return hashlib.sha256(re.sub(r"[\s-]", "", code).lower().encode()).hexdigest()


def passes(store: Store, client: Redis, sealer: Sealer, user: User, code: str) -> bool:
    """Whether the code is the user's, now and for the first time. Raises StormError or RedisError when that cannot be known."""
    if passes_first(client, user, sealer.unseal(user.totp_sealed), code):
        return True
    return _use_recovery_code(store, user, recovery_digest(code))


def passes_first(client: Redis, user: User, secret: str, code: str) -> bool:
    """The same for a secret that is not the user's yet, and has no recovery codes."""
    step = matching_step(secret, code)
    return step is not None and bool(client.set(keys.code_used(user.id, step), 1, nx=True, ex=_USED_S))


def _use_recovery_code(store: Store, user: User, digest: str) -> bool:
    if digest not in user.recovery_digests:
        return False
    left = tuple(each for each in user.recovery_digests if each != digest)
    try:
        store.save_user(user.model_copy(update={"recovery_digests": left}))
    except Conflict:
        # Somebody else used one at the same moment, maybe this one.
        return False
    return True
