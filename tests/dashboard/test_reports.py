"""What a report makes of a delivery, whatever the order that reports come in."""

from itertools import permutations, product

import pytest

from dashboard.channels.reports import MOST_ATTEMPTS, after, is_early
from stormalert.channels import whatsapp
from stormalert.model import Delivery, DeliveryState
from tests.store.records import a_delivery

SENT, DELIVERED, READ, FAILED = DeliveryState.SENT, DeliveryState.DELIVERED, DeliveryState.READ, DeliveryState.FAILED


def told(delivery: Delivery, *reports: tuple[str, int] | str, has_template: bool = True, sid: str = "SM1") -> Delivery:
    for report in reports:
        status, code = report if isinstance(report, tuple) else (report, 0)
        delivery = after(delivery, sid, status, code, has_template=has_template, now_ms=2_000) or delivery
    return delivery


def sent(**fields: object) -> Delivery:
    return a_delivery(**{"state": SENT, "provider_id": "SM1", "attempts": 1} | fields)


@pytest.mark.parametrize("order", list(permutations(["sent", "delivered", "read"])))
def test_in_any_order_the_furthest_state_stays(order: tuple[str, ...]) -> None:
    assert told(sent(), *order, *order).state is READ


def test_a_state_never_goes_back() -> None:
    for now, later in product((DELIVERED, READ), ("queued", "accepted", "sending", "sent", "failed", "undelivered")):
        assert told(sent(state=now), later).state is now


def test_a_final_state_stays() -> None:
    for now, later in product((FAILED, DeliveryState.SUPPRESSED), ("sent", "delivered", "read", "failed")):
        assert told(sent(state=now), later).state is now


@pytest.mark.parametrize("status", ["failed", "undelivered"])
def test_a_failure_that_stays_one_is_final_with_its_code(status: str) -> None:
    delivery = told(sent(), (status, 63024), "delivered")
    assert (delivery.state, delivery.reason) == (FAILED, "not a WhatsApp number: Twilio 63024")


@pytest.mark.parametrize(("code", "state"), [(0, "queued"), (30001, "queued"), (63018, "queued"), (20429, "queued")])
def test_what_may_pass_and_what_nobody_knows_goes_out_again_and_is_shown_in_the_end(code: int, state: str) -> None:
    assert told(sent(), ("failed", code)).state == state
    gave_up = told(sent(attempts=MOST_ATTEMPTS), ("failed", code))
    assert gave_up.state is FAILED
    assert (str(code) if code else "without a code") in gave_up.reason


def test_outside_the_window_the_template_goes_out_and_without_one_the_reason_says_what_is_missing() -> None:
    report = ("failed", whatsapp.OUTSIDE_WINDOW)
    assert told(sent(), report).state is DeliveryState.QUEUED
    failed = told(sent(), report, has_template=False)
    assert failed.state is FAILED
    assert "STORM_TWILIO_CONTENT_SID" in failed.reason


@pytest.mark.parametrize(
    "code", [code for code, row in whatsapp.CHANNEL.errors.items() if row.is_address_dead or row.needs_admin]
)
def test_a_permanent_code_is_not_tried_again(code: int) -> None:
    assert told(sent(), ("failed", code)).state is FAILED


def test_a_failure_that_is_told_twice_makes_one_further_try() -> None:
    once = told(sent(), ("failed", 63018))
    assert told(once, ("failed", 63018), "sent") == once


def test_reports_of_an_earlier_try_are_old_news() -> None:
    assert told(sent(provider_id="SM2"), "read", ("failed", 63024)) == sent(provider_id="SM2")


def test_a_report_that_overtakes_the_workers_record_is_early_and_then_counts() -> None:
    queued = a_delivery(provider_id="")
    assert is_early(queued, "SM1") and is_early(a_delivery(provider_id="SM0"), "SM1")
    assert not is_early(sent(), "SM1") and not is_early(a_delivery(provider_id="SM1"), "SM1")
    assert told(queued, "delivered").state is DELIVERED
    assert told(queued, "delivered").provider_id == "SM1"
