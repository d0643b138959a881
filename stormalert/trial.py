"""A test message: an alert that no rule fired, to one channel, on the way that every alert takes.

Nothing is queued here, which only the workers can: their sweeper finds what the store knows as queued and nobody works on.
"""

from stormalert import templates
from stormalert.errors import Conflict, InputError
from stormalert.model import Channel, Delivery, DeliveryState
from stormalert.store import Store
from stormalert.units import SECOND_MS, now_ms

SYMBOL = "TEST:INFY"
# One test message a channel in this time: the address may be somebody else's.
PAUSE_MS = 30 * SECOND_MS
# The sweeper takes what has not changed for some seconds for left behind; a test message is so from the start.
_LEFT_MS = 60 * SECOND_MS


def send(store: Store, channel: Channel) -> Delivery:
    """The delivery to look for. Raises InputError when the channel is off or had its test just now."""
    if not channel.is_on:
        raise InputError("Switch the channel on first.")
    time_ms = now_ms()
    turn = time_ms // PAUSE_MS
    example = templates.example(f"test_{channel.id}-{turn}", channel.user, time_ms)
    # So that nobody trades on it.
    alert = example.model_copy(update={"symbol": SYMBOL})
    store.record_alert(alert)
    delivery = Delivery(
        id=f"{alert.id}-{channel.id}",
        alert=alert.id,
        user=channel.user,
        channel=channel.id,
        channel_kind=channel.kind,
        state=DeliveryState.QUEUED,
        queued_ms=time_ms,
        updated_ms=time_ms - _LEFT_MS,
    )
    try:
        return store.save_delivery(delivery)
    except Conflict:
        raise InputError(f"A test message is on its way; the next may follow in {PAUSE_MS // SECOND_MS} seconds.") from None
