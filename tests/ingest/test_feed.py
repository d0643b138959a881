import logging
from collections.abc import Iterator

import pytest

import ingest.feed
from ingest.feed import Feed, FeedState, Link
from ingest.gaps import Gap
from tests.clock import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock[int]]:
    clock = Clock(1_000_000)
    monkeypatch.setattr(ingest.feed, "now_ms", clock)
    yield clock


def link(feed: Feed, gaps: list[Gap], instruments: int = 2) -> Link:
    made = Link(feed, gaps.append)
    made.instruments = instruments
    return made


def test_a_lost_connection_is_a_gap_from_its_last_frame_to_the_next_ones_first(clock: Clock[int]) -> None:
    gaps: list[Gap] = []
    line = link(Feed(), gaps)
    line.note_frame()
    assert gaps == []
    clock.now = 1_001_000
    line.note_frame()
    clock.now = 1_004_000
    line.note_lost("dropped (1006)")
    clock.now = 1_005_000
    line.note_lost("refused")
    assert gaps == []
    clock.now = 1_006_000
    line.note_frame()
    assert gaps == [Gap(1_001_000, 1_006_000, "dropped (1006)", 0)]
    line.note_frame()
    assert len(gaps) == 1


def test_a_machine_that_slept_is_a_gap_and_a_clock_that_was_set_is_none(
    clock: Clock[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    up_s = Clock(50.0)
    monkeypatch.setattr(ingest.feed, "uptime", up_s)
    gaps: list[Gap] = []
    line = link(Feed(), gaps)
    line.note_frame()
    clock.now += 3_600_000
    up_s.now += 1.0
    line.note_frame()
    assert gaps == []
    clock.now += 300_000
    up_s.now += 300.0
    line.note_frame()
    assert gaps == [Gap(4_600_000, 4_900_000, "this machine or ingest stood still", 0)]


def test_without_instruments_nothing_is_lost(clock: Clock[int]) -> None:
    gaps: list[Gap] = []
    line = link(Feed(), gaps, instruments=0)
    line.note_frame()
    line.note_lost("dropped")
    line.note_frame()
    assert gaps == []


def test_a_mute_socket_is_marked_when_it_is_found_and_until_frames_come_again(clock: Clock[int]) -> None:
    gaps: list[Gap] = []
    feed = Feed()
    line = link(feed, gaps)
    line.note_frame()
    clock.now += 5_200
    line.note_mute("mute")
    line.note_lost("mute")
    assert (feed.state, gaps) == (FeedState.STALE, [Gap(1_000_000, 1_005_200, "mute", 0)])
    # Nor does the next connection say anything: it is one outage.
    clock.now += 6_000
    line.note_mute("mute")
    assert (feed.state, len(gaps)) == (FeedState.STALE, 1)
    clock.now += 1_000
    line.note_frame()
    assert gaps[1:] == [Gap(1_005_200, 1_012_200, "mute", 0)]
    assert feed.state is FeedState.STREAMING


def test_what_an_earlier_process_left_off_at_is_a_gap(clock: Clock[int]) -> None:
    gaps: list[Gap] = []
    line = link(Feed(), gaps)
    line.resume(900_000, "ingest was not running")
    line.note_lost("refused")
    line.note_frame()
    assert gaps == [Gap(900_000, 1_000_000, "ingest was not running", 0)]


def test_the_feed_is_as_well_as_its_worst_socket() -> None:
    feed = Feed()
    assert feed.state is FeedState.STARTING
    first, second = link(feed, []), link(feed, [])
    first.note_frame()
    assert feed.state is FeedState.CONNECTING
    second.note_frame()
    assert feed.state is FeedState.STREAMING
    second.note_lost("dropped")
    assert (feed.state, feed.reason) == (FeedState.CONNECTING, "socket 2 of 2: dropped")
    second.close()
    assert (feed.state, feed.reason) == (FeedState.STREAMING, "")


def test_a_login_is_needed_although_an_open_socket_streams_on(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    feed = Feed()
    line = link(feed, [])
    line.note_frame()
    for _ in range(3):
        feed.need_login("the token is dead")
        line.note_frame()
    assert (feed.state, feed.reason) == (FeedState.LOGIN_NEEDED, "the token is dead")
    assert caplog.text.count("feed login needed") == 1
    feed.note_login()
    assert feed.state is FeedState.STREAMING


def test_a_trouble_is_logged_when_it_begins_and_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    feed = Feed()
    for sentence in ("", "the store is away", "the store is away", ""):
        feed.note_trouble("store", sentence)
    assert [record.message for record in caplog.records] == ["the store is away", "over: the store is away"]
    assert feed.troubles == {}
