"""One deadline for the whole of a call to a provider, whatever its library does."""

import asyncio
import time

import pytest

from stormalert.errors import Permanent, Retryable
from stormalert.model import ChannelKind
from workers import post
from workers.render import Message

KIND, ADDRESS = ChannelKind.WHATSAPP, "+919812345678"


class Deaf:
    """A sender that hears of nothing while it talks with its provider."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()

    async def send(self, address: str, message: Message) -> str:
        until_s = time.monotonic() + 0.5
        while (left_s := until_s - time.monotonic()) > 0:
            try:
                await asyncio.sleep(left_s)
            except asyncio.CancelledError:
                continue
        self.ended.set()
        raise OSError("the connection ended at last")

    async def close(self) -> None: ...


class Broken(Deaf):
    async def send(self, address: str, message: Message) -> str:
        raise LookupError("with the token in it")


async def test_a_sender_that_does_not_end_holds_up_nobody(text: Message) -> None:
    sender, began_s = Deaf(), time.monotonic()
    with pytest.raises(Retryable, match="timed out"):
        await post.send({KIND: sender}, KIND, ADDRESS, text, within_s=0.05)
    assert time.monotonic() - began_s < 0.4
    # Its end is heard all the same: no error that nobody retrieved.
    await asyncio.wait_for(sender.ended.wait(), 30)


async def test_what_a_library_raises_is_no_news_to_anybody_but_its_name(text: Message) -> None:
    with pytest.raises(Retryable, match=r"^unexpected error: LookupError$"):
        await post.send({KIND: Broken()}, KIND, ADDRESS, text)


async def test_a_channel_that_is_not_set_up_takes_nothing(text: Message) -> None:
    with pytest.raises(Permanent, match="whatsapp is not set up"):
        await post.send({}, KIND, ADDRESS, text)
