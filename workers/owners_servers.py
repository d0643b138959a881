"""Servers that users chose: what is posted to one goes nowhere else.

A user chooses the address, so it must not lead into the network that this process is in: names are resolved here, every address
is checked, and the connection goes to a checked one, not to whatever the name says a moment later.
"""

import asyncio
import socket
import ssl
import time
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

import httpcore

from stormalert.notify.description import ChannelDescription
from stormalert.notify.owners_servers import checked_url
from workers.deadlines import ANSWER_S, STEP_S
from workers.names import Names

_IDLE_S = 15.0
_CONNECTIONS = 20
# NAT64: the last 32 bits are the IPv4 address that it leads to; with the local prefix they may lie elsewhere.
_NAT64, _LOCAL_NAT64 = IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48")


class PrivateAddress(Exception):
    """The name leads to an address that is not on the internet."""


class OwnersServers:
    """`channel` says what their answers mean."""

    def __init__(self, channel: ChannelDescription, *, allows_private: bool) -> None:
        self._channel = channel
        self._allows_private = allows_private
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=ssl.create_default_context(),
            max_connections=_CONNECTIONS,
            keepalive_expiry=_IDLE_S,
            network_backend=CheckedNetwork(allows_private=allows_private),
        )

    async def post(self, address: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        """JSON to the address; the beginning of the answer. Raises Retryable and Permanent, without the address in them."""
        try:
            url = checked_url(address, allows_private=self._allows_private)
        except ValueError as error:
            raise self._channel.meaning("not on the internet").error(str(error)) from None
        try:
            async with asyncio.timeout(ANSWER_S):
                status, answered, start = await self._post(url, body, headers)
        except PrivateAddress:
            raise self._channel.meaning("not on the internet").error("it is not on the internet") from None
        except (TimeoutError, httpcore.TimeoutException):
            raise self._channel.meaning("time-out").error() from None
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError, ssl.SSLError) as error:
            # The error's text may hold the address, which may hold a secret.
            raise self._channel.meaning(500).error(type(error).__name__) from None
        if not 200 <= status < 300:
            after_s = seconds(answered.get(b"retry-after", b"").decode("latin-1"))
            raise self._channel.meaning(status).error(f"HTTP {status}", after_s)
        return start

    async def close(self) -> None:
        await self._pool.aclose()

    async def _post(self, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, dict[bytes, bytes], bytes]:
        sent = [("Content-Type", "application/json"), ("User-Agent", "StormAlert"), *headers.items()]
        timeouts = {step: STEP_S for step in ("connect", "read", "write", "pool")}
        # Redirects are not followed.
        async with self._pool.stream("POST", url, headers=sent, content=body, extensions={"timeout": timeouts}) as response:
            answered = {name.lower(): value for name, value in response.headers}
            # Not read to its end: whoever answers decides how long the answer is.
            start = await anext(response.aiter_stream(), b"") if 200 <= response.status < 300 else b""
        return response.status, answered, start


class CheckedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to addresses that were looked at, and encrypts under the name that was asked for."""

    def __init__(self, *, allows_private: bool) -> None:
        self._allows_private = allows_private
        self._network = httpcore.AnyIOBackend()
        # Their own, so that no user's names keep a provider's waiting.
        self._names = Names()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Raises PrivateAddress."""
        addresses = await self._resolved(host, port)
        for number, address in enumerate(addresses, 1):
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except httpcore.ConnectError:
                if number == len(addresses):
                    raise
        raise httpcore.ConnectError("the name has no address")

    async def _resolved(self, host: str, port: int) -> list[str]:
        try:
            found = await self._names.ask(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(type(error).__name__) from None
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        # One private address among public ones is one too many: the name's owner could choose when it is used.
        if not self._allows_private and not all(is_public(address) for address in addresses):
            raise PrivateAddress
        return addresses


def is_public(address: str) -> bool:
    """Whether it is on the internet, and so is any other address that is hidden in it."""
    found: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        hidden = [found.ipv4_mapped, found.sixtofour, *(found.teredo or ())]
        if any(each is not None for each in hidden) or found in _LOCAL_NAT64:
            return False
        if found in _NAT64:
            found = IPv4Address(int(found) & 0xFFFF_FFFF)
    return found.is_global and not found.is_multicast


def seconds(retry_after: str) -> float | None:
    """Of a Retry-After header: seconds, or a date."""
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (ValueError, TypeError):
        return None
