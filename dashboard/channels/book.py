"""What the page Channels and the REST routes do alike with a user's channels."""

from functools import cache
from zoneinfo import available_timezones

from stormalert import channels
from stormalert.access.security import new_id, webhook_secret
from stormalert.config import policy
from stormalert.config.settings import Settings
from stormalert.errors import Conflict, InputError
from stormalert.model import Channel, ChannelKind, User
from stormalert.store import Store


def add(store: Store, user: User, kind: ChannelKind, address: str, config: Settings) -> Channel:
    """A channel that is not verified yet. Raises InputError, LimitReached among them."""
    channel = Channel(id=new_id(), user=user.id, kind=kind, address=checked(kind, address, config), is_verified=False)
    policy.check_channels(store, user.id)
    if any((it.kind, channels.shown(it)) == (kind, channels.shown(channel)) for it in store.channels_of(user.id)):
        raise InputError("This channel is there already.")
    return store.save_channel(channel)


def checked(kind: ChannelKind, text: str, config: Settings) -> str:
    """The address as it is stored; the provider has the last word. Raises InputError."""
    if not text.strip():
        raise InputError("Enter an address first.")
    return channels.of(kind).check(text.strip(), config)


@cache
def zones() -> list[str]:
    """The time zones that quiet hours may have; those that are stored may have others, such as posix/Asia/Kolkata."""
    return sorted(available_timezones())


def verified(channel: Channel) -> Channel:
    """Raises Conflict: whoever did not prove an address must not be able to write to it."""
    if not channel.is_verified:
        raise Conflict("This channel is not verified yet; enter its code first.")
    return channel


def secret_of(channel: Channel, config: Settings) -> str:
    """Of a webhook. Raises Conflict."""
    master_secret = config.master_secret.get_secret_value()
    if not channels.of(channel.kind).is_signed or not master_secret:
        raise Conflict("Only webhooks have a secret, and only with a STORM_MASTER_SECRET.")
    return webhook_secret(channel.id, master_secret)
