"""Messages of a channel that fail one after another, and its owner's hearing of it over another channel.

A channel whose address is dead is switched off at once (notify/channels.py). Any other failure may be the message's own, so its
owner hears of it when it is the third for one reason and none got through meanwhile; and of the same not twice a day.
"""

import hashlib
import logging
from collections.abc import Iterable
from enum import StrEnum

from redis import Redis

from stormalert import words
from stormalert.errors import StormError
from stormalert.model import Channel
from stormalert.notify import send_requests
from stormalert.process import REDIS_ERRORS
from stormalert.redis import keys
from stormalert.store import Store
from stormalert.units import now_ms

log = logging.getLogger("stormalert")

IN_A_ROW = 3


class When(StrEnum):
    """SENT: its provider refused it; REPORTED: its provider took it, and said later that it failed."""

    SENT = "sent"
    REPORTED = "reported"


def failed(store: Store, client: Redis, channel: str, cause: str, reason: str, when: When = When.SENT) -> None:
    """Count it. `cause`: what failures of one kind have in common; `reason`: what the owner reads."""
    name = keys.failures(channel, when)
    try:
        count = int(str(client.hincrby(name, cause, 1)))
        client.expire(name, keys.failures.kept_s)
        known = store.channel(channel) if count >= IN_A_ROW else None
        if known is not None and known.is_on:
            _tell_of(store, client, known, count, cause, reason)
    except (StormError, *REDIS_ERRORS) as error:
        # The next one that fails says it.
        log.warning("failure not counted", extra={"channel": channel, "reason": type(error).__name__})


def got_through(client: Redis, channels: Iterable[str], when: When = When.SENT) -> None:
    """What its provider took may still fail there; what arrived did not."""
    counted = (When.SENT,) if when is When.SENT else tuple(When)
    try:
        # One by one: on a cluster they lie on different nodes.
        with client.pipeline(transaction=False) as pipe:
            for channel in channels:
                for each in counted:
                    pipe.delete(keys.failures(channel, each))
            pipe.execute()
    except REDIS_ERRORS as error:
        log.warning("success not noted", extra={"reason": type(error).__name__})


def tell_owner(store: Store, client: Redis, channel: Channel, notice: str, why: str, headline: str, details: str) -> None:
    """Over the other channels that take alerts, without the address, which is in no stream; the same not twice a day.

    `notice`: its id begins with it; `why`: what the same is known by. Raises StormError and the errors of Redis.
    """
    others = [it for it in store.channels_of(channel.user) if it.takes_alerts and it.id != channel.id]
    told = keys.told(channel.id, hashlib.blake2b(f"{notice} {why}".encode(), digest_size=8).hexdigest())
    if not others or not client.set(told, now_ms(), nx=True, ex=keys.told.kept_s):
        return
    fields = {"notice": f"{notice}-{channel.id}-{now_ms()}", "headline": headline, "details": details}
    try:
        for other in others:
            send_requests.ask_notice(client, other.id, fields)
    except REDIS_ERRORS:
        client.delete(told)
        raise


def _tell_of(store: Store, client: Redis, channel: Channel, count: int, cause: str, reason: str) -> None:
    headline = f"\u26a0 {words.CHANNELS[channel.kind]} messages do not get through"
    details = f"The last {count} failed: {reason}. It stays on: see page Channels in StormAlert."
    tell_owner(store, client, channel, "failing", cause, headline, details)
