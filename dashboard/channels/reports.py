"""What Twilio reports of a message, and what that makes of its delivery. Pure."""

from stormalert.channels import whatsapp
from stormalert.model import Delivery, DeliveryState

_ORDER = (DeliveryState.SENT, DeliveryState.DELIVERED, DeliveryState.READ)
_FAILED = ("failed", "undelivered")
# A message that fails after Twilio took it goes out again, but not for ever.
MOST_ATTEMPTS = 3


def is_early(delivery: Delivery, sid: str) -> bool:
    """Whether the worker that sent the message may not have recorded it yet."""
    return delivery.state is DeliveryState.QUEUED and delivery.provider_id != sid


def after(delivery: Delivery, sid: str, status: str, code: int, *, has_template: bool, now_ms: int) -> Delivery | None:
    """The delivery after the report; None when that says nothing new: reports come in any order, and more than once.

    A failed message that may do better is queued again and keeps its id, by which later reports of it are known.
    """
    if delivery.provider_id not in ("", sid):
        return None
    # Queued with the message's own id: that it failed was reported before.
    is_open = delivery.state is DeliveryState.SENT or (delivery.state is DeliveryState.QUEUED and not delivery.provider_id)
    changes: dict[str, object] = {"provider_id": sid, "updated_ms": now_ms}
    if status in _FAILED:
        if not is_open:
            return None
        reason = whatsapp.reason_of(code, has_template=has_template)
        is_tried_again = _may_do_better(code, has_template) and delivery.attempts < MOST_ATTEMPTS
        state = DeliveryState.QUEUED if is_tried_again else DeliveryState.FAILED
        return delivery.moved(changes | {"state": state, "reason": reason})
    if status not in _ORDER or not (is_open or delivery.state.is_out):
        return None
    state = DeliveryState(status)
    if delivery.state.is_out and _ORDER.index(state) <= _ORDER.index(delivery.state):
        return None
    # How it was told stays true of one that was told with others.
    return delivery.moved(changes | {"state": state, "reason": delivery.reason if delivery.summary else ""})


def _may_do_better(code: int, has_template: bool) -> bool:
    meaning = whatsapp.CHANNEL.meaning(code)
    return meaning.is_retried or (meaning.wants_template and has_template)
