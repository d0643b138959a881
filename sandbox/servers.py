"""Listening: sockets taken before anything starts, so that a taken port is one sentence, and servers that end at once."""

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any, cast

import uvicorn
from starlette.applications import Starlette
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websockets

from sandbox.stream import Stream


class PortTaken(OSError):
    """A port that cannot be had; the message names it and its flag."""


def listen(host: str, port: int, flag: str) -> socket.socket:
    """Take a port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    taken = socket.socket(family, socket.SOCK_STREAM)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((host, port))
        taken.listen(1024)
    except OSError as error:
        taken.close()
        reason = "is taken: stop what uses it, or choose another" if error.errno == errno.EADDRINUSE else error.strerror
        raise PortTaken(f"port {port} of {host} ({flag}) {reason}") from error
    return taken


class HttpServer(uvicorn.Server):
    """Uvicorn that leaves the signals to the program."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve_http(app: Starlette, at: socket.socket, protocol: type[asyncio.Protocol]) -> None:
    quiet: dict[str, Any] = {"log_level": "warning", "access_log": False, "server_header": False}
    config = uvicorn.Config(app, http=protocol, lifespan="off", ws="none", **quiet)
    await HttpServer(config).serve([at])


async def serve_stream(stream: Stream, at: socket.socket, tls: ssl.SSLContext | None = None) -> None:
    # No pings: Kite sends none, and its library takes a pong it did not ask for as a reason to leave.
    server = await serve_websockets(
        stream.serve,
        sock=at,
        ssl=tls,
        create_connection=cast(type[ServerConnection], stream.connection),
        process_request=stream.admit,
        ping_interval=None,
        compression=None,
        server_header=None,
    )
    try:
        await asyncio.Event().wait()
    finally:
        server.close()


async def serve_mail(protocol: Callable[[], asyncio.Protocol], at: socket.socket) -> None:
    server = await asyncio.get_running_loop().create_server(protocol, sock=at)
    try:
        await asyncio.Event().wait()
    finally:
        server.close()
