"""The channels: one file and one row each.

A channel sends over its provider's own library and turns what the provider answers into two kinds of errors, so that
delivering knows no provider: Retryable may succeed later, Permanent will not.
"""

from collections.abc import Callable
from typing import Protocol

from stormalert.config.settings import Settings
from stormalert.model import ChannelKind
from workers.channels.email import open_email
from workers.channels.telegram import open_telegram
from workers.channels.webhook import open_webhook
from workers.channels.whatsapp import open_whatsapp
from workers.render import Message


class Sender(Protocol):
    async def send(self, address: str, message: Message) -> str:
        """The provider's id of the message. Raises Retryable and Permanent, without a secret in their texts."""
        ...

    async def close(self) -> None: ...


# A row opens its channel, or gives None when its settings are empty. All live in one event loop, opened inside it.
CHANNELS: dict[ChannelKind, Callable[[Settings], Sender | None]] = {
    ChannelKind.TELEGRAM: open_telegram,
    ChannelKind.WHATSAPP: open_whatsapp,
    ChannelKind.EMAIL: open_email,
    ChannelKind.WEBHOOK: open_webhook,
}


async def open_channels(config: Settings) -> dict[ChannelKind, Sender]:
    """Those that are set up, with their connections still to be made."""
    opened = {kind: open_channel(config) for kind, open_channel in CHANNELS.items()}
    return {kind: sender for kind, sender in opened.items() if sender is not None}
