import pytest

from sandbox.faults import RateLimits
from sandbox.rates import Rates
from tests.clock import Clock


@pytest.fixture
def clock() -> Clock[float]:
    return Clock(100.0)


def test_a_second_message_to_a_chat_within_a_second_breaks_the_limit(clock: Clock[float]) -> None:
    rates = Rates(RateLimits(), clock)
    rates.telegram(7)
    clock.now += 0.999
    rates.telegram(8)
    assert rates.as_json()["violations"] == {}
    rates.telegram(7)
    assert rates.as_json() == {"violations": {"telegram_chat": 1}, "most": {"telegram_bot": 3, "telegram_chat": 2}}


def test_a_message_a_second_later_is_welcome(clock: Clock[float]) -> None:
    rates = Rates(RateLimits(), clock)
    for _ in range(5):
        rates.telegram(7)
        clock.now += 1.0
    assert rates.as_json()["violations"] == {}


def test_a_window_slides_over_the_edge_of_the_clocks_seconds(clock: Clock[float]) -> None:
    rates = Rates(RateLimits(telegram_bot=3), clock)
    for step_s, chat in ((0.9, 1), (0.05, 2), (0.1, 3), (0.05, 4)):
        clock.now += step_s
        rates.telegram(chat)
    assert rates.as_json()["violations"] == {"telegram_bot": 1}


def test_a_group_takes_twenty_a_minute(clock: Clock[float]) -> None:
    rates = Rates(RateLimits(), clock)
    for _ in range(21):
        rates.telegram(-5)
        clock.now += 2
    assert rates.as_json()["violations"] == {"telegram_group": 1}


def test_what_is_too_much_is_refused_only_when_told_so(clock: Clock[float]) -> None:
    for enforce, after_s in ((False, 0.0), (True, 0.75)):
        rates = Rates(RateLimits(enforce=enforce), clock)
        assert rates.twilio("whatsapp:+1", "whatsapp:+2") == 0.0
        clock.now += 0.25
        assert rates.twilio("whatsapp:+1", "whatsapp:+2") == after_s


def test_ntfy_takes_sixty_in_five_minutes(clock: Clock[float]) -> None:
    rates = Rates(RateLimits(enforce=True), clock)
    assert [rates.ntfy() for _ in range(60)] == [0.0] * 60
    clock.now += 299
    assert rates.ntfy() == 1.0
