"""Every way in which the feed is known to fail, one after another, against one `python -m ingest` that is never restarted.

The limits are what the product promises, with room for a busy machine.
"""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.ingest.desk import INFY, NIFTY, TICKS, Desk, Valkey, until

LOOPBACK = "127.0.0.1"


@pytest.fixture(scope="module")
def valkey(processes: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    server = Valkey(tmp_path_factory.mktemp("faults") / "valkey")
    yield server
    server.kill()


@pytest.fixture(scope="module")
def shared_desk(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    desk = Desk(tmp_path_factory.mktemp("desk"), valkey.url, ("--instruments=20", "--tick-rate=200"))
    desk.store.save_watchlist("u", [INFY, NIFTY, 2953217, 738561])
    desk.start_ingest()
    desk.log_in()
    desk.until_ticks_flow()
    assert desk.ingest
    pid = desk.ingest.pid
    yield desk
    try:
        # Through all of it one process, and no tick from a cached packet (those are older than the process) or a zero price.
        assert (desk.ingest.pid, desk.ingest.poll()) == (pid, None)
        ticks = desk.ticks_after("0-0")
        assert len(ticks) > 500
        assert min(int(tick["time"]) for tick in ticks) >= desk.started_ms - 3_000
        assert min(float(tick["price"]) for tick in ticks) > 0
        assert "Traceback" not in desk.log.read_text()
    finally:
        desk.close()


@pytest.fixture
def desk(shared_desk: Desk) -> Iterator[Desk]:
    """Streaming and without faults, before and after."""
    shared_desk.until_state("streaming")
    yield shared_desk
    shared_desk.exchange.request("DELETE", "/control/faults").raise_for_status()
    shared_desk.until_state("streaming")
    shared_desk.until_ticks_flow()


def new_gaps(desk: Desk, known: int) -> list[dict[str, str]]:
    return desk.gaps()[known:]


def test_a_mute_socket_is_found_within_six_seconds_and_marked(desk: Desk) -> None:
    known = len(desk.gaps())
    muted_s = time.monotonic()
    desk.fault(mute=True)
    until(lambda: desk.state() == "stale", "the mute socket being found", 6 + 14)
    found_after_s = time.monotonic() - muted_s
    assert found_after_s > 4
    until(lambda: new_gaps(desk, known), "the gap")
    (gap,) = new_gaps(desk, known)
    assert gap["reason"] == "mute: no frame for 5 s"
    assert 4_900 < int(gap["to"]) - int(gap["from"]) < 19_000
    desk.fault(mute=False)
    desk.until_state("streaming")
    until(lambda: len(new_gaps(desk, known)) == 2, "the rest of the gap")
    assert new_gaps(desk, known)[1]["from"] == gap["to"]


def test_instruments_without_trades_are_no_mute_socket(desk: Desk) -> None:
    known, handshakes, ticks = len(desk.gaps()), desk.control("handshakes"), desk.count("ticks")
    desk.fault(gap=True)
    until(lambda: desk.count("ticks") == desk.count("ticks") != ticks, "ticks that stand still")
    quiet_ms = desk.count("frame_ms")
    until(lambda: desk.count("frame_ms") > quiet_ms + 7_000, "7 s of heartbeats")
    assert (desk.state(), desk.gaps()[known:], desk.control("handshakes")) == ("streaming", [], handshakes)


@pytest.mark.parametrize(
    ("lever", "reason"), [("drop", r"peer dropped the TCP connection.*\(1006\)"), ("close", r"closed by Kite \(1000\)")]
)
def test_a_connection_that_ends_is_made_again_and_marked(desk: Desk, lever: str, reason: str) -> None:
    known = len(desk.gaps())
    desk.pull(lever)
    until(lambda: new_gaps(desk, known), "the gap")
    (gap,) = new_gaps(desk, known)
    assert re.search(reason, gap["reason"])
    assert int(gap["from"]) < int(gap["to"])


def test_refused_handshakes_are_not_hammered_and_a_login_mends_them(desk: Desk) -> None:
    known = len(desk.gaps())
    desk.fault(refuse=True)
    handshakes = int(str(desk.control("handshakes")))
    desk.pull("drop")
    desk.until_state("login_needed")
    assert desk.fact("reason") == "Kite refused the access token: log in again"
    logged = desk.log.read_text().count("feed login needed")
    since_ms = desk.count("since_ms")
    until(lambda: time.time() * 1_000 > since_ms + 5_000, "five seconds")
    assert int(str(desk.control("handshakes"))) == handshakes + 1
    assert desk.log.read_text().count("feed login needed") == logged
    # Kite's REST interface is away when the login comes: it is tried again.
    desk.pull("faults", stream={"refuse": False}, rest={"unavailable": 1.0})
    desk.log_in()
    until(lambda: "kite not reached for the login" in desk.log.read_text(), "the first try")
    desk.pull("faults", rest={"unavailable": 0.0})
    desk.until_ticks_flow()
    until(lambda: new_gaps(desk, known), "the gap")


def test_a_slow_redis_delays_ticks_and_loses_none(desk: Desk) -> None:
    before = desk.last_tick()
    desk.redis.client_pause(3_000, all=True)
    # While nothing gets through.
    desk.pull("print", symbol="INFY", price=1_602.35)
    until(lambda: 1_602.35 in desk.prices_after(before), "the price of the pause")


def test_redis_away_for_some_seconds_costs_no_tick(desk: Desk, valkey: Valkey) -> None:
    before, known = desk.last_tick(), len(desk.gaps())
    valkey.kill()
    desk.pull("print", symbol="INFY", price=1_603.45)
    # A connection that is lost meanwhile is marked when Redis is back.
    desk.pull("drop")
    until(lambda: "redis lost" in desk.log.read_text(), "the loss being noticed")
    until(lambda: desk.exchange.get("/control").json()["clients"], "the connection being made again")
    noticed_s = time.monotonic()
    until(lambda: time.monotonic() > noticed_s + 2, "two seconds")
    valkey.start()
    until(lambda: 1_603.45 in desk.prices_after(before), "the price of the outage")
    until(lambda: any("peer dropped" in gap["reason"] for gap in new_gaps(desk, known)), "the gap")


def test_a_packet_that_comes_twice_is_one_tick(desk: Desk) -> None:
    before, repeats = desk.last_tick(), desk.count("refused_repeat")
    desk.fault(duplicates=1.0)
    desk.pull("print", symbol="INFY", price=1_604.55)
    until(lambda: desk.count("refused_repeat") > repeats + 20, "repeats")
    assert desk.prices_after(before).count(1_604.55) == 1


def test_times_out_of_order_stop_nothing(desk: Desk) -> None:
    before = desk.last_tick()
    desk.fault(out_of_order=0.5)
    until(lambda: len(desk.ticks_after(before)) > 50, "ticks")


def test_a_zero_price_is_refused_and_counted(desk: Desk) -> None:
    refused = desk.count("refused_price")
    desk.fault(zero_price=0.5)
    until(lambda: desk.count("refused_price") > refused + 20, "zero prices")


def test_a_spike_of_one_print_is_no_tick(desk: Desk) -> None:
    before, jumps = desk.last_tick(), desk.count("refused_jump")
    desk.pull("print", symbol="INFY", price=2_900.05)
    until(lambda: desk.count("refused_jump") > jumps, "the jump")
    until(lambda: len(desk.prices_after(before)) > 30, "what follows")
    assert 2_900.05 not in desk.prices_after(before)


def test_a_trickle_is_followed_and_no_mute_socket(desk: Desk) -> None:
    known, handshakes = len(desk.gaps()), desk.control("handshakes")
    desk.fault(trickle_s=1.5)
    before = desk.last_tick()
    until(lambda: len(desk.ticks_after(before)) >= 2, "a trickle of ticks")
    assert (new_gaps(desk, known), desk.control("handshakes")) == ([], handshakes)


def test_times_in_the_stream_are_those_of_the_exchange(desk: Desk) -> None:
    newest = desk.redis.xrevrange(TICKS, count=20)
    assert all(int(fields["time"]) % 1_000 == 0 for _, fields in newest)


@pytest.fixture
def own_desk(redis_url: str, tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    desks: list[Desk] = []

    def opened(**settings: str) -> Desk:
        desk = Desk(tmp_path, redis_url, ("--instruments=20", "--tick-rate=100"))
        desks.append(desk)
        desk.store.save_watchlist("u", [INFY, NIFTY])
        desk.log_in()
        return desk

    yield opened
    for desk in desks:
        desk.close()


def test_tls_that_fails_is_tried_again_until_it_works(own_desk: Callable[..., Desk]) -> None:
    desk = own_desk()
    desk.fault(tls_error=True)
    desk.start_ingest(STORM_KITE_WS_ROOT=f"wss://{LOOPBACK}:{desk.tls_port}")
    until(lambda: desk.state() == "connecting" and desk.fact("reason"), "the error in words")
    desk.fault(tls_error=False)
    desk.until_ticks_flow()
    desk.until_state("streaming")
    desk.fault(tls_error=True)
    desk.pull("drop")
    until(lambda: desk.state() == "connecting", "the loss")
    desk.fault(tls_error=False)
    desk.until_ticks_flow()


@pytest.mark.parametrize(("scheme", "port"), [("wss", "ws_port"), ("ws", "tls_port")])
def test_tls_where_there_is_none_and_the_reverse_is_told_and_tried_on(
    own_desk: Callable[..., Desk], scheme: str, port: str
) -> None:
    desk = own_desk()
    desk.start_ingest(STORM_KITE_WS_ROOT=f"{scheme}://{LOOPBACK}:{getattr(desk, port)}")
    until(lambda: desk.state() == "connecting" and desk.fact("reason"), "the error in words")
    assert desk.ingest and desk.ingest.poll() is None
    assert "Traceback" not in desk.log.read_text()
