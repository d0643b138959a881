"""Proving that an address is its user's: a one-time link for a Telegram chat, a code of six digits for any address.

Neither the link's token nor the code is in Redis: only the digest of the one, and of the other a digest that needs the
server's secret, because six digits are soon tried through.
"""

import hashlib
import hmac
import secrets

from redis import Redis

from stormalert import channels, words
from stormalert.access.security import new_id
from stormalert.config.settings import Settings
from stormalert.errors import Conflict, InputError, StormError
from stormalert.model import Channel, ChannelKind
from stormalert.redis import keys
from stormalert.store import Store
from stormalert.units import SECOND_MS

TRIES = 5
# Or anybody could be flooded with them.
CODES_PER_HOUR = 6


class Linking:
    def __init__(self, client: Redis, config: Settings) -> None:
        self._client = client
        self._secret = (config.master_secret.get_secret_value() or config.jwt_secret.get_secret_value()).encode()

    def make_link(self, user: str) -> str:
        """A token for `/start`, which links the chat that sends it first."""
        token = secrets.token_urlsafe(24)
        self._client.set(keys.link(_digest(token)), user, ex=keys.link.kept_s)
        return token

    def left_s(self, token: str) -> int:
        """How long the link is good for; 0 when it was used or is too old."""
        return max(0, int(self._client.pttl(keys.link(_digest(token))))) // SECOND_MS

    def use_link(self, token: str) -> str | None:
        """The user who made it; None when there is no such link any more."""
        user = self._client.getdel(keys.link(_digest(token)))
        return str(user) if user else None

    def make_code(self, channel: Channel) -> str:
        """Six digits in the place of those before. Raises InputError when there were too many."""
        if not self._secret:
            raise StormError("JWT_SECRET is not set: codes cannot be kept")
        asked = keys.codes_asked(channel.user)
        count = int(self._client.incr(asked))
        self._client.expire(asked, keys.codes_asked.kept_s, nx=True)
        if count > CODES_PER_HOUR:
            raise InputError(f"{CODES_PER_HOUR} codes an hour are enough; try again later")
        code = f"{secrets.randbelow(10**6):06d}"
        self._client.delete(keys.code_tries(channel.id))
        self._client.set(keys.code(channel.id), self._seal(channel, code), ex=keys.code.kept_s)
        return code

    def check_code(self, channel: Channel, text: str) -> None:
        """Raises InputError unless the text is the code that was sent to the channel's address; a code is good once."""
        code = "".join(text.split())
        if not (len(code) == 6 and code.isascii() and code.isdigit()):
            raise InputError(f"A code has six digits, was {text.strip()[:20]!r}.")
        # Counted first, so that tries at the same time count too.
        tries = int(self._client.incr(keys.code_tries(channel.id)))
        self._client.expire(keys.code_tries(channel.id), keys.code_tries.kept_s)
        sealed = str(self._client.get(keys.code(channel.id)) or "")
        if not sealed:
            raise InputError(
                f"There is no code, or it is older than {words.duration(keys.code.kept_s * SECOND_MS)}. Ask for a new one."
            )
        if tries > TRIES:
            self._client.delete(keys.code(channel.id))
            raise InputError(f"This was tried more than {TRIES} times. Ask for a new code.")
        if not hmac.compare_digest(sealed, self._seal(channel, code)):
            raise InputError("This is not the code that was sent.")
        if not self._client.delete(keys.code(channel.id)):
            raise InputError("This code was used already.")

    def _seal(self, channel: Channel, code: str) -> str:
        text = f"code:{channel.id}:{channel.kind}:{channel.address}:{code}"
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()


def link_chat(store: Store, user: str, chat: str) -> Channel:
    """The user's channel to the chat, made or verified now."""
    known = next((it for it in store.channels_at(ChannelKind.TELEGRAM, chat) if it.user == user), None)
    return verify(store, known or Channel(id=new_id(), user=user, kind=ChannelKind.TELEGRAM, address=chat))


def verify(store: Store, channel: Channel) -> Channel:
    """The channel as its user's verified address."""
    if channels.of(channel.kind).has_link:
        # A chat gives orders to the bot, so it speaks for one account: the one that proved it last.
        for other in store.channels_at(channel.kind, channel.address):
            if other.id != channel.id and other.is_verified:
                _change(store, other, is_verified=False, reason="the chat was linked to another account")
    return _change(store, channel, is_verified=True, is_on=True, reason="")


def owner_of_chat(store: Store, chat: str) -> Channel | None:
    """The channel by which the chat belongs to a user."""
    proven = [it for it in store.channels_at(ChannelKind.TELEGRAM, chat) if it.is_verified]
    # Several can only be there from before chats were proven: then nobody can say whose it is.
    user = store.user(proven[0].user) if len(proven) == 1 else None
    return None if len(proven) != 1 or (user and user.is_off) else proven[0]


def _change(store: Store, channel: Channel, **changes: object) -> Channel:
    while True:
        try:
            return store.save_channel(channel.model_copy(update=changes))
        except Conflict:
            known = store.channel(channel.id)
            if known is None:
                raise
            channel = known


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
