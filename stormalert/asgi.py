"""An ASGI application served by uvicorn beside the other tasks of a process, which hears the signals itself."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn

from stormalert.errors import StormError

WAITING_MAX = 256


class _UvicornServer(uvicorn.Server):
    """One that leaves the signals to stormalert.process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(host: str, port: int, settings: str) -> socket.socket:
    """Here, because uvicorn would end the whole process. Raises StormError, with the `settings` behind the address."""
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(WAITING_MAX)
    except OSError as error:
        listening.close()
        raise StormError(f"cannot listen on {host}:{port} ({settings}): {error.strerror or error}") from None
    return listening


async def serve_until(stopping: asyncio.Event, app: Any, listening: socket.socket, *, goodbye_s: int, **options: Any) -> None:
    """Until it is to stop; answers under way have `goodbye_s` then. `options` are uvicorn's."""
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=goodbye_s,
        **options,
    )
    server = _UvicornServer(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    asked_to_stop = asyncio.create_task(stopping.wait())
    await asyncio.wait([serving, asked_to_stop], return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    asked_to_stop.cancel()
    await serving
