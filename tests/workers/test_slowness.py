"""A provider that is slow again and again does not get every hand of a worker."""

from contextlib import ExitStack

from tests.clock import Clock
from workers.pipeline.slowness import IN_A_ROW, MOST, SLOW_S, Slowness


def answered(slowness: Slowness, clock: Clock[float], after_s: float, count: int = 1, place: str = "whatsapp") -> None:
    for _ in range(count):
        with slowness.watched(place):
            clock.now += after_s


def hold(slowness: Slowness, count: int) -> ExitStack:
    held = ExitStack()
    for _ in range(count):
        held.enter_context(slowness.watched("whatsapp"))
    return held


def test_many_may_be_under_way_to_one_that_answers() -> None:
    slowness = Slowness(Clock(0.0))
    with hold(slowness, 100):
        assert not slowness.is_full("whatsapp")


def test_one_that_was_slow_again_and_again_gets_few_hands_and_another_all_it_needs() -> None:
    slowness = Slowness(clock := Clock(0.0))
    answered(slowness, clock, SLOW_S, IN_A_ROW)
    assert not slowness.is_full("whatsapp")
    with hold(slowness, MOST):
        assert slowness.is_full("whatsapp")
        assert not slowness.is_full("email")
    assert not slowness.is_full("whatsapp")


def test_one_quick_answer_opens_it_again() -> None:
    slowness = Slowness(clock := Clock(0.0))
    answered(slowness, clock, SLOW_S, IN_A_ROW)
    answered(slowness, clock, 0.1)
    with hold(slowness, MOST):
        assert not slowness.is_full("whatsapp")


def test_places_that_are_not_slow_are_not_kept() -> None:
    slowness = Slowness(clock := Clock(0.0))
    for number in range(50):
        answered(slowness, clock, 0.1, place=f"webhook https://{number}.example")
    assert (len(slowness._in_a_row), len(slowness._under_way)) == (0, 0)
