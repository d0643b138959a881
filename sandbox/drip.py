"""A provider that neither answers nor stands still: what it writes goes out a byte a second, its first byte too.

Beneath HTTP, SMTP and websockets, so that a client's time-out of each read never comes.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

from sandbox.faults import Faults

BYTE_S = 1.0
# Of Kite's REST interface: the first part of its paths.
_KITE = ("session", "user", "instruments", "quote")
# The sandbox's own pages: whoever switches the fault off must be heard.
_OURS = ("control", "connect", "outbox", "outbox.json", "style.css")


class Drip:
    """A transport before another; `is_on` is asked again for each byte, and what waits goes at once when it is over."""

    def __init__(self, transport: asyncio.Transport, is_on: Callable[[], bool]) -> None:
        self._transport, self._is_on = transport, is_on
        self._waiting = bytearray()
        # What ends the connection, when all has gone.
        self._end: Callable[[], None] | None = None
        self._dripping: asyncio.Task[None] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, written: bytes | bytearray | memoryview) -> None:
        if not self._waiting and not self._is_on():
            self._transport.write(written)
            return
        self._waiting += written
        if self._dripping is None:
            self._dripping = asyncio.get_running_loop().create_task(self._drip())

    def writelines(self, parts: Iterable[bytes | bytearray | memoryview]) -> None:
        self.write(b"".join(parts))

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size() + len(self._waiting)

    def write_eof(self) -> None:
        self._end_with(self._transport.write_eof)

    def close(self) -> None:
        self._end_with(self._transport.close)

    def _end_with(self, end: Callable[[], None]) -> None:
        self._end = end
        if not self._waiting:
            end()

    async def _drip(self) -> None:
        while self._waiting and not self._transport.is_closing():
            share = 1 if self._is_on() else len(self._waiting)
            self._transport.write(bytes(self._waiting[:share]))
            del self._waiting[:share]
            await asyncio.sleep(BYTE_S if self._waiting else 0)
        self._waiting.clear()
        self._dripping = None
        if self._end is not None and not self._transport.is_closing():
            self._end()


def before(transport: asyncio.BaseTransport, is_on: Callable[[], bool]) -> asyncio.Transport:
    return cast(asyncio.Transport, Drip(cast(asyncio.Transport, transport), is_on))


def http_protocol(faults: Faults) -> type[asyncio.Protocol]:
    """Uvicorn's, with each provider's answers dripping when its fault is on."""

    class Dripping(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(before(transport, lambda: _drips(faults, (self.scope or {"path": "/"})["path"])))

    return Dripping


def _drips(faults: Faults, path: str) -> bool:
    first = path.split("/")[1]
    if first in _OURS:
        return False
    if first in _KITE:
        return faults.rest.drip
    if first.startswith("bot"):
        return faults.telegram.drip
    return {"2010-04-01": faults.twilio, "webhook": faults.webhook}.get(first, faults.ntfy).drip
