"""Tells admins that Redis, or its disk, is full, past Redis: in this state it takes no request, no marker and no turn.

Each process of the bot tells it once; one that is started anew tells it again.
"""

import asyncio
import logging
from collections.abc import Mapping

from redis.asyncio import Redis

from stormalert.errors import DeliveryError
from stormalert.health.room import Room, read_room
from stormalert.model import ChannelKind, Role
from stormalert.store import Store
from stormalert.units import now_ms
from workers import post
from workers.channels import Sender
from workers.render import Message

log = logging.getLogger("stormalert")

HEADLINE = "Redis is full: no new prices are evaluated, and alerts are late"
DISK_HEADLINE = "Redis cannot write to its disk: no new prices are evaluated, and alerts are late"
_WAIT = "Ticks and alerts wait and are not lost"
USEFUL_S = 3_600


class Full:
    def __init__(self, client: Redis, store: Store, channels: Mapping[ChannelKind, Sender]) -> None:
        self._client = client
        self._store = store
        self._channels = channels
        # The headline of which admins know.
        self._told = ""

    async def look(self) -> Room:
        """How full it is; tells it when there is no room any more."""
        room = await read_room(self._client)
        headline, details = _said(room)
        if room.is_full and headline != self._told:
            log.error("redis is full", extra={"memory": room.words, "disk": "full" if room.is_disk_full else "well"})
            await self._tell(headline, details)
            self._told = headline
        elif self._told and room.is_enough:
            log.info("redis has room again", extra={"memory": room.words})
            self._told = ""
        return room

    async def _tell(self, headline: str, details: str) -> None:
        admins = [user for user in await asyncio.to_thread(self._store.users) if user.role is Role.ADMIN]
        for user in admins:
            for channel in await asyncio.to_thread(self._store.channels_of, user.id):
                if not channel.takes_alerts:
                    continue
                name = f"full-{now_ms()}-{channel.id}"
                message = Message(name, headline, details, useful_s=USEFUL_S, channel=channel.id, gap="\n")
                try:
                    await post.send(self._channels, channel.kind, channel.address, message)
                except DeliveryError as error:
                    log.warning("not told that redis is full", extra={"channel": channel.id, "reason": str(error)})


def _said(room: Room) -> tuple[str, str]:
    """Headline and details."""
    if room.is_disk_full:
        return DISK_HEADLINE, f"Is it full? {_WAIT}; make room there, and it goes on by itself: docs/operations.md."
    return HEADLINE, f"It uses {room.words}. {_WAIT}; give it more memory: docs/operations.md."
