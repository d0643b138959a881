"""ntfy: a message as JSON to its server (docs.ntfy.sh/publish), with a title, a priority, tags, and links to act."""

import json
from typing import Any
from urllib.parse import quote

from stormalert.access.security import sealer
from stormalert.channels.ntfy import CHANNEL, parts_of
from stormalert.config.settings import Settings
from stormalert.errors import Permanent, StormError
from stormalert.model import Direction
from workers.bot.buttons import chart_url
from workers.owners_servers import OwnersServers
from workers.render import Message, cut

_TITLE_MAX = 250
# For a server that takes less than most.
_SHORT = 200
# ntfy's: low makes no sound; high pops up.
_LOW, _USUAL, _HIGH = 2, 3, 4
# ntfy shows these as signs.
_SIGNS = {Direction.UP: "chart_with_upwards_trend", Direction.DOWN: "chart_with_downwards_trend"}


class NtfySender:
    def __init__(self, config: Settings) -> None:
        self._config = config
        self._public_url = config.public_url.rstrip("/")
        self._servers = OwnersServers(CHANNEL, allows_private=config.webhook_private == "allow")

    async def send(self, address: str, message: Message) -> str:
        server, topic, sealed = parts_of(address)
        headers = self._signed_in(sealed) if sealed else {}
        try:
            answer = await self._publish(server, topic, message, CHANNEL.longest, headers)
        except Permanent as error:
            if error.reason != CHANNEL.meaning(413).reason:
                raise
            answer = await self._publish(server, topic, message, _SHORT, headers)
        return _id_in(answer) or message.delivery

    async def close(self) -> None:
        await self._servers.close()

    async def _publish(self, server: str, topic: str, message: Message, longest: int, headers: dict[str, str]) -> bytes:
        body = {"topic": topic, **published(message, self._public_url, longest)}
        return await self._servers.post(server, json.dumps(body, ensure_ascii=False).encode(), headers)

    def _signed_in(self, sealed: str) -> dict[str, str]:
        try:
            return {"Authorization": f"Bearer {sealer(self._config).unseal(sealed)}"}
        except StormError:
            raise CHANNEL.meaning("token sealed with another secret").error() from None


def open_sender(config: Settings) -> NtfySender:
    return NtfySender(config)


def published(message: Message, public_url: str, longest: int) -> dict[str, Any]:
    """All but the topic. Without details the headline is the message: ntfy would else write one of its own."""
    headline, details = " ".join(message.headline.split()), message.details.strip()
    found: dict[str, Any] = {"message": cut(details or headline, longest), "priority": _USUAL}
    if details:
        found["title"] = cut(headline, min(_TITLE_MAX, longest))
    if alert := message.alert:
        found |= {"priority": _HIGH, "tags": [_SIGNS[alert.direction], " ".join(alert.symbol.split())]}
        found["actions"] = [_link("Chart", chart_url(alert.symbol, alert.token))]
        if public_url:
            # Links, no calls: who knows the topic reads them, and only its owner can sign in there to snooze or pause.
            opened = f"{public_url}/alerts?alert={quote(alert.id, safe='')}"
            found["click"] = opened
            found["actions"].append(_link("Snooze or pause", opened))
    if message.is_silent:
        found["priority"] = _LOW
    return found


def _link(label: str, url: str) -> dict[str, str]:
    return {"action": "view", "label": label, "url": url}


def _id_in(answer: bytes) -> str:
    """Empty where the server is another one that answers as it likes."""
    try:
        return str(json.loads(answer)["id"])[:64]
    except (ValueError, KeyError, TypeError):
        return ""
