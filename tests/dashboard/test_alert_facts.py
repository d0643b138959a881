"""What is said of one alert."""

from datetime import datetime
from itertools import starmap

import pytest

from dashboard.alerts import facts
from dashboard.alerts.facts import DeliveryHistory, HistoryStep
from dashboard.alerts.listing import asked_cursor, asked_rule, moment_ms
from dashboard.chart import PriceLine, levels
from dashboard.rules.status import RuleStatus
from stormalert import words
from stormalert.model import ChannelKind, DeliveryState, Direction, Kind
from stormalert.rules.engine import TriggerPrice as At
from tests.store.records import a_channel, a_delivery, a_rule, an_alert

FIVE_MIN_MS = 300_000


@pytest.mark.parametrize(
    ("direction", "reference_e4", "percent_e2", "expected_e4"),
    [
        (Direction.UP, 14_000_000, 200, 14_280_000),
        (Direction.DOWN, 14_000_000, 200, 13_720_000),
        # Not below it, and not above it, by the ten-thousandth of a rupee.
        (Direction.UP, 14_000_001, 1, 14_001_402),
        (Direction.DOWN, 14_000_001, 1, 13_998_600),
    ],
)
def test_a_rule_fires_from_the_first_price_that_is_far_enough(
    direction: Direction, reference_e4: int, percent_e2: int, expected_e4: int
) -> None:
    alert = an_alert(direction=direction, reference_e4=reference_e4, percent_e2=percent_e2)
    found_e4 = facts.threshold_e4(alert)
    assert found_e4 == expected_e4
    # As the engine compares, of this price and of the one before it.
    sign = 1 if direction is Direction.UP else -1
    limit = reference_e4 * (10_000 + sign * percent_e2)
    assert sign * found_e4 * 10_000 >= sign * limit > sign * (found_e4 - sign) * 10_000


def test_an_alert_says_from_where_it_was_measured_and_how_far_it_went() -> None:
    rolling = an_alert(kind=Kind.ROLLING, percent_e2=100, window_ms=FIVE_MIN_MS, reference_e4=14_000_000, price_e4=13_845_500)
    assert facts.facts(rolling) == [
        ("High of 5 min", "₹1,400.00"), ("Fires from", "₹1,386.00"), ("Price", "₹1,384.55"), ("Moved", "-1.10 %"),
        ("Asked for", "1 %"), ("Within", "5 min"),
    ]  # fmt: skip
    assert facts.lines(rolling) == [
        PriceLine(13_845_500, "Fired", "down"),
        PriceLine(13_860_000, "Threshold", "down"),
        PriceLine(14_000_000, "High of 5 min", "reference"),
    ]


def test_a_move_is_rounded_as_messages_round_it() -> None:
    # 2.005 is a little less in floating point.
    half = an_alert(direction=Direction.UP, reference_e4=20_000, price_e4=20_401)
    assert facts.moved(half) == "+2.01 %"


def test_a_level_is_its_own_reference_and_has_no_percent() -> None:
    level = an_alert(kind=Kind.LEVEL, percent_e2=0, direction=Direction.UP, reference_e4=14_000_000, price_e4=14_000_000)
    assert [name for name, _ in facts.facts(level)] == ["Level", "Fires from", "Price", "Moved"]
    assert facts.lines(level) == [PriceLine(14_000_000, "Fired", "up")]


def test_each_channel_says_in_order_of_time_what_became_of_the_message() -> None:
    alert = an_alert(time_ms=1_000)
    channels = [
        a_channel("c1"),
        a_channel("c2", kind=ChannelKind.TELEGRAM, address="42"),
        a_channel("c3", kind=ChannelKind.WEBHOOK, address="https://a.example/x", is_on=False, reason="gone"),
    ]
    failed = a_delivery("d1", channel="c1", attempts=1, reason="timed_out", updated_ms=4_000)
    failed = failed.moved({"state": DeliveryState.FAILED, "attempts": 2, "reason": "gave up: timed out", "updated_ms": 9_000})
    read = a_delivery("d2", channel="c2", channel_kind=ChannelKind.TELEGRAM, queued_ms=999)
    read = read.moved({"state": DeliveryState.SENT, "updated_ms": 1_800})
    read = read.moved({"state": DeliveryState.READ, "updated_ms": 5_000})
    found = facts.histories(alert, [failed, read], channels)
    gone = DeliveryHistory("Webhook", "https://a.example/x", "absent", (HistoryStep(0, "not sent: it was off (gone)"),))
    brought = [(999, "queued"), (1_800, "sent, 0.8 s after the tick"), (5_000, "read")]
    failure = [(1_000, "queued: timed out"), (9_000, "failed: gave up: timed out"), (0, "2 attempts in all")]
    assert found == [
        DeliveryHistory("Telegram", "42", "read", tuple(starmap(HistoryStep, brought))),
        DeliveryHistory(
            "E-mail", "asha@example.com", "failed",
            tuple(starmap(HistoryStep, failure)),
        ),
        gone,
    ]  # fmt: skip
    assert facts.outcome(found) == "It went out by Telegram. 2 others did not send it."
    assert facts.outcome(found[1:]) == "No channel brought it to you; each says why."


def test_what_waits_says_until_when_and_why() -> None:
    due_ms = 3_600_000
    parked = a_delivery().moved({"due_ms": due_ms, "reason": "quiet hours", "updated_ms": 2_000})
    (history,) = facts.histories(an_alert(), [parked], [])
    assert history.steps == (
        HistoryStep(1_000, "queued"), HistoryStep(2_000, "waits: quiet hours"), HistoryStep(0, f"due {words.clock(due_ms)}"),
    )  # fmt: skip
    assert facts.outcome([history]) == "Still on its way: E-mail."


@pytest.mark.parametrize(
    ("states", "told"),
    [
        (["sent", "queued"], "It went out by Telegram. 1 other is still on its way."),
        (["read", "queued", "queued"], "It went out by Telegram. 2 others are still on their way."),
        (["sent", "queued", "failed"], "It went out by Telegram. 1 other is still on its way. 1 other did not send it."),
        (["sent", "suppressed", "absent"], "It went out by Telegram. 2 others did not send it."),
    ],
)
def test_a_stand_in_that_still_waits_is_not_one_that_did_not_send(states: list[str], told: str) -> None:
    assert facts.outcome([DeliveryHistory("Telegram", "42", state, ()) for state in states]) == told


def test_what_was_stored_before_deliveries_had_a_past_still_begins_with_its_queue() -> None:
    (history,) = facts.histories(an_alert(), [a_delivery(state=DeliveryState.SENT, updated_ms=1_500)], [])
    assert history.steps == (HistoryStep(1_000, "queued"), HistoryStep(1_500, "sent, 0.5 s after the tick"))


def test_without_a_channel_it_says_where_to_add_one() -> None:
    assert facts.outcome([]) == "You had no channel, so nothing was sent. Add one under Channels."


def test_a_chart_has_the_nearest_of_ones_rules_and_what_they_measure_from() -> None:
    rolling = a_rule("r1", direction=Direction.BOTH, percent_e2=200)
    level = a_rule("r2", kind=Kind.LEVEL, direction=Direction.UP, percent_e2=0, price_e4=15_000_000, window_ms=0)
    statuses = {
        "r1": RuleStatus(
            "armed",
            price="1400.00",
            triggers=[At("up", "1390.00", "1417.80"), At("down", "1410.00", "1381.80")],
        ),
        "r2": RuleStatus("armed", price="1400.00", triggers=[At("up", "1500.00", "1500.00")]),
    }
    assert levels.lines([rolling, level], statuses) == [
        PriceLine(13_900_000, "Low of 5 min", "reference"),
        PriceLine(14_100_000, "High of 5 min", "reference"),
        PriceLine(14_178_000, "Rises 2 % within 5 min", "up"),
        PriceLine(13_818_000, "Falls 2 % within 5 min", "down"),
        PriceLine(15_000_000, "Rises to ₹1,500.00", "up"),
    ]


def test_a_chart_leaves_out_what_is_far_or_has_no_price() -> None:
    rules = [a_rule(f"r{n}") for n in range(levels.MOST + 1)]
    statuses = {
        rule.id: RuleStatus("armed", price="100.00", triggers=[At("up", "100.00", f"{110 + n}.00")])
        for n, rule in enumerate(rules)
    }
    drawn = [line.price_e4 for line in levels.lines(rules, statuses) if line.tone == "up"]
    assert drawn == [(110 + n) * 10_000 for n in range(levels.MOST)]
    by_all = {"r0": RuleStatus("armed", price="100.00", triggers=[At("down", "100.00", "0.00")])}
    assert levels.lines(rules, by_all) == []


def test_what_somebody_typed_into_the_address_is_taken_only_when_it_can_be_meant() -> None:
    assert asked_cursor("1700000000000~r1_408065-17") == (1_700_000_000_000, "r1_408065-17")
    assert [asked_cursor(text) for text in ("", "x~y", "1~", "1~a b", "9" * 16 + "~a")] == [None] * 5
    assert (asked_rule("r-1_x"), asked_rule("a b"), asked_rule("")) == ("r-1_x", "", "")


def test_a_moment_is_by_the_clocks_of_india() -> None:
    assert moment_ms(datetime(2025, 11, 26, 9, 15)) == 1_764_128_700_000
    assert moment_ms(None) == 0
