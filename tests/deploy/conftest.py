"""The whole of `make run`, whose processes sign in at Redis each as itself."""

from collections.abc import Iterator

import pytest

from stormalert.units import now_ms
from tests.e2e import accounts
from tests.e2e.product import Product, product


@pytest.fixture(scope="session")
def run(processes: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """With rules that fire again and again, and its first alerts."""
    with product(tmp_path_factory.mktemp("deploy")) as started:
        started.start("run")
        started.wait_for("Ctrl-C stops everything")
        accounts.add_rules(started, "brisk", now_ms(), cooldown_ms=20_000)
        started.wait_until(lambda: accounts.stream_alerts(started), 240, "no alert")
        yield started
