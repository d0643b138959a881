"""Changes to a channel that do not come from its owner's settings page."""

import logging

from stormalert.errors import Conflict
from stormalert.model import Channel
from stormalert.store import Store

log = logging.getLogger("stormalert")


def change(store: Store, channel: Channel, **changes: str | bool) -> None:
    """What a provider or a reader said of an address, unless its owner entered another one or switched it off meanwhile."""
    known: Channel | None = channel
    while known is not None and known.is_on and known.address == channel.address:
        try:
            store.save_channel(known.model_copy(update=changes))
        except Conflict:
            known = store.channel(channel.id)
        else:
            log.warning("channel changed", extra={"channel": channel.id, "changed": ", ".join(changes)})
            return
