import pytest

from dashboard import texts
from stormalert import words
from stormalert.model import DeliveryState, Direction, Kind, Repeat
from tests.store.records import a_channel, a_delivery, a_rule, an_alert

MINUTE_MS = 60_000


@pytest.mark.parametrize(
    ("percent_e2", "text"), [(50, "0.5 %"), (200, "2 %"), (1_000, "10 %"), (213, "2.13 %"), (5, "0.05 %"), (100_000, "1000 %")]
)
def test_a_percent_has_no_zeros_that_say_nothing(percent_e2: int, text: str) -> None:
    assert texts.percent(percent_e2) == text


@pytest.mark.parametrize(
    ("kind", "direction", "condition", "happened"),
    [
        (Kind.ROLLING, Direction.DOWN, "Falls 1.5 % within 5 min", "Fell 1.5 % within 5 min"),
        (Kind.ROLLING, Direction.UP, "Rises 1.5 % within 5 min", "Rose 1.5 % within 5 min"),
        (Kind.ROLLING, Direction.BOTH, "Moves 1.5 % within 5 min", None),
        (Kind.TRAILING, Direction.DOWN, "Falls 1.5 % from its peak", "Fell 1.5 % from its peak"),
        (Kind.TRAILING, Direction.UP, "Rises 1.5 % from its trough", "Rose 1.5 % from its trough"),
        (Kind.TRAILING, Direction.BOTH, "Turns 1.5 % from its extreme", None),
        (Kind.DAY, Direction.DOWN, "Falls 1.5 % from the previous close", "Fell 1.5 % from the previous close"),
        (Kind.DAY, Direction.BOTH, "Moves 1.5 % from the previous close", None),
    ],
)
def test_a_rule_and_its_alert_read_alike(kind: Kind, direction: Direction, condition: str, happened: str | None) -> None:
    window_ms = 5 * MINUTE_MS if kind is Kind.ROLLING else 0
    assert texts.condition(a_rule(kind=kind, direction=direction, window_ms=window_ms)) == condition
    if happened:
        price_e4 = 9_850 if direction is Direction.DOWN else 10_150
        alert = an_alert(kind=kind, direction=direction, window_ms=window_ms, price_e4=price_e4, reference_e4=10_000)
        assert texts.what_happened(alert) == happened


@pytest.mark.parametrize("kind", [Kind.ROLLING, Kind.TRAILING, Kind.DAY])
def test_an_alert_says_how_far_the_price_went_and_not_what_was_asked_for(kind: Kind) -> None:
    gap = an_alert(kind=kind, direction=Direction.UP, price_e4=10_600, reference_e4=10_000, percent_e2=300, window_ms=MINUTE_MS)
    assert texts.what_happened(gap).startswith("Rose 6 % ")


def test_how_often_a_rule_fires_is_told_with_its_pause() -> None:
    assert texts.repetition(a_rule(repeat=Repeat.ONCE)) == "Once"
    assert texts.repetition(a_rule(repeat=Repeat.EVERY, cooldown_ms=MINUTE_MS)) == "Every time, pause 1 min"
    assert texts.repetition(a_rule(repeat=Repeat.EVERY, cooldown_ms=0)) == "Every time"


def test_a_delivery_says_what_became_of_it_and_why() -> None:
    at = words.moment(1_000)
    assert texts.delivery(a_delivery()) == f"on its way since {at}"
    assert texts.delivery(a_delivery(state=DeliveryState.SENT, attempts=1)) == f"sent {at}"
    failed = a_delivery(state=DeliveryState.FAILED, attempts=3, reason="address_refused")
    assert texts.delivery(failed) == f"failed {at} (3 attempts): address refused"
    assert texts.delivery(a_delivery(state=DeliveryState.SUPPRESSED, reason="expired")) == f"held back {at}: expired"


@pytest.mark.parametrize("state", [DeliveryState.DELIVERED, DeliveryState.READ])
def test_a_delivery_says_how_far_its_provider_brought_it(state: DeliveryState) -> None:
    assert texts.delivery(a_delivery(state=state, attempts=1)) == f"{state} {words.moment(1_000)}"


def test_every_channel_without_a_delivery_says_why() -> None:
    tried, off, later = a_channel("c1"), a_channel("c2", is_on=False, reason="blocked"), a_channel("c3")
    assert texts.without([a_delivery(channel="c1")], [tried, off, later]) == [off, later]
    assert texts.why_not_sent(off) == "it was off (blocked)"
    assert texts.why_not_sent(later) == "it was off then, or was not there yet"
    assert texts.why_not_sent(a_channel("c4", is_verified=False)) == "it is not verified"


def test_every_word_that_a_screen_chooses_by_is_there() -> None:
    assert set(texts.REPEAT_NAMES) == set(Repeat)


@pytest.mark.parametrize(("state", "text"), [("login_needed", "Login needed"), ("", "Unknown"), ("odd", "Odd")])
def test_the_feeds_state_is_readable_even_when_it_is_a_new_one(state: str, text: str) -> None:
    assert texts.feed_state(state) == text


def test_a_level_reads_as_a_price() -> None:
    level = a_rule(kind=Kind.LEVEL, direction=Direction.UP, percent_e2=0, price_e4=14_505_000, window_ms=0)
    assert texts.condition(level) == "Rises to ₹1,450.50"
    alert = an_alert(kind=Kind.LEVEL, direction=Direction.UP, percent_e2=0, window_ms=0, reference_e4=14_505_000)
    assert texts.what_happened(alert) == "Rose to ₹1,450.50"


def test_refused_packets_are_counted_by_reason_the_most_first() -> None:
    feed = {
        "state": "streaming",
        "refused_jump": "2",
        "refused_repeat": "123456",
        "refused_cached": "0",
        "refused_too_late": "1",
    }
    assert texts.refusals(feed) == "1,23,456 repeats, 2 jumps that wait for a second print, 1 too late"
    assert texts.refusals({"state": "streaming"}) == ""


def test_a_gap_reads_from_when_to_when_why_and_what_was_lost() -> None:
    gap = {"from_ms": 1_700_000_000_000, "to_ms": 1_700_000_006_400, "reason": "mute", "lost": 0}
    assert texts.gap(gap) == "15 Nov 2023 03:43:20 to 15 Nov 2023 03:43:26 (6 s): mute"
    assert texts.gap(gap | {"to_ms": gap["from_ms"], "lost": 1_200}).endswith("(under 1 s): mute, 1,200 prices lost")
