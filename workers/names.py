"""Addresses by name, where one name whose servers are slow keeps no other one waiting.

The event loop's own threads for this are four, for all channels; a question cannot be ended, and asks again for each message.
Here a name that is being asked for has one thread, and all who want it wait for the same answer.
"""

import asyncio
import contextlib
import socket
import threading
from ipaddress import ip_address
from typing import Any

import uvloop

# Of names under way at once; each user may have brought one. A worker has two of these, and its container 256 tasks.
MOST = 100

Addresses = list[Any]


class Names:
    """Belongs into one event loop. Raises socket.gaierror, as the system does."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._asked: dict[tuple[Any, ...], asyncio.Future[Addresses]] = {}

    async def ask(self, host: Any, port: Any, **options: int) -> Addresses:
        """What socket.getaddrinfo gives."""
        if is_number(host):
            return socket.getaddrinfo(host, port, **options)
        key = (host, port, *sorted(options.items()))
        if key not in self._asked:
            if len(self._asked) >= self._most:
                raise socket.gaierror(socket.EAI_AGAIN, "too many names are asked for")
            answer: asyncio.Future[Addresses] = asyncio.get_running_loop().create_future()
            # A daemon: it holds up no end of the process.
            asking = threading.Thread(target=_ask, args=(answer, host, port, options), name="name", daemon=True)
            try:
                asking.start()
            except RuntimeError as error:
                # Noted before, its name would be waited for for ever.
                raise socket.gaierror(socket.EAI_AGAIN, str(error)) from None
            self._asked[key] = answer
            answer.add_done_callback(lambda done: (self._asked.pop(key), done.exception()))
        # Whoever waits no longer ends nobody else's question.
        return await asyncio.shield(self._asked[key])


class NamingLoop(uvloop.Loop):
    """uvloop's, with these names, whoever asks."""

    def __init__(self) -> None:
        super().__init__()
        self._names = Names()

    async def getaddrinfo(self, host: Any, port: Any, **options: int) -> Addresses:
        return await self._names.ask(host, port, **options)

    async def create_connection(  # type: ignore[override]
        self, factory: Any, host: Any = None, port: Any = None, **options: Any
    ) -> Any:
        if host is None or is_number(host):
            return await super().create_connection(factory, host, port, **options)
        if options.get("ssl") and options.get("server_hostname") is None:
            options["server_hostname"] = host
        found = await self.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(entry[4][0] for entry in found))
        for address in addresses[:-1]:
            with contextlib.suppress(OSError):
                return await super().create_connection(factory, address, port, **options)
        return await super().create_connection(factory, addresses[-1], port, **options)


def is_number(host: Any) -> bool:
    """Whether it is an address already; nobody is asked then."""
    try:
        ip_address(str(host).partition("%")[0])
    except ValueError:
        return host is None
    return True


def _ask(answer: asyncio.Future[Addresses], host: Any, port: Any, options: dict[str, int]) -> None:
    found: Addresses = []
    failed: Exception | None = None
    try:
        found = socket.getaddrinfo(host, port, **options)
    except (OSError, UnicodeError) as error:
        failed = error
    # The loop may have ended meanwhile.
    with contextlib.suppress(RuntimeError):
        answer.get_loop().call_soon_threadsafe(_settle, answer, found, failed)


def _settle(answer: asyncio.Future[Addresses], found: Addresses, failed: Exception | None) -> None:
    if failed is not None:
        answer.set_exception(failed)
    else:
        answer.set_result(found)
