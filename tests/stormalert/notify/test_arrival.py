import pytest

from stormalert.model import ChannelKind, DeliveryState
from stormalert.notify.arrival import REPORTED_WITHIN_MS, told
from tests.store.records import a_delivery

SILENCE = "no report of its arrival came within 15 min"


@pytest.mark.parametrize(
    ("kind", "state", "reason", "age_ms", "said"),
    [
        (ChannelKind.WHATSAPP, DeliveryState.SENT, "", REPORTED_WITHIN_MS, SILENCE),
        (ChannelKind.WHATSAPP, DeliveryState.SENT, "with 3 others", REPORTED_WITHIN_MS, f"with 3 others; {SILENCE}"),
        (ChannelKind.WHATSAPP, DeliveryState.SENT, "", REPORTED_WITHIN_MS - 1, ""),
        (ChannelKind.WHATSAPP, DeliveryState.DELIVERED, "", REPORTED_WITHIN_MS, ""),
        # It never tells.
        (ChannelKind.TELEGRAM, DeliveryState.SENT, "", REPORTED_WITHIN_MS, ""),
    ],
)
def test_that_no_report_came_is_said_where_one_was_to_come(
    kind: ChannelKind, state: DeliveryState, reason: str, age_ms: int, said: str
) -> None:
    delivery = a_delivery(channel_kind=kind, state=state, reason=reason, updated_ms=1_000)
    assert told(delivery, 1_000 + age_ms).reason == said
