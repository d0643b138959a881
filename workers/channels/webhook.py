"""Outgoing webhooks: an alert as JSON, signed as standardwebhooks.com says, posted to where its owner wants it.

The owner chooses the address, so it must not lead into the network that this process is in: names are resolved here, every
address is checked, and the connection goes to a checked one, not to whatever the name says a moment later.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import socket
import ssl
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

import httpcore

from stormalert.access.security import webhook_secret
from stormalert.config.settings import Settings
from stormalert.errors import DeliveryError, Permanent, Retryable
from stormalert.notify.webhooks import checked_url
from stormalert.units import format_duration, format_percent, format_price
from workers.render import Message

_TIMEOUT_S = 6.0
_IDLE_S = 15.0
_CONNECTIONS = 20
_GONE = (404, 410)
# Request Timeout, Too Early: another time it may do.
_RETRIED = (408, 425)
_TOO_MANY = 429
_RATE_PAUSE_S = 10.0
_PREFIX = "whsec_"
# NAT64: the last 32 bits are the IPv4 address that it leads to; with the local prefix they may lie elsewhere.
_NAT64, _LOCAL_NAT64 = IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48")


class PrivateAddress(Exception):
    """The name leads to an address that is not on the internet."""


class WebhookSender:
    """`master_secrets`: the present one, and the one before it as long as receivers may still know a channel's secret by it."""

    def __init__(self, master_secrets: Sequence[str], *, allows_private: bool) -> None:
        self._master_secrets = master_secrets
        self._allows_private = allows_private
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=ssl.create_default_context(),
            max_connections=_CONNECTIONS,
            keepalive_expiry=_IDLE_S,
            network_backend=CheckedNetwork(allows_private=allows_private),
        )

    async def send(self, address: str, message: Message) -> str:
        try:
            url = checked_url(address, allows_private=self._allows_private)
        except ValueError as error:
            raise Permanent("address refused", str(error), is_address_dead=True) from None
        body = payload(message)
        secrets = [webhook_secret(message.channel, master_secret) for master_secret in self._master_secrets]
        headers = [("Content-Type", "application/json"), ("User-Agent", "StormAlert")]
        headers += signed(secrets, message.delivery, int(time.time()), body).items()
        timeouts = {step: _TIMEOUT_S for step in ("connect", "read", "write", "pool")}
        try:
            # Not read to its end: whoever answers decides how long the answer is. Redirects are not followed.
            async with self._pool.stream(
                "POST", url, headers=headers, content=body, extensions={"timeout": timeouts}
            ) as response:
                status = response.status
                answered = {name.lower(): value for name, value in response.headers}
        except PrivateAddress:
            raise Permanent("address refused", "it is not on the internet", is_address_dead=True) from None
        except httpcore.TimeoutException:
            raise Retryable("timed out") from None
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError, ssl.SSLError) as error:
            # The error's text may hold the address, which may hold a secret.
            raise Retryable("provider error", type(error).__name__) from None
        if refusal := _refusal(status, answered.get(b"retry-after", b"").decode("latin-1")):
            raise refusal
        return message.delivery

    async def close(self) -> None:
        await self._pool.aclose()


class CheckedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to addresses that were looked at, and encrypts under the name that was asked for."""

    def __init__(self, *, allows_private: bool) -> None:
        self._allows_private = allows_private
        self._network = httpcore.AnyIOBackend()

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
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
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


def open_webhook(config: Settings) -> WebhookSender | None:
    secrets = [secret.get_secret_value() for secret in (config.master_secret, config.master_secret_previous)]
    allows_private = config.webhook_private == "allow"
    return WebhookSender([secret for secret in secrets if secret], allows_private=allows_private) if secrets[0] else None


def payload(message: Message) -> bytes:
    """The body: prices in rupees and percents as decimal texts, so that no reader rounds them."""
    data: dict[str, Any] = {"delivery": message.delivery, "text": message.text}
    if alert := message.alert:
        data |= {
            "alert": alert.id,
            "rule": alert.rule,
            "token": alert.token,
            "symbol": alert.symbol,
            "kind": alert.kind,
            "direction": alert.direction,
            "price": format_price(alert.price_e4),
            "reference": format_price(alert.reference_e4),
            "percent": message.fields.get("percent", ""),
            "threshold_percent": format_percent(alert.percent_e2) if alert.percent_e2 else None,
            "window": format_duration(alert.window_ms) if alert.window_ms else None,
            "time_ms": alert.time_ms,
        }
    happened_s = message.alert.time_ms / 1000 if message.alert else time.time()
    stamp = datetime.fromtimestamp(happened_s, UTC).isoformat(timespec="milliseconds")
    return json.dumps(
        {"type": "alert" if message.alert else "message", "timestamp": stamp, "data": data}, ensure_ascii=False
    ).encode()


def signed(secrets: Sequence[str], delivery: str, time_s: int, body: bytes) -> dict[str, str]:
    """The headers by which a receiver, who knows one of the secrets, knows the sender, what is old and what came twice."""
    text = f"{delivery}.{time_s}.".encode() + body
    signatures = " ".join(_signature(secret, text) for secret in secrets)
    return {"webhook-id": delivery, "webhook-timestamp": str(time_s), "webhook-signature": signatures}


def _signature(secret: str, text: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    return f"v1,{base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()}"


def _refusal(status: int, retry_after: str) -> DeliveryError | None:
    detail = f"HTTP {status}"
    if 200 <= status < 300:
        return None
    if status == _TOO_MANY:
        return Retryable("rate limited", detail, after_s=_seconds(retry_after) or _RATE_PAUSE_S)
    if status >= 500 or status in _RETRIED:
        return Retryable("provider error", detail, after_s=_seconds(retry_after))
    if status < 400:
        return Permanent("refused", f"{detail}; redirects are not followed")
    return Permanent("gone" if status in _GONE else "refused", detail, is_address_dead=status in _GONE)


def _seconds(retry_after: str) -> float | None:
    """Of a Retry-After header: seconds, or a date."""
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (ValueError, TypeError):
        return None
