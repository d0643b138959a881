"""The stage that hands a message to its channel's sender, within one deadline for the whole of the call."""

import asyncio
import logging
from collections.abc import Mapping

from stormalert.errors import DeliveryError, Permanent, Retryable
from stormalert.model import ChannelKind
from workers.channels import Sender
from workers.deadlines import SEND_S
from workers.render import Message

log = logging.getLogger("stormalert")


async def send(
    channels: Mapping[ChannelKind, Sender], kind: ChannelKind, address: str, message: Message, within_s: float = SEND_S
) -> str:
    """The provider's id of the message. Raises Retryable and Permanent, and nothing else."""
    sender = channels.get(kind)
    if sender is None:
        raise Permanent(f"{kind} is not set up", "its settings are empty")
    call = asyncio.ensure_future(sender.send(address, message))
    try:
        # Not asyncio.timeout: that would wait until the sender has heard of its end.
        await asyncio.wait((call,), timeout=within_s)
    finally:
        if not call.done():
            call.cancel()
            call.add_done_callback(_hear)
    if not call.done():
        raise Retryable("timed out")
    try:
        return call.result()
    except DeliveryError:
        raise
    except TimeoutError:
        raise Retryable("timed out") from None
    except Exception as error:  # boundary: whatever a channel's library raises, its text may hold a secret
        log.error("channel failed", extra={"channel": kind, "error": type(error).__name__})
        raise Retryable("unexpected error", type(error).__name__) from None


def _hear(call: asyncio.Future[str]) -> None:
    """The end of a call that nobody waits for any more."""
    if not call.cancelled() and (error := call.exception()) is not None:
        log.debug("channel ended late", extra={"error": type(error).__name__})
