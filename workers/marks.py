"""What is being sent and what went out, in Redis: the memory that survives between the provider's yes and the store's."""

from redis import Redis

from stormalert import keys

# Longer than sending may take (post.SEND_S), so that a second worker cannot send while a first one does; and as long as
# the delivery of a worker that was killed must wait.
CLAIM_MS = 11_000
# Nobody sends an alert again that is a week old.
SENT_S = 7 * 24 * 3600
_SENDING = "sending"


class Marks:
    def __init__(self, client: Redis) -> None:
        self._client = client

    def claim(self, delivery: str) -> bool:
        """Whether it is ours to send; False when another worker is at it, or it went out."""
        return bool(self._client.set(keys.sent(delivery), _SENDING, nx=True, px=CLAIM_MS))

    def release(self, delivery: str) -> None:
        self._client.delete(keys.sent(delivery))

    def mark_sent(self, delivery: str, provider_id: str) -> None:
        self._client.set(keys.sent(delivery), provider_id, ex=SENT_S)

    def provider_id(self, delivery: str) -> str | None:
        """Of what went out; None when nothing did, or not yet."""
        mark = self._client.get(keys.sent(delivery))
        return None if mark in (None, _SENDING) else str(mark)
