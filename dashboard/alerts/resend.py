"""Deliveries that failed, sent again because somebody asked for it."""

from collections.abc import Sequence

from stormalert.model import Delivery, DeliveryState
from stormalert.store import Store
from stormalert.units import now_ms


def resend(store: Store, failed: Sequence[Delivery]) -> int:
    """How many are on their way again; the others changed meanwhile."""
    # Workers find it as they find what a crash left behind; the record says that it was asked for.
    asked = {"state": DeliveryState.QUEUED, "due_ms": now_ms(), "reason": "asked for again", "summary": ""}
    wanted = [delivery.moved(asked) for delivery in failed]
    return len(wanted) - len(store.save_deliveries(wanted))
