"""Changes to a channel that do not come from its owner's own page."""

import logging

from redis import Redis

from stormalert import words
from stormalert.errors import Conflict
from stormalert.model import Channel
from stormalert.notify import failures
from stormalert.process import REDIS_ERRORS
from stormalert.store import Store

log = logging.getLogger("stormalert")


def change(store: Store, channel: Channel, **changes: str | bool) -> bool:
    """What a provider or a reader said of an address, unless its owner entered another one or switched it off meanwhile.

    Returns whether it was changed.
    """
    known: Channel | None = channel
    while known is not None and known.is_on and known.address == channel.address:
        try:
            store.save_channel(known.model_copy(update=changes))
        except Conflict:
            known = store.channel(channel.id)
        else:
            log.warning("channel changed", extra={"channel": channel.id, "changed": ", ".join(changes)})
            return True
    return False


def switch_off(store: Store, client: Redis, channel: Channel, reason: str) -> None:
    """An address that takes nothing any more; its owner is told over their other channels."""
    if not change(store, channel, is_on=False, reason=reason):
        return
    headline = f"⚠ {words.CHANNELS[channel.kind]} gets no alerts any more"
    details = f"It was switched off: {reason}. Switch it on again in StormAlert, page Channels."
    # What it is comes first, then the provider's own words, with numbers that differ each time.
    what = reason.partition(":")[0]
    try:
        failures.tell_owner(store, client, channel, "off", what, headline, details)
    except REDIS_ERRORS as error:
        # The page Channels says it in any case.
        log.warning("owner not told", extra={"channel": channel.id, "reason": type(error).__name__})
