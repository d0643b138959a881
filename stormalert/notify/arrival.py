"""What is known of a message that its provider has taken, where the provider reports of it: perhaps nothing more. Pure."""

from stormalert import channels, words
from stormalert.model import Delivery, DeliveryState
from stormalert.units import MINUTE_MS

# A report comes within seconds, unless the phone is off; without call-backs none ever does.
REPORTED_WITHIN_MS = 15 * MINUTE_MS


def told(it: Delivery, now_ms: int) -> Delivery:
    """The delivery as its record reads now: its reason says, too, that its provider did not report in time."""
    is_reported = DeliveryState.DELIVERED in channels.of(it.channel_kind).reports
    if it.state is not DeliveryState.SENT or not is_reported or now_ms - it.updated_ms < REPORTED_WITHIN_MS:
        return it
    silence = f"no report of its arrival came within {words.duration(REPORTED_WITHIN_MS)}"
    return it.model_copy(update={"reason": f"{it.reason}; {silence}" if it.reason else silence})
