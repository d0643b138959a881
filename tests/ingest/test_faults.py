"""Every way in which the feed is known to fail, one after another, against one `python -m ingest` that is never restarted.

The limits are what the product promises, with room for a busy machine.
"""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.ingest.fixtures import INFY, NIFTY, TICKS, IngestRun, Valkey, until

LOOPBACK = "127.0.0.1"


@pytest.fixture(scope="module")
def valkey(processes: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    server = Valkey(tmp_path_factory.mktemp("faults") / "valkey")
    yield server
    server.kill()


@pytest.fixture(scope="module")
def shared_desk(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[IngestRun]:
    run = IngestRun(tmp_path_factory.mktemp("run"), valkey.url, ("--instruments=20", "--tick-rate=200"))
    run.store.save_watchlist("u", [INFY, NIFTY, 2953217, 738561])
    run.start_ingest()
    run.log_in()
    run.until_ticks_flow()
    assert run.ingest
    pid = run.ingest.pid
    yield run
    try:
        # Through all of it one process, and no tick from a cached packet (those are older than the process) or a zero price.
        assert (run.ingest.pid, run.ingest.poll()) == (pid, None)
        ticks = run.ticks_after("0-0")
        assert len(ticks) > 50
        assert min(int(tick["time"]) for tick in ticks) >= run.started_ms - 3_000
        assert min(float(tick["price"]) for tick in ticks) > 0
        # In a market that is always open no holiday matters, whatever the date.
        assert "holidays" not in run.fact("troubles")
        assert "Traceback" not in run.log.read_text()
    finally:
        run.close()


@pytest.fixture
def run(shared_desk: IngestRun) -> Iterator[IngestRun]:
    """Streaming and without faults, before and after."""
    shared_desk.until_state("streaming")
    yield shared_desk
    shared_desk.exchange.request("DELETE", "/control/faults").raise_for_status()
    shared_desk.until_state("streaming")
    shared_desk.until_ticks_flow()


def new_gaps(run: IngestRun, known: int) -> list[dict[str, str]]:
    return run.gaps()[known:]


def test_a_mute_socket_is_found_within_six_seconds_and_marked(run: IngestRun) -> None:
    known = len(run.gaps())
    muted_s = time.monotonic()
    run.fault(mute=True)
    until(lambda: run.state() == "stale", "the mute socket being found", 6 + 14)
    found_after_s = time.monotonic() - muted_s
    assert found_after_s > 4
    until(lambda: new_gaps(run, known), "the gap")
    (gap,) = new_gaps(run, known)
    assert gap["reason"] == "mute: no frame for 5 s"
    assert 4_900 < int(gap["to"]) - int(gap["from"]) < 19_000
    run.fault(mute=False)
    run.until_state("streaming")
    until(lambda: len(new_gaps(run, known)) == 2, "the rest of the gap")
    assert new_gaps(run, known)[1]["from"] == gap["to"]


def test_instruments_without_trades_are_no_mute_socket(run: IngestRun) -> None:
    known, handshakes, ticks = len(run.gaps()), run.control("handshakes"), run.count("ticks")
    run.fault(gap=True)
    until(lambda: run.count("ticks") == run.count("ticks") != ticks, "ticks that stand still")
    quiet_ms = run.count("frame_ms")
    until(lambda: run.count("frame_ms") > quiet_ms + 7_000, "7 s of heartbeats")
    assert (run.state(), run.gaps()[known:], run.control("handshakes")) == ("streaming", [], handshakes)


@pytest.mark.parametrize(
    ("lever", "reason"), [("drop", r"peer dropped the TCP connection.*\(1006\)"), ("close", r"closed by Kite \(1000\)")]
)
def test_a_connection_that_ends_is_made_again_and_marked(run: IngestRun, lever: str, reason: str) -> None:
    known = len(run.gaps())
    run.pull(lever)
    until(lambda: new_gaps(run, known), "the gap")
    (gap,) = new_gaps(run, known)
    assert re.search(reason, gap["reason"])
    assert int(gap["from"]) < int(gap["to"])


def test_refused_handshakes_are_not_hammered_and_a_login_mends_them(run: IngestRun) -> None:
    known = len(run.gaps())
    run.fault(refuse=True)
    handshakes = int(str(run.control("handshakes")))
    run.pull("drop")
    run.until_state("login_needed")
    assert run.fact("reason") == "Kite refused the access token: log in again"
    logged = run.log.read_text().count("feed login needed")
    since_ms = run.count("since_ms")
    until(lambda: time.time() * 1_000 > since_ms + 5_000, "five seconds")
    assert int(str(run.control("handshakes"))) == handshakes + 1
    assert run.log.read_text().count("feed login needed") == logged
    # Kite's REST interface is away when the login comes: it is tried again.
    run.pull("faults", stream={"refuse": False}, rest={"unavailable": 1.0})
    run.log_in()
    until(lambda: "kite not reached for the login" in run.log.read_text(), "the first try")
    run.pull("faults", rest={"unavailable": 0.0})
    run.until_ticks_flow()
    until(lambda: new_gaps(run, known), "the gap")


def test_a_slow_redis_delays_ticks_and_loses_none(run: IngestRun) -> None:
    before = run.last_tick()
    run.redis.client_pause(3_000, all=True)
    # While nothing gets through.
    run.pull("print", symbol="INFY", price=1_602.35)
    until(lambda: 1_602.35 in run.prices_after(before), "the price of the pause")


def test_redis_away_for_some_seconds_costs_no_tick(run: IngestRun, valkey: Valkey) -> None:
    before, known = run.last_tick(), len(run.gaps())
    valkey.kill()
    run.pull("print", symbol="INFY", price=1_603.45)
    # A connection that is lost meanwhile is marked when Redis is back.
    run.pull("drop")
    until(lambda: "redis lost" in run.log.read_text(), "the loss being noticed")
    until(lambda: run.exchange.get("/control").json()["clients"], "the connection being made again")
    noticed_s = time.monotonic()
    until(lambda: time.monotonic() > noticed_s + 2, "two seconds")
    valkey.start()
    until(lambda: 1_603.45 in run.prices_after(before), "the price of the outage")
    until(lambda: any("peer dropped" in gap["reason"] for gap in new_gaps(run, known)), "the gap")


def test_a_packet_that_comes_twice_is_one_tick(run: IngestRun) -> None:
    before, repeats = run.last_tick(), run.count("refused_repeat")
    run.fault(duplicates=1.0)
    run.pull("print", symbol="INFY", price=1_604.55)
    until(lambda: run.count("refused_repeat") > repeats + 20, "repeats")
    assert run.prices_after(before).count(1_604.55) == 1


def test_times_out_of_order_stop_nothing(run: IngestRun) -> None:
    before = run.last_tick()
    run.fault(out_of_order=0.5)
    until(lambda: len(run.ticks_after(before)) > 50, "ticks")


def test_a_zero_price_is_refused_and_counted(run: IngestRun) -> None:
    refused = run.count("refused_price")
    run.fault(zero_price=0.5)
    until(lambda: run.count("refused_price") > refused + 20, "zero prices")


def test_a_spike_of_one_print_is_no_tick(run: IngestRun) -> None:
    before, jumps = run.last_tick(), run.count("refused_jump")
    run.pull("print", symbol="INFY", price=2_900.05)
    until(lambda: run.count("refused_jump") > jumps, "the jump")
    until(lambda: len(run.prices_after(before)) > 30, "what follows")
    assert 2_900.05 not in run.prices_after(before)


def test_a_trickle_is_followed_and_no_mute_socket(run: IngestRun) -> None:
    known, handshakes = len(run.gaps()), run.control("handshakes")
    run.fault(trickle_s=1.5)
    before = run.last_tick()
    until(lambda: len(run.ticks_after(before)) >= 2, "a trickle of ticks")
    assert (new_gaps(run, known), run.control("handshakes")) == ([], handshakes)


def test_times_in_the_stream_are_those_of_the_exchange(run: IngestRun) -> None:
    newest = run.redis.xrevrange(TICKS, count=20)
    assert all(int(fields["time"]) % 1_000 == 0 for _, fields in newest)


@pytest.fixture
def own_desk(redis_url: str, tmp_path: Path) -> Iterator[Callable[..., IngestRun]]:
    desks: list[IngestRun] = []

    def opened(**settings: str) -> IngestRun:
        run = IngestRun(tmp_path, redis_url, ("--instruments=20", "--tick-rate=100"))
        desks.append(run)
        run.store.save_watchlist("u", [INFY, NIFTY])
        run.log_in()
        return run

    yield opened
    for run in desks:
        run.close()


def test_tls_that_fails_is_tried_again_until_it_works(own_desk: Callable[..., IngestRun]) -> None:
    run = own_desk()
    run.fault(tls_error=True)
    run.start_ingest(STORM_KITE_WS_ROOT=f"wss://{LOOPBACK}:{run.tls_port}")
    until(lambda: run.state() == "connecting" and run.fact("reason"), "the error in words")
    run.fault(tls_error=False)
    run.until_ticks_flow()
    run.until_state("streaming")
    run.fault(tls_error=True)
    run.pull("drop")
    until(lambda: run.state() == "connecting", "the loss")
    run.fault(tls_error=False)
    run.until_ticks_flow()


@pytest.mark.parametrize(("scheme", "port"), [("wss", "ws_port"), ("ws", "tls_port")])
def test_tls_where_there_is_none_and_the_reverse_is_told_and_tried_on(
    own_desk: Callable[..., IngestRun], scheme: str, port: str
) -> None:
    run = own_desk()
    run.start_ingest(STORM_KITE_WS_ROOT=f"{scheme}://{LOOPBACK}:{getattr(run, port)}")
    until(lambda: run.state() == "connecting" and run.fact("reason"), "the error in words")
    assert run.ingest and run.ingest.poll() is None
    assert "Traceback" not in run.log.read_text()
