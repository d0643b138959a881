"""Candles of the past, asked for by the dashboard and fetched by `python -m ingest` from the sandbox's exchange."""

import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from dashboard import resources
from dashboard.chart import candles
from stormalert.errors import InputError
from stormalert.market.bars import Bar
from stormalert.market.candles import SPAN_MAX_MS
from stormalert.process import connect_in_thread
from stormalert.redis import keys
from stormalert.units import DAY_MS, MINUTE_MS
from tests.ingest.fixtures import IngestRun, until

# Three minutes on one day and one 65 days later, as the exchange labels them: by their end.
RECORDING = """INFY,20220601,09:16,1500.00,1503.50,1499.05,1502.00,0,0
INFY,20220601,09:17,1502.00,1502.00,1480.00,1481.95,0,0
INFY,20220601,09:18,1481.95,1490.00,1481.95,1490.00,0,0
INFY,20220805,09:16,1600.00,1600.00,1600.00,1600.00,0,0
"""
FIRST_MS = 1_654_055_100_000
BARS = [
    Bar(FIRST_MS, 15_000_000, 15_035_000, 14_990_500, 15_020_000),
    Bar(FIRST_MS + MINUTE_MS, 15_020_000, 15_020_000, 14_800_000, 14_819_500),
    Bar(FIRST_MS + 2 * MINUTE_MS, 14_819_500, 14_900_000, 14_819_500, 14_900_000),
    Bar(FIRST_MS + 65 * DAY_MS, 16_000_000, 16_000_000, 16_000_000, 16_000_000),
]


@pytest.fixture
def run(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[IngestRun]:
    recording = tmp_path / "recording.csv"
    recording.write_text(RECORDING)
    run = IngestRun(tmp_path, redis_url, (f"--play={recording}", "--speed=0", "--play-delay=0", "--instruments=5"))
    client = connect_in_thread(redis_url)
    monkeypatch.setattr(resources, "thread_redis", lambda: client)
    yield run
    client.close()
    run.close()


def infy(run: IngestRun) -> int:
    until(lambda: run.store.instrument_by_symbol("NSE:INFY"), "the instruments in the store")
    found = run.store.instrument_by_symbol("NSE:INFY")
    assert found
    return found.token


def reason(token: int) -> str:
    with pytest.raises(InputError) as caught:
        candles.candles(token, FIRST_MS, FIRST_MS + DAY_MS)
    return str(caught.value)


def test_candles_come_through_ingest_and_what_is_in_the_way_is_said_in_words(run: IngestRun) -> None:
    assert reason(408065).startswith("Ingest is not running")
    run.start_ingest()
    run.until_state("login_needed")
    assert reason(408065) == "Kite gives candles only after a login, and nobody is logged in: an admin logs in under Admin"
    run.log_in()
    token = infy(run)
    # The sandbox has candles of what it played, and it plays to whoever watches.
    run.store.save_watchlist("u", [token])
    until(lambda: run.exchange.get("/control").json()["playback"]["position"] == 16, "the end of the recording")

    # More than Kite gives at once, and each minute once.
    assert candles.candles(token, FIRST_MS, FIRST_MS + 70 * DAY_MS) == BARS
    assert candles.candles(token, FIRST_MS + MINUTE_MS, FIRST_MS + 2 * MINUTE_MS) == BARS[1:3]
    # The sandbox, as Kite, refuses the fourth request of a second.
    for _ in range(8):
        assert candles.candles(token, FIRST_MS, FIRST_MS) == BARS[:1]
    assert reason(77) == "Kite gives no candles of this: invalid token"
    run.pull("faults", rest={"unavailable": 1})
    assert reason(token) == "Kite cannot give candles now (Kite is unavailable. Please try again.); try again in a minute"
    run.exchange.request("DELETE", "/control/faults").raise_for_status()

    # Neither requests nor answers stay behind.
    assert not run.redis.exists(keys.CANDLES_ASKED)
    assert list(run.redis.scan_iter(keys.candles.glob())) == []

    run.pull("kill-tokens")
    until(lambda: "only after a login" in reason(token), "the refusal of a dead token")
    run.kill_ingest()
    run.redis.delete(keys.BEATS)
    assert reason(token).startswith("Ingest is not running")


def test_a_request_that_nobody_takes_is_given_up(run: IngestRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stormalert.market.candles.ANSWER_WITHIN_S", 1)
    run.redis.zadd(keys.BEATS, {keys.alive("ingest", "host", 1): time.time_ns() // 1_000_000})
    assert reason(408065) == "Kite's candles did not come within 1 s; try again, or choose fewer days."


def test_a_long_span_is_cut_where_no_minute_is_lost_or_doubled() -> None:
    found = list(candles.parts(0, 150 * DAY_MS))
    assert found[0][0] == 0 and found[-1][1] == 150 * DAY_MS
    assert all(after[0] - before[1] == MINUTE_MS for before, after in pairwise(found))
    assert all(to_ms - from_ms <= SPAN_MAX_MS for from_ms, to_ms in found)
    assert list(candles.parts(5, 4)) == []
