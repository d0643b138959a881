from collections.abc import Iterable

import pytest

from ingest.admit import Admission, Refusal
from ingest.decode import Packet, Row
from stormalert.model import Tick

INFY = 408065
NOW_MS = 1_700_000_000_000


def packet(
    rupees: float, second: int = 0, *, high: float = 0, low: float = 0, volume: int = 0, sent: int = 0, traded: int = 0
) -> Row:
    """`sent` and `traded` are seconds after the other one; below 0 there is no such time."""
    time_s = NOW_MS // 1_000 + second
    return Packet(
        token=INFY,
        last=round(rupees * 100),
        high=round(high * 100),
        low=round(low * 100),
        close=10_000,
        volume=volume,
        sent_s=time_s + sent if sent >= 0 else 0,
        traded_s=time_s + traded if traded >= 0 else 0,
    )


def admission(*, is_open: bool = True) -> Admission:
    return Admission(guard_percent=20, is_open=lambda token, time_ms: is_open)


def prices(ticks: Iterable[Tick]) -> list[tuple[float, str]]:
    return [(tick.price_e4 / 10_000, tick.via) for tick in ticks]


def test_a_print_becomes_a_tick_with_the_exchanges_time() -> None:
    assert admission().admit(packet(101, 5), NOW_MS) == (Tick(INFY, 1_010_000, NOW_MS + 5_000),)


def test_a_packet_without_a_time_gets_the_time_it_was_received() -> None:
    (tick,) = admission().admit(packet(101, sent=-1, traded=-1), NOW_MS + 77)
    assert tick.time_ms == NOW_MS + 77


def test_a_price_of_zero_is_refused_first() -> None:
    gate = admission(is_open=False)
    assert gate.admit(packet(0), NOW_MS) == ()
    assert gate.refused == {Refusal.PRICE: 1}


def test_outside_of_the_session_nothing_is_admitted() -> None:
    gate = admission(is_open=False)
    assert gate.admit(packet(101), NOW_MS) == ()
    assert gate.refused == {Refusal.CLOSED: 1}


def test_a_subscriptions_first_answer_has_no_time_and_is_refused_with_the_cached_packet_after_it() -> None:
    gate = admission()
    gate.note_subscribed(INFY, NOW_MS)
    timeless = packet(101, sent=-1, traded=-1)
    assert gate.admit(timeless, NOW_MS) == ()
    assert gate.admit(packet(101, -60), NOW_MS) == ()
    assert gate.refused == {Refusal.CACHED: 2}
    assert prices(gate.admit(packet(102, 1), NOW_MS + 1_000)) == [(102, "")]


def test_the_cached_packet_of_a_subscription_is_refused_and_the_next_one_is_not() -> None:
    gate = admission()
    gate.note_subscribed(INFY, NOW_MS)
    assert gate.admit(packet(101, -60), NOW_MS) == ()
    assert gate.refused == {Refusal.CACHED: 1}
    assert prices(gate.admit(packet(102, 1), NOW_MS)) == [(102, "")]


def test_a_fresh_first_packet_is_no_cached_one() -> None:
    gate = admission()
    gate.note_subscribed(INFY, NOW_MS)
    assert prices(gate.admit(packet(101, 0), NOW_MS)) == [(101, "")]


def test_the_same_print_sent_again_is_a_repeat_although_the_book_moved() -> None:
    gate = admission()
    gate.admit(packet(101, 1, volume=5), NOW_MS)
    assert gate.admit(packet(101, 1, volume=5, sent=8), NOW_MS) == ()
    assert gate.refused == {Refusal.REPEAT: 1}


@pytest.mark.parametrize("again", [packet(101, 2, volume=5), packet(101, 1, volume=6), packet(101.05, 1, volume=5)])
def test_a_new_trade_is_no_repeat(again: Row) -> None:
    gate = admission()
    gate.admit(packet(101, 1, volume=5), NOW_MS)
    assert len(gate.admit(again, NOW_MS)) == 1


def test_an_index_at_the_same_value_in_a_later_second_is_no_repeat() -> None:
    gate = admission()
    first = packet(101, 1, traded=-1)
    assert len(gate.admit(first, NOW_MS)) == 1
    assert gate.admit(first, NOW_MS) == ()
    assert len(gate.admit(packet(101, 2, traded=-1), NOW_MS)) == 1


def test_a_spike_that_nothing_confirms_is_dropped() -> None:
    gate = admission()
    gate.admit(packet(100, 1), NOW_MS)
    assert gate.admit(packet(150, 2), NOW_MS) == ()
    assert prices(gate.admit(packet(100.5, 3), NOW_MS)) == [(100.5, "")]
    assert gate.refused == {Refusal.JUMP: 1}


def test_a_spike_is_not_confirmed_by_the_same_print_sent_again() -> None:
    gate = admission()
    gate.admit(packet(100, 1, volume=5), NOW_MS)
    gate.admit(packet(150, 2, volume=6), NOW_MS)
    assert gate.admit(packet(150, 2, volume=6, sent=3), NOW_MS) == ()
    assert prices(gate.admit(packet(100.5, 6, volume=7), NOW_MS)) == [(100.5, "")]
    assert gate.refused == {Refusal.JUMP: 1, Refusal.REPEAT: 1}


def test_a_jump_that_a_second_print_confirms_is_admitted_whole() -> None:
    gate = admission()
    gate.admit(packet(100, 1), NOW_MS)
    gate.admit(packet(150, 2), NOW_MS)
    assert prices(gate.admit(packet(151, 3), NOW_MS)) == [(150, ""), (151, "")]
    assert prices(gate.admit(packet(152, 4), NOW_MS)) == [(152, "")]


def test_the_first_print_is_guarded_by_the_previous_close() -> None:
    assert admission().admit(packet(150), NOW_MS) == ()
    assert prices(admission().admit(packet(119), NOW_MS)) == [(119, "")]


def test_a_day_high_that_no_print_showed_is_a_tick_of_its_own() -> None:
    gate = admission()
    gate.admit(packet(100, 1, high=101, low=99), NOW_MS)
    assert prices(gate.admit(packet(100.5, 2, high=103, low=99), NOW_MS)) == [(103, "day_high"), (100.5, "")]
    assert prices(gate.admit(packet(100, 3, high=103, low=98), NOW_MS)) == [(98, "day_low"), (100, "")]


def test_a_print_that_is_itself_the_high_is_one_tick() -> None:
    gate = admission()
    gate.admit(packet(100, 1, high=101, low=99), NOW_MS)
    assert prices(gate.admit(packet(103, 2, high=103, low=99), NOW_MS)) == [(103, "")]


def test_a_high_from_before_we_came_is_no_tick() -> None:
    gate = admission()
    gate.note_subscribed(INFY, NOW_MS)
    gate.admit(packet(100, -60, high=110, low=90), NOW_MS)
    assert prices(gate.admit(packet(100, 1, high=110, low=90), NOW_MS)) == [(100, "")]


def test_a_new_day_starts_its_range_over() -> None:
    gate = admission()
    gate.admit(packet(100, 1, high=110, low=90), NOW_MS)
    assert prices(gate.admit(packet(101, 2, high=101, low=101), NOW_MS)) == [(101, "")]
    assert prices(gate.admit(packet(101.5, 3, high=102, low=101), NOW_MS)) == [(102, "day_high"), (101.5, "")]
