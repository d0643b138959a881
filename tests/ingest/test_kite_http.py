"""Kite's library by our connections, against an exchange that drips."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from kiteconnect import KiteConnect
from kiteconnect.exceptions import TokenException

from ingest import kite_http
from tests.conftest import free_port
from tests.ingest.fixtures import IngestRun


@pytest.fixture
def run(redis_url: str, tmp_path: Path) -> Iterator[IngestRun]:
    run = IngestRun(tmp_path, redis_url, ("--instruments=5",))
    yield run
    run.close()


async def ask(root: str, within_s: float) -> Any:
    kite = KiteConnect("sandbox-key", "no-token", root=root, timeout=within_s)
    kite.reqsession = kite_http.session()
    try:
        return await asyncio.to_thread(kite.profile)
    finally:
        await asyncio.to_thread(kite.reqsession.close)


async def test_what_the_exchange_says_is_what_the_library_hears(run: IngestRun) -> None:
    with pytest.raises(TokenException, match="Incorrect `api_key` or `access_token`"):
        await ask(str(run.exchange.base_url), 60)


async def test_a_question_ends_in_its_time_however_the_answer_comes(run: IngestRun) -> None:
    run.exchange.post("/control/faults", json={"rest": {"drip": True}}).raise_for_status()
    with pytest.raises(requests.Timeout):
        await ask(str(run.exchange.base_url), 0.4)


async def test_an_exchange_that_is_away_is_told_without_its_address() -> None:
    with pytest.raises(requests.ConnectionError, match=r"^ConnectError$"):
        await ask(f"http://127.0.0.1:{free_port()}", 60)
