"""The whole life of a WhatsApp message: dispatched, sent, and told of by Twilio's call-backs to the dashboard."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from stormalert.channels import whatsapp
from stormalert.model import Channel, ChannelKind, Delivery, DeliveryState
from stormalert.notify import alarms
from stormalert.redis import keys
from tests.conftest import free_port
from tests.workers.fixtures import ADDRESSES, CONTENT_SID, Sandbox, wait_until
from tests.workers.test_delivery import DeliveryProduct

NUMBER = ADDRESSES[ChannelKind.WHATSAPP]
UNKNOWN_CODE = 63999


@pytest.fixture
def product(redis_url: str, sandbox: Sandbox, tmp_path: Path) -> Iterator[DeliveryProduct]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings = {"STORM_PORT": str(port), "STORM_PUBLIC_URL": url, "STORM_TWILIO_CONTENT_SID": CONTENT_SID}
    product = DeliveryProduct(redis_url, sandbox, tmp_path, settings)
    product.store.save_channel(Channel(id="whatsapp", user="user1", kind=ChannelKind.WHATSAPP, address=NUMBER))
    try:
        product.start_module("dashboard")
        product.start("dispatch")
        product.start_worker()
        wait_until(lambda: answers(f"{url}/healthz"), 90, "the dashboard's first answer")
        yield product
    finally:
        product.stop()


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=20).is_success
    except httpx.TransportError:
        return False


def delivery(product: DeliveryProduct, alert: str) -> Delivery:
    return product.deliveries(alert)["whatsapp"]


def is_on(product: DeliveryProduct, code: int) -> bool:
    channel = product.store.channel(f"c{code}")
    assert channel is not None
    return channel.is_on


def test_a_message_is_read_though_reports_come_twice_and_backwards(product: DeliveryProduct) -> None:
    product.sandbox.faults(twilio={"unordered": True})
    alert = product.fire()
    product.wait_for(alert, DeliveryState.READ, count=1)
    (message,) = product.sandbox.outbox("whatsapp")
    assert (message["raw"]["ContentSid"], delivery(product, alert).provider_id) == (CONTENT_SID, message["sid"])


def test_a_failure_of_a_while_goes_out_again(product: DeliveryProduct) -> None:
    product.sandbox.faults(twilio={"errors": {NUMBER: 63018}})
    alert = product.fire()
    wait_until(lambda: product.deliveries(alert) and "63018" in delivery(product, alert).reason, 90, "the first report")
    product.sandbox.faults(twilio={"errors": {}})
    product.wait_for(alert, DeliveryState.READ, count=1)
    assert [message["status"] for message in product.sandbox.outbox("whatsapp")] == ["failed", "read"]
    assert delivery(product, alert).attempts == 2


def test_a_recipient_who_blocked_us_is_switched_off_with_the_reason(product: DeliveryProduct) -> None:
    product.sandbox.faults(twilio={"errors": {NUMBER: 63014}})
    alert = product.fire()
    product.wait_for(alert, DeliveryState.FAILED, count=1)
    channel = product.store.channel("whatsapp")
    assert channel is not None
    assert (channel.is_on, channel.reason) == (False, "blocked by the recipient: Twilio 63014")


def test_every_code_that_comes_late_does_what_its_row_says(product: DeliveryProduct) -> None:
    """One alert to a channel for each code."""
    codes = [code for code in (*whatsapp.CHANNEL.errors, UNKNOWN_CODE) if isinstance(code, int) and code > 63000]
    numbers = {code: f"+9190000{code}" for code in codes}
    for code, number in numbers.items():
        product.store.save_channel(Channel(id=f"c{code}", user="user1", kind=ChannelKind.WHATSAPP, address=number))
    # Free text, which turns out to be too late.
    product.redis.set(keys.inbound(numbers[whatsapp.OUTSIDE_WINDOW]), 1)
    product.sandbox.faults(twilio={"errors": {number: code for code, number in numbers.items()}})
    alert = product.fire()

    def came(code: int) -> bool:
        found = product.deliveries(alert).get(f"c{code}")
        return found is not None and str(code) in found.reason

    wait_until(lambda: all(came(code) for code in codes), 90, "a report of every code")
    for code in codes:
        row, found = whatsapp.CHANNEL.meaning(code), product.deliveries(alert)[f"c{code}"]
        assert is_on(product, code) is not row.is_address_dead, code
        if row.is_address_dead or row.needs_admin:
            assert found.state is DeliveryState.FAILED, code
    ((kind, reason, _time_ms),) = alarms.alarms(product.store)
    assert kind is ChannelKind.WHATSAPP and any(
        str(code) in reason for code in codes if whatsapp.CHANNEL.meaning(code).needs_admin
    )

    def is_settled() -> bool:
        found = product.deliveries(alert)
        shown, template = found[f"c{UNKNOWN_CODE}"], found[f"c{whatsapp.OUTSIDE_WINDOW}"]
        return shown.state is DeliveryState.FAILED and template.state is DeliveryState.READ

    wait_until(is_settled, 180, "the last try of the unknown code, and the template")
    shown = product.deliveries(alert)[f"c{UNKNOWN_CODE}"]
    assert (shown.attempts, shown.reason) == (3, f"provider error: Twilio {UNKNOWN_CODE}")
