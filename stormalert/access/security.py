"""Passwords (Argon2id), ids, and secrets at rest (authenticated encryption)."""

import base64
import hashlib
import hmac
import secrets
import string

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from stormalert.config.settings import Settings
from stormalert.errors import InputError, StormError

_ID_LETTERS = string.ascii_lowercase + string.digits

# argon2-cffi's defaults are RFC 9106's low-memory profile.
_hasher = PasswordHasher()


def _unknown_users_hash() -> str:
    """Of no password: drawn, because to make one takes every process that starts a fifth of a second and 64 MiB."""
    salt, digest = (
        base64.b64encode(secrets.token_bytes(size)).decode().rstrip("=") for size in (_hasher.salt_len, _hasher.hash_len)
    )
    return f"$argon2id$v=19$m={_hasher.memory_cost},t={_hasher.time_cost},p={_hasher.parallelism}${salt}${digest}"


# Verified when the user is unknown, so that an unknown name takes as long as a wrong password.
_UNKNOWN_USER_HASH = _unknown_users_hash()


def new_id() -> str:
    """Ten random lower-case letters and digits (51 bits): fits keys, URLs and RQ job ids.

    No secret. Short, because the server holds a rule's id in three places; the store refuses one that is taken.
    """
    return "".join(secrets.choice(_ID_LETTERS) for _ in range(10))


def digest_id(text: str) -> str:
    """80 bits that stand for the text, spelled as ids are."""
    return base64.b32encode(hashlib.blake2b(text.encode(), digest_size=10).digest()).decode().lower()


def hash_password(password: str) -> str:
    return _hasher.hash(password)


def is_password(password: str, password_hash: str | None) -> bool:
    """False for a wrong password and for an unknown user (None), in the same time."""
    try:
        _hasher.verify(password_hash or _UNKNOWN_USER_HASH, password)
    except (VerificationError, InvalidHashError):
        return False
    return password_hash is not None


def is_outdated(password_hash: str) -> bool:
    """Whether it was made with other parameters than are used now."""
    return _hasher.check_needs_rehash(password_hash)


class Sealer:
    """Encrypts secrets for the store with a key derived from the master secret; opens what the one before it sealed too."""

    def __init__(self, master_secret: str, previous: str = "") -> None:
        self._fernet = MultiFernet([_fernet(secret) for secret in (master_secret, previous) if secret])

    def seal(self, secret: str) -> str:
        return self._fernet.encrypt(secret.encode()).decode()

    def unseal(self, sealed: str) -> str:
        """Raises StormError when the master secret is another one or the text was tampered with."""
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise StormError(
                "a sealed secret cannot be opened: STORM_MASTER_SECRET is not the one it was sealed with"
            ) from None

    def reencrypt(self, sealed: str) -> str:
        """The same secret, sealed with the present master secret. Raises StormError as `unseal` does."""
        return self.seal(self.unseal(sealed))


def sealer(config: Settings) -> Sealer:
    """Raises InputError without a master secret."""
    secret = config.master_secret.get_secret_value()
    if not secret:
        raise InputError("STORM_MASTER_SECRET is not set, so nothing secret can be kept; whoever runs the server can set it")
    return Sealer(secret, config.master_secret_previous.get_secret_value())


def _fernet(master_secret: str) -> Fernet:
    derived = hashlib.blake2b(master_secret.encode(), digest_size=32, person=b"storm-seal").digest()
    return Fernet(base64.urlsafe_b64encode(derived))


def webhook_secret(channel: str, master_secret: str) -> str:
    """What signs a webhook channel's messages, in the form of standardwebhooks.com; derived, so that it is stored nowhere."""
    return "whsec_" + base64.b64encode(_derived(master_secret, "webhook", channel)).decode()


def unsubscribe_token(channel: str, address: str, secret: str) -> str:
    """Lets whoever reads the mail switch its channel off; good until the channel has another address."""
    return f"{channel}.{_derived(secret, 'unsubscribe', f'{channel} {address}').hex()}"


def is_unsubscribe_token(token: str, channel: str, address: str, secret: str) -> bool:
    return hmac.compare_digest(token.encode(), unsubscribe_token(channel, address, secret).encode())


def _derived(secret: str, purpose: str, text: str) -> bytes:
    return hmac.new(secret.encode(), f"stormalert {purpose} {text}".encode(), hashlib.sha256).digest()
