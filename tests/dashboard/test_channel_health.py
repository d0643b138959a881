from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard.channels import health
from stormalert.model import Channel, ChannelKind, Delivery, DeliveryState
from stormalert.notify.alarms import Alarm
from stormalert.store import Store, open_store
from tests.store.records import a_delivery, an_alert

MAIL = Channel(id="c", user="u", kind=ChannelKind.EMAIL, address="asha@storm.example")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store("", tmp_path / "store.sqlite3")
    yield store
    store.close()


def last(state: DeliveryState, reason: str = "") -> Delivery:
    return a_delivery("a-c", alert="a", channel="c", state=state, reason=reason)


def test_the_newest_message_of_a_channel_is_the_last_one_that_went_out_or_failed(store: Store) -> None:
    for number, state in enumerate((DeliveryState.SENT, DeliveryState.FAILED, DeliveryState.SUPPRESSED), 1):
        alert = an_alert(f"r-{number}", user="u", time_ms=number)
        delivery = a_delivery(f"r-{number}-c", alert=alert.id, user="u", channel="c", state=state)
        store.record_fired([alert], [delivery])
    assert {channel: it.state for channel, it in health.newest(store, "u").items()} == {"c": DeliveryState.FAILED}


def test_what_was_switched_off_says_why_and_what_to_do() -> None:
    off = MAIL.model_copy(update={"is_on": False, "reason": "address refused"})
    told = health.trouble(off, None, [])
    assert told == (
        "Switched off: address refused. See that the address is right and its mailbox takes mail; then switch it on again."
    )


def test_a_message_that_failed_is_told_as_long_as_it_is_the_last() -> None:
    assert "connection refused" in health.trouble(MAIL, last(DeliveryState.FAILED, "connection refused"), [])
    assert health.trouble(MAIL, last(DeliveryState.READ), []) == ""
    assert health.last_message(last(DeliveryState.READ)).startswith("Last message read ")
    assert health.last_message(None) == ""


def test_what_only_an_admin_can_mend_is_said_of_channels_of_that_kind_only() -> None:
    assert "An admin has to mend it" in health.trouble(MAIL, None, [Alarm(ChannelKind.EMAIL, "login refused", 1)])
    assert health.trouble(MAIL, None, [Alarm(ChannelKind.TELEGRAM, "token refused", 1)]) == ""
