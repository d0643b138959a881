"""How many messages each provider takes in how long, counted in Redis for all workers together."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

from redis.asyncio import Redis

from stormalert import channels
from stormalert.access import security
from stormalert.config.settings import Settings
from stormalert.model import ChannelKind
from stormalert.notify.description import RateLimit
from stormalert.redis import keys
from stormalert.redis.scripts import script
from stormalert.units import SECOND_MS
from workers.deadlines import CLAIM_MS

# The provider's clock may run slower than ours.
MARGIN_MS = 10


class Priority(IntEnum):
    """Who goes first where a provider takes less than there is to send: a flood of one keeps none above it waiting."""

    # Codes, and what the bot answers: somebody waits for it.
    ANSWER = 0
    NOTICE = 1
    ALERT = 2
    TEST = 3


@dataclass(frozen=True, slots=True)
class Limit:
    """In no window of `window_ms` more than `most`; limits of one name are one."""

    name: str
    most: int
    window_ms: int


@dataclass(frozen=True)
class Permit:
    """One message that may go; to be settled when its provider has answered."""

    limits: tuple[Limit, ...]
    place: str

    @cached_property
    def windows(self) -> list[str]:
        return [keys.window(limit.name) for limit in self.limits]


class Limits:
    def __init__(self, client: Redis, config: Settings) -> None:
        self._client = client
        self._config = config

    @asynccontextmanager
    async def at_once(self, kind: ChannelKind, address: str) -> AsyncIterator[None]:
        """Send inside: for what the bot answers to a person, which is no message of the pipeline's."""
        answer = security.new_id()
        while not isinstance(permit := await self.take(answer, kind, address, Priority.ANSWER), Permit):
            await asyncio.sleep(permit)
        try:
            yield
        finally:
            await self.settle(permit)

    async def take(self, message: str, kind: ChannelKind, address: str, priority: Priority) -> Permit | float:
        """Leave to send one message now, or the seconds after which to ask again; its turn is kept meanwhile."""
        permit = Permit(limits_of(kind, address, self._config), security.new_id())
        if not permit.limits:
            return permit
        ask = script("permit").call(
            int,
            windows=permit.windows,
            id=message,
            place=permit.place,
            lease=CLAIM_MS,
            priority=int(priority),
            limits=[number for limit in permit.limits for number in (limit.most, limit.window_ms + MARGIN_MS)],
        )
        wait_ms = await ask.run(self._client)
        return wait_ms / SECOND_MS if wait_ms else permit

    async def settle(self, permit: Permit, pause_s: float = 0.0) -> None:
        """The provider has answered, or will not any more; it may have asked to be left alone for a while."""
        if not permit.limits:
            return
        lengths = [max(limit.window_ms, round(pause_s * SECOND_MS)) + MARGIN_MS for limit in permit.limits]
        await script("settle").call(int, windows=permit.windows, place=permit.place, lengths=lengths).run(self._client)


def limits_of(kind: ChannelKind, address: str, config: Settings) -> tuple[Limit, ...]:
    """What a message to the address counts against."""
    return tuple(Limit(_name(kind, it), it.most, it.window_ms) for it in channels.of(kind).limits(address, config))


def _name(kind: ChannelKind, limit: RateLimit) -> str:
    # Addresses are people's; a key holds a digest.
    digest = hashlib.blake2s(limit.of.encode(), digest_size=12).hexdigest() if limit.of else ""
    return ":".join(filter(None, (kind, digest, limit.name)))
