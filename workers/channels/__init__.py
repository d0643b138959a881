"""The senders: one file each, named as the description in `stormalert/channels/` that it stands beside.

A channel sends over its provider's own library and turns what the provider answers into two kinds of errors, so that
delivering knows no provider: Retryable may succeed later, Permanent will not.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Protocol, cast

from stormalert import channels
from stormalert.channels import ChannelKind
from stormalert.config.settings import Settings
from workers.render import Message


class Sender(Protocol):
    async def send(self, address: str, message: Message) -> str:
        """The provider's id of the message. Raises Retryable and Permanent, without a secret in their texts."""
        ...

    async def close(self) -> None: ...


# Each file's `open_sender`, which is asked only where the channel is set up.
_OPENERS: dict[ChannelKind, Callable[[Settings], Sender]] = {
    kind: cast(Callable[[Settings], Sender], import_module(f"{__name__}.{kind}").open_sender) for kind in ChannelKind
}


async def open_channels(config: Settings) -> dict[ChannelKind, Sender]:
    """Those that are set up, with their connections still to be made; all live in the event loop that runs this."""
    return {kind: open_sender(config) for kind, open_sender in _OPENERS.items() if channels.of(kind).is_set_up(config)}
