"""Tells admins that Redis, or its disk, is full, past Redis: in this state it takes no request, no marker and no turn.

Each process of the bot tells it once; one that is started anew tells it again.
"""

import asyncio
import logging
from collections.abc import Mapping

from redis.asyncio import Redis

from stormalert.errors import DeliveryError
from stormalert.health.capacity import Capacity
from stormalert.health.checks.servers import full
from stormalert.health.facts import Facts
from stormalert.health.reading import read_server
from stormalert.model import ChannelKind
from stormalert.units import now_ms
from workers import post
from workers.bot.last_known import LastKnown
from workers.channels import Sender
from workers.render import Message

log = logging.getLogger("stormalert")

USEFUL_S = 3_600


class Full:
    def __init__(self, client: Redis, last_known: LastKnown, channels: Mapping[ChannelKind, Sender]) -> None:
        self._client = client
        self._last_known = last_known
        self._channels = channels
        # The headline of which admins know.
        self._told = ""

    async def look(self) -> Capacity:
        """How full it is; tells it when there is no room any more."""
        server = await read_server(self._client)
        capacity = Facts(now_ms(), servers=[server]).capacity
        if (found := full(server)) and found.what != self._told:
            log.error("redis is full", extra={"memory": capacity.words, "disk": "full" if capacity.is_disk_full else "well"})
            await self._tell(found.what, found.todo)
            self._told = found.what
        elif self._told and capacity.is_enough:
            log.info("redis has room again", extra={"memory": capacity.words})
            self._told = ""
        return capacity

    async def _tell(self, headline: str, details: str) -> None:
        for channel in await asyncio.to_thread(self._last_known.admins):
            name = f"full-{now_ms()}-{channel.id}"
            message = Message(name, headline, details, useful_s=USEFUL_S, channel=channel.id, gap="\n")
            try:
                await post.send(self._channels, channel.kind, channel.address, message)
            except DeliveryError as error:
                log.warning("not told that redis is full", extra={"channel": channel.id, "reason": str(error)})
