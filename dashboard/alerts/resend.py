"""Deliveries that failed, sent again because somebody asked for it."""

from collections.abc import Sequence

from redis import Redis

from stormalert.model import Delivery, DeliveryState
from stormalert.redis import keys
from stormalert.store import Store
from stormalert.units import now_ms


def resend(store: Store, client: Redis, failed: Sequence[Delivery]) -> int:
    """How many are on their way again; the others changed meanwhile, or are no news any more. Raises RedisError."""
    now = now_ms()
    wanted = [delivery for delivery in failed if delivery.is_news(now)]
    for delivery in wanted:
        # A provider may have taken it before it failed: with the mark it would count as sent. One by one: on a cluster the keys
        # lie on different nodes.
        client.delete(keys.sent(delivery.id))
    # Workers find it as they find what a crash left behind; the record says that it was asked for.
    asked = {"state": DeliveryState.QUEUED, "due_ms": now, "reason": "asked for again", "summary": ""}
    return len(wanted) - len(store.save_deliveries([delivery.moved(asked) for delivery in wanted]))
