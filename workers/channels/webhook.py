"""Outgoing webhooks: an alert as JSON, signed as standardwebhooks.com says, posted to where its owner wants it."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from stormalert.access.security import webhook_secret
from stormalert.channels.webhook import CHANNEL
from stormalert.config.settings import Settings
from stormalert.units import format_duration, format_percent, format_price
from workers.owners_servers import OwnersServers
from workers.render import Message

_PREFIX = "whsec_"


class WebhookSender:
    """`master_secrets`: the present one, and the one before it as long as receivers may still know a channel's secret by it."""

    def __init__(self, master_secrets: Sequence[str], *, allows_private: bool) -> None:
        self._master_secrets = master_secrets
        self._servers = OwnersServers(CHANNEL, allows_private=allows_private)

    async def send(self, address: str, message: Message) -> str:
        body = payload(message)
        secrets = [webhook_secret(message.channel, master_secret) for master_secret in self._master_secrets]
        await self._servers.post(address, body, signed(secrets, message.delivery, int(time.time()), body))
        return message.delivery

    async def close(self) -> None:
        await self._servers.close()


def open_sender(config: Settings) -> WebhookSender:
    secrets = [secret.get_secret_value() for secret in (config.master_secret, config.master_secret_previous)]
    return WebhookSender([secret for secret in secrets if secret], allows_private=config.webhook_private == "allow")


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
