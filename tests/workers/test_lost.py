"""What Redis lost, as after a power cut, and fires anew under the same id."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stormalert.model import Channel, ChannelKind, DeliveryState, Role, User
from stormalert.units import now_ms
from tests.workers.fixtures import ADDRESSES, Sandbox
from tests.workers.test_delivery import ALERTS, DeliveryProduct

pytestmark = pytest.mark.alone


@pytest.fixture
def product(redis_url: str, sandbox: Sandbox, tmp_path: Path) -> Iterator[DeliveryProduct]:
    product = DeliveryProduct(redis_url, sandbox, tmp_path)
    product.store.save_user(User(id="user1", name="demo", password_hash="x", role=Role.ADMIN, created_ms=now_ms()))
    kind = ChannelKind.TELEGRAM
    product.store.save_channel(Channel(id="chat", user="user1", kind=kind, address=ADDRESSES[kind]))
    try:
        yield product
    finally:
        product.stop()


def test_a_firing_that_redis_lost_and_the_one_in_its_place_are_two_alerts(product: DeliveryProduct) -> None:
    product.start("dispatch")
    product.start_worker()
    epoch = now_ms()
    first = product.fire(epoch, time=str(epoch + 1))
    product.wait_for(first, DeliveryState.SENT, count=1)
    # While the entry is there, another of its id is the same one, sent again.
    product.fire(epoch, time=str(epoch + 5_000), price="1390.00")
    product.wait_until_idle()
    assert len(product.texts()) == 1
    product.redis.xtrim(ALERTS, maxlen=0, approximate=False)
    for _ in range(2):
        product.fire(epoch, time=str(epoch + 9_000), price="1399.00")
    another = f"rule1-{epoch + 9_000}"
    product.wait_for(another, DeliveryState.SENT, count=1)
    product.wait_until_idle()
    kept = [product.store.alert(alert) for alert in (first, another)]
    assert [(alert.time_ms, alert.price_e4) for alert in kept if alert] == [
        (epoch + 1, 13_845_500),
        (epoch + 9_000, 13_990_000),
    ]
    assert ["1,384.55" in text for _, text in product.texts()] == [True, False]
    assert product.log.read_text().count("redis lost an alert: its rule fired again") >= 1
