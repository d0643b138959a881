"""The stage that claims a message: what is being sent and what went out, in Redis.

It is the memory that survives between the provider's yes and the store's.
"""

from collections.abc import Sequence

from redis.asyncio import Redis

from stormalert.redis import keys
from stormalert.redis.scripts import PASSING
from workers.deadlines import CLAIM_MS

# Nobody sends an alert again that is a week old.
SENT_S = 7 * 24 * 3600
_SENDING = "sending"


class DedupMarkers:
    def __init__(self, client: Redis) -> None:
        self._client = client

    async def claim(self, message: str) -> bool:
        """Whether it is ours to send; False when another process is at it, or it went out."""
        return bool(await self._client.set(keys.sent(message), _SENDING, nx=True, px=CLAIM_MS))

    async def release(self, message: str) -> None:
        await self._client.delete(keys.sent(message))

    async def mark_sent(self, message: str, provider_id: str) -> None:
        try:
            await self._client.set(keys.sent(message), provider_id, ex=SENT_S)
        except PASSING:
            # Who asks again until there is room keeps others away meanwhile: a full Redis takes this still.
            await self._client.pexpire(keys.sent(message), CLAIM_MS)
            raise

    async def provider_ids(self, messages: Sequence[str]) -> dict[str, str]:
        """Of those that went out."""
        # Not MGET: on a cluster the keys lie on different nodes.
        async with self._client.pipeline(transaction=False) as pipe:
            for message in messages:
                pipe.get(keys.sent(message))
            values = await pipe.execute()
        return {name: str(value) for name, value in zip(messages, values, strict=True) if value not in (None, _SENDING)}
