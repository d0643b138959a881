"""The worker's event loop, in a thread of its own: it beats the heartbeat and keeps the channels' connections open."""

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self, TypeVar

import uvloop

from stormalert.errors import DeliveryError, Permanent, Retryable
from stormalert.model import ChannelKind
from workers.channels import Sender
from workers.render import Message

log = logging.getLogger("stormalert")

# For one message, connecting included; below marks.CLAIM_MS and queues.JOB_TIMEOUT_S.
SEND_S = 9.0

Result = TypeVar("Result")


class Loop:
    """An event loop in a thread: RQ's worker needs the main thread for its signals."""

    def __init__(self) -> None:
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="loop", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        return self.start(coroutine).result()

    def start(self, coroutine: Coroutine[Any, Any, Result]) -> Future[Result]:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def call(self, callback: Callable[[], None]) -> None:
        self._loop.call_soon_threadsafe(callback)


class Post:
    def __init__(self, channels: Mapping[ChannelKind, Sender], loop: Loop, send_s: float = SEND_S) -> None:
        self._channels = channels
        self._loop = loop
        self._send_s = send_s

    def send(self, kind: ChannelKind, address: str, message: Message) -> str:
        """The provider's id of the message. Raises Retryable and Permanent, and nothing else."""
        return self._loop.run(self._send(kind, address, message))

    async def _send(self, kind: ChannelKind, address: str, message: Message) -> str:
        sender = self._channels.get(kind)
        if sender is None:
            raise Permanent(f"{kind} is not set up", "its settings are empty")
        try:
            async with asyncio.timeout(self._send_s):
                return await sender.send(address, message)
        except DeliveryError:
            raise
        except TimeoutError:
            raise Retryable("timed out") from None
        except Exception as error:  # boundary: whatever a channel's library raises, its text may hold a secret
            log.error("channel failed", extra={"channel": kind, "error": type(error).__name__})
            raise Retryable("unexpected error", type(error).__name__) from None
