"""Sends from the worker's event loop, where the channels' connections stay open from one message to the next."""

import asyncio
import logging
from collections.abc import Mapping

from stormalert.errors import DeliveryError, Permanent, Retryable
from stormalert.model import ChannelKind
from workers.channels import Sender
from workers.loop import Loop
from workers.render import Message

log = logging.getLogger("stormalert")

# For one message, connecting included; below marks.CLAIM_MS, limits.LEASE_MS and queues.JOB_TIMEOUT_S.
SEND_S = 9.0


class Post:
    def __init__(self, channels: Mapping[ChannelKind, Sender], loop: Loop, send_s: float = SEND_S) -> None:
        self._channels = channels
        self._loop = loop
        self._send_s = send_s

    def send(self, kind: ChannelKind, address: str, message: Message) -> str:
        """For threads: the same as carry."""
        return self._loop.run(self.carry(kind, address, message))

    async def carry(self, kind: ChannelKind, address: str, message: Message) -> str:
        return await send(self._channels, kind, address, message, self._send_s)


async def send(
    channels: Mapping[ChannelKind, Sender], kind: ChannelKind, address: str, message: Message, within_s: float = SEND_S
) -> str:
    """The provider's id of the message. Raises Retryable and Permanent, and nothing else."""
    sender = channels.get(kind)
    if sender is None:
        raise Permanent(f"{kind} is not set up", "its settings are empty")
    try:
        async with asyncio.timeout(within_s):
            return await sender.send(address, message)
    except DeliveryError:
        raise
    except TimeoutError:
        raise Retryable("timed out") from None
    except Exception as error:  # boundary: whatever a channel's library raises, its text may hold a secret
        log.error("channel failed", extra={"channel": kind, "error": type(error).__name__})
        raise Retryable("unexpected error", type(error).__name__) from None
