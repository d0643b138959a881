"""What is being sent and what went out, in Redis: the memory that survives between the provider's yes and the store's."""

from collections.abc import Sequence

from redis.asyncio import Redis

from stormalert.redis import keys
from stormalert.redis.scripts import PASSING

# Longer than sending may take (post.SEND_S), so that a second worker cannot send while a first one does; and as long as
# the delivery of a worker that was killed must wait.
CLAIM_MS = 11_000
# Nobody sends an alert again that is a week old.
SENT_S = 7 * 24 * 3600
_SENDING = "sending"


class Marks:
    def __init__(self, client: Redis) -> None:
        self._client = client

    async def claim(self, delivery: str) -> bool:
        """Whether it is ours to send; False when another worker is at it, or it went out."""
        return bool(await self._client.set(keys.sent(delivery), _SENDING, nx=True, px=CLAIM_MS))

    async def release(self, delivery: str) -> None:
        await self._client.delete(keys.sent(delivery))

    async def mark_sent(self, delivery: str, provider_id: str) -> None:
        try:
            await self._client.set(keys.sent(delivery), provider_id, ex=SENT_S)
        except PASSING:
            # Who asks again until there is room keeps others away meanwhile: a full Redis takes this still.
            await self._client.pexpire(keys.sent(delivery), CLAIM_MS)
            raise

    async def provider_ids(self, deliveries: Sequence[str]) -> dict[str, str]:
        """Of those that went out."""
        # Not MGET: on a cluster the keys lie on different nodes.
        async with self._client.pipeline(transaction=False) as pipe:
            for delivery in deliveries:
                pipe.get(keys.sent(delivery))
            marks = await pipe.execute()
        return {name: str(mark) for name, mark in zip(deliveries, marks, strict=True) if mark not in (None, _SENDING)}
