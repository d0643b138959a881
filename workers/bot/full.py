"""Tells admins that Redis is full, past Redis: in this state it takes no errand, no mark and no count of a limit.

Each process of the bot tells it once; one that is started anew tells it again.
"""

import asyncio
import logging
from collections.abc import Mapping

from redis.asyncio import Redis

from stormalert.errors import DeliveryError
from stormalert.model import ChannelKind, Role
from stormalert.room import Memory, read_memory
from stormalert.store import Store
from stormalert.units import now_ms
from workers import post
from workers.channels import Sender
from workers.render import Message

log = logging.getLogger("stormalert")

HEADLINE = "Redis is full: no new prices are evaluated, and alerts are late"
USEFUL_S = 3_600


class Full:
    def __init__(self, client: Redis, store: Store, channels: Mapping[ChannelKind, Sender]) -> None:
        self._client = client
        self._store = store
        self._channels = channels
        self._is_told = False

    async def look(self) -> Memory:
        """How full it is; tells it when there is no room any more."""
        memory = await read_memory(self._client)
        if memory.is_full and not self._is_told:
            log.error("redis is full", extra={"memory": memory.words})
            await self._tell(memory)
        if self._is_told and not memory.is_nearly_full:
            log.info("redis has room again", extra={"memory": memory.words})
        self._is_told = memory.is_full or (self._is_told and memory.is_nearly_full)
        return memory

    async def _tell(self, memory: Memory) -> None:
        details = f"It uses {memory.words}. Ticks and alerts wait and are not lost; give it more memory: docs/operations.md."
        admins = [user for user in await asyncio.to_thread(self._store.users) if user.role is Role.ADMIN]
        for user in admins:
            for channel in await asyncio.to_thread(self._store.channels_of, user.id):
                if not channel.takes_alerts:
                    continue
                name = f"full-{now_ms()}-{channel.id}"
                message = Message(name, HEADLINE, details, useful_s=USEFUL_S, channel=channel.id, gap="\n")
                try:
                    await post.send(self._channels, channel.kind, channel.address, message)
                except DeliveryError as error:
                    log.warning("not told that redis is full", extra={"channel": channel.id, "reason": str(error)})
