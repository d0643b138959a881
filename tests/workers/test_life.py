"""The whole life of a WhatsApp message: dispatched, sent, and told of by Twilio's call-backs to the dashboard."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from stormalert import trial
from stormalert.model import Channel, ChannelKind, Delivery, DeliveryState
from tests.conftest import free_port
from tests.workers.rig import ADDRESSES, CONTENT_SID, Sandbox, wait_until
from tests.workers.test_delivery import Product

NUMBER = ADDRESSES[ChannelKind.WHATSAPP]


@pytest.fixture
def product(redis_url: str, sandbox: Sandbox, tmp_path: Path) -> Iterator[Product]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings = {"STORM_PORT": str(port), "STORM_PUBLIC_URL": url, "STORM_TWILIO_CONTENT_SID": CONTENT_SID}
    product = Product(redis_url, sandbox, tmp_path, settings)
    product.store.save_channel(Channel(id="whatsapp", user="user1", kind=ChannelKind.WHATSAPP, address=NUMBER))
    try:
        product.start_module("dashboard")
        product.start("dispatch")
        product.start_worker()
        wait_until(lambda: answers(f"{url}/healthz"), 30, "the dashboard's first answer")
        yield product
    finally:
        product.stop()


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.TransportError:
        return False


def delivery(product: Product, alert: str) -> Delivery:
    return product.deliveries(alert)["whatsapp"]


def test_a_message_is_read_though_reports_come_twice_and_backwards(product: Product) -> None:
    product.sandbox.faults(twilio={"unordered": True})
    alert = product.fire()
    product.wait_for(alert, DeliveryState.READ, count=1)
    (message,) = product.sandbox.outbox("whatsapp")
    assert (message["raw"]["ContentSid"], delivery(product, alert).provider_id) == (CONTENT_SID, message["sid"])


def test_a_failure_of_a_while_goes_out_again(product: Product) -> None:
    product.sandbox.faults(twilio={"errors": {NUMBER: 63018}})
    alert = product.fire()
    wait_until(lambda: product.deliveries(alert) and "63018" in delivery(product, alert).reason, 20, "the first report")
    product.sandbox.faults(twilio={"errors": {}})
    product.wait_for(alert, DeliveryState.READ, count=1, within_s=30)
    assert [message["status"] for message in product.sandbox.outbox("whatsapp")] == ["failed", "read"]
    assert delivery(product, alert).attempts == 2


def test_a_recipient_who_blocked_us_is_switched_off_with_the_reason(product: Product) -> None:
    product.sandbox.faults(twilio={"errors": {NUMBER: 63014}})
    alert = product.fire()
    product.wait_for(alert, DeliveryState.FAILED, count=1)
    channel = product.store.channel("whatsapp")
    assert channel is not None
    assert (channel.is_on, channel.reason) == (False, "blocked by the recipient: Twilio 63014")


def test_a_test_message_reaches_its_channel_and_no_other(product: Product) -> None:
    product.store.save_channel(Channel(id="mail", user="user1", kind=ChannelKind.EMAIL, address="trader@storm.example"))
    channel = product.store.channel("mail")
    assert channel is not None
    sent = trial.send(product.store, channel)
    wait_until(lambda: product.states(sent.alert) == {DeliveryState.SENT}, 20, "the test message")
    (message,) = product.sandbox.outbox()
    assert (message["channel"], trial.SYMBOL in message["text"]) == ("email", True)
