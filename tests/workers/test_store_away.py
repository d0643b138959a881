"""A store that fails for three seconds while messages are in hand: nothing is lost, no hand stays full, no process ends."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stormalert.model import Channel, ChannelKind, DeliveryState, Role, User
from stormalert.units import now_ms
from tests.store.away import away
from tests.workers.fixtures import ADDRESSES, Sandbox, wait_until
from tests.workers.test_delivery import DeliveryProduct
from workers.queues import open_queue

AWAY_S = 3.0
ALERTS = 120

pytestmark = pytest.mark.alone


@pytest.fixture
def product(redis_url: str, sandbox: Sandbox, tmp_path: Path) -> Iterator[DeliveryProduct]:
    """With one channel."""
    product = DeliveryProduct(redis_url, sandbox, tmp_path, {"STORM_ALERTS_PER_HOUR": str(2 * ALERTS)})
    product.store.save_user(User(id="user1", name="demo", password_hash="x", role=Role.ADMIN, created_ms=now_ms()))
    kind = ChannelKind.TELEGRAM
    product.store.save_channel(Channel(id="chat", user="user1", kind=kind, address=ADDRESSES[kind]))
    try:
        yield product
    finally:
        product.stop()


def states(product: DeliveryProduct, alerts: list[str]) -> list[set[DeliveryState]]:
    return [product.states(alert) for alert in alerts]


@pytest.mark.parametrize("is_before_dispatch", [True, False])
def test_what_was_in_hand_comes_to_its_end(product: DeliveryProduct, tmp_path: Path, is_before_dispatch: bool) -> None:
    queue = open_queue(product.raw)
    # Neither taken nor answered: they stay in the worker's hands.
    product.sandbox.faults(telegram={"time_out": 1.0})
    processes = [product.start("dispatch"), product.start_worker()]
    alerts = [product.fire(number) for number in range(ALERTS if not is_before_dispatch else 1)]
    wait_until(lambda: queue.started_job_registry.get_job_count(cleanup=False), 90, "the first message in hand")
    with away(tmp_path / "store.sqlite3", "deliveries", "channels", "alerts", "users"):
        if is_before_dispatch:
            alerts += [product.fire(number) for number in range(1, ALERTS)]
        product.sandbox.faults(telegram={"time_out": 0.0})
        time.sleep(AWAY_S)
        assert [process.poll() for process in processes] == [None, None]
    wait_until(lambda: states(product, alerts) == [{DeliveryState.SENT}] * ALERTS, 120, "every message")
    wait_until(lambda: not queue.started_job_registry.get_job_count(cleanup=False), 60, "empty hands")
    assert [process.poll() for process in processes] == [None, None]
    assert len(product.sandbox.outbox("telegram")) >= ALERTS
