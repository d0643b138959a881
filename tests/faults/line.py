"""A line between the product and a server of the sandbox, on which everything can go wrong while both ends are well."""

import asyncio
import contextlib
import os
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

CHUNK_BYTES = 65_536
DRIP_S = 1.0
# A refusal of each protocol that is served here, as its server words it.
HTTP_BROKEN = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
SMTP_BROKEN = b"421 4.3.2 The service is not available\r\n"
# A fatal alert, handshake_failure: the answer of a server that speaks TLS and understands nothing else.
TLS_ALERT = b"\x15\x03\x03\x00\x02\x02\x28"


class Ailment(StrEnum):
    """What is wrong with a line."""

    NONE = "works"
    REFUSES = "refuses connections"
    RESETS = "resets every connection"
    BLACK_HOLE = "takes all and answers nothing"
    DRIPS = "answers a byte a second"
    SPEAKS_TLS = "speaks TLS where none is expected"
    BROKEN = "answers that it is broken (503, 421)"
    GARBAGE = "answers with noise"


class Line:
    """Listens at a port of its own and forwards to `target_port`, both on loopback; `ailment` may change at any time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, port: int, target_port: int, broken: bytes = HTTP_BROKEN) -> None:
        self.port = port
        self.ailment = Ailment.NONE
        self._loop, self._target_port, self._broken = loop, target_port, broken
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._do(self._listen())

    @contextmanager
    def suffering(self, ailment: Ailment) -> Iterator[None]:
        """Connections that are there suffer too."""
        self._do(self._change(ailment))
        try:
            yield
        finally:
            self._do(self._change(Ailment.NONE))

    def close(self) -> None:
        self._do(self._close())

    def _do(self, work: object) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)  # type: ignore[arg-type]

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def _close(self) -> None:
        if self._server:
            self._server.close()
            self._server = None
        self._abort_all()

    async def _change(self, ailment: Ailment) -> None:
        was, self.ailment = self.ailment, ailment
        if ailment is Ailment.REFUSES:
            await self._close()
        elif was is Ailment.REFUSES:
            await self._listen()
        # What goes mute or drips does so in the middle of what is under way.
        if ailment not in (Ailment.BLACK_HOLE, Ailment.DRIPS):
            self._abort_all()

    def _abort_all(self) -> None:
        for writer in list(self._open):
            _reset(writer)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        serving = asyncio.create_task(self._answer(reader, writer))
        # Also of one that is cancelled before it began.
        serving.add_done_callback(lambda it: self._ended(it, writer))

    def _ended(self, serving: asyncio.Task[None], writer: asyncio.StreamWriter) -> None:
        self._open.discard(writer)
        # Nothing is left to write: `close` would wait for a reader that is slow.
        writer.transport.abort()
        if not serving.cancelled() and (error := serving.exception()) and not isinstance(error, OSError):
            # Either end may go at any time; all else is a fault of ours.
            raise error

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.ailment is Ailment.RESETS:
            _reset(writer)
        elif self.ailment in (Ailment.SPEAKS_TLS, Ailment.BROKEN, Ailment.GARBAGE):
            writer.write({Ailment.SPEAKS_TLS: TLS_ALERT, Ailment.BROKEN: self._broken}.get(self.ailment) or os.urandom(512))
            await writer.drain()
            # What was asked is read, so that the answer is not lost in a reset.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(reader.read(CHUNK_BYTES), 1)
        else:
            await self._forward(reader, writer)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.ailment is Ailment.BLACK_HOLE:
            # Nothing of it reaches the server.
            while await reader.read(CHUNK_BYTES):
                pass
            return
        behind, ahead = await asyncio.open_connection("127.0.0.1", self._target_port)
        both = [asyncio.create_task(self._pump(reader, ahead, is_answer=False))]
        both.append(asyncio.create_task(self._pump(behind, writer, is_answer=True)))
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # First: whoever ends us a second time, at the end of all, would have the rest left out.
            ahead.transport.abort()
            for each in both:
                each.cancel()
            await asyncio.gather(*both, return_exceptions=True)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, is_answer: bool) -> None:
        while chunk := await source.read(CHUNK_BYTES):
            if self.ailment is Ailment.BLACK_HOLE:
                continue
            # Half a message and then silence is what a drip is: the rest comes when the line works again.
            for part in _drops(chunk) if is_answer and self.ailment is Ailment.DRIPS else (chunk,):
                sink.write(part)
                await sink.drain()
                if is_answer and self.ailment is Ailment.DRIPS:
                    await asyncio.sleep(DRIP_S)


def _drops(chunk: bytes) -> Iterator[bytes]:
    return (chunk[place : place + 1] for place in range(len(chunk)))


def _reset(writer: asyncio.StreamWriter) -> None:
    """With RST and not with FIN, as a machine that was restarted does it."""
    if (it := writer.get_extra_info("socket")) is not None:
        with contextlib.suppress(OSError):
            it.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@contextmanager
def event_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """One for all lines, in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="lines")
    thread.start()
    try:
        yield loop
    finally:
        asyncio.run_coroutine_threadsafe(_end_all(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end_all() -> None:
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for each in left:
        each.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    # What was aborted is closed at one of the loop's next turns.
    await asyncio.sleep(0.1)
