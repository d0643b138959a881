"""Twilio's call-backs, signed as Twilio's own validator computes it, against the running dashboard behind a public address."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import redis
from twilio.request_validator import RequestValidator

from dashboard.web.bodies import FORM_MAX_BYTES
from stormalert.access.security import new_id
from stormalert.channels import whatsapp
from stormalert.model import ChannelKind, Delivery, DeliveryState, User
from stormalert.notify import alarms
from stormalert.redis import keys
from tests.store.records import a_channel, a_delivery

from .conftest import Site, running

PUBLIC_URL = "https://alerts.example.com"
TOKEN = "twilio-token"
NUMBER = "+919812345678"
DEAD = [code for code, row in whatsapp.CHANNEL.errors.items() if row.is_address_dead]
FOR_ADMINS = [code for code, row in whatsapp.CHANNEL.errors.items() if row.needs_admin]


@pytest.fixture(scope="module")
def reached(redis_server: str, tmp_path_factory: pytest.TempPathFactory, users: tuple[User, ...]) -> Iterator[Site]:
    settings = {
        "STORM_PUBLIC_URL": f"{PUBLIC_URL}/",
        "TWILIO_AUTH_TOKEN": TOKEN,
        "STORM_TWILIO_CONTENT_SID": "HX" + "5a" * 16,
    }
    with running(redis_server, tmp_path_factory.mktemp("public"), users, **settings) as site:
        yield site


@pytest.fixture
def site(reached: Site, redis_url: str) -> Site:
    return reached


@pytest.fixture
def delivery(site: Site, request: pytest.FixtureRequest) -> Delivery:
    """Sent, each test's own."""
    name = f"n{abs(hash(request.node.name))}"
    channel = site.store.save_channel(a_channel(name, kind=ChannelKind.WHATSAPP, address=NUMBER))
    fields: dict[str, Any] = {"channel": channel.id, "channel_kind": ChannelKind.WHATSAPP, "provider_id": "SM1", "attempts": 1}
    return site.store.save_delivery(a_delivery(f"r1-1-{name}", state=DeliveryState.SENT, **fields))


def post(
    site: Site, path: str, form: dict[str, str], token: str = TOKEN, signed_path: str = "", **headers: str
) -> httpx.Response:
    signature = RequestValidator(token).compute_signature(PUBLIC_URL + (signed_path or path), form)
    with site.visitor() as twilio:
        return twilio.post(path, data=form, headers={"X-Twilio-Signature": signature} | headers)


def report(site: Site, delivery: Delivery, status: str, code: int | None = None) -> Delivery:
    form = {"MessageSid": "SM1", "MessageStatus": status, "To": f"whatsapp:{NUMBER}", "EventType": "a new one"}
    form |= {"ErrorCode": str(code)} if code is not None else {}
    assert post(site, f"/callbacks/twilio/{delivery.id}", form).status_code == 204
    stored = site.store.delivery(delivery.id)
    assert stored is not None
    return stored


def is_on(site: Site, delivery: Delivery) -> bool:
    channel = site.store.channel(delivery.channel)
    assert channel is not None
    return channel.is_on


def test_a_message_is_seen_to_arrive_and_to_be_read(site: Site, delivery: Delivery) -> None:
    assert report(site, delivery, "delivered").state is DeliveryState.DELIVERED
    assert report(site, delivery, "sent").state is DeliveryState.DELIVERED
    assert report(site, delivery, "read").state is DeliveryState.READ


def test_what_was_told_together_arrives_together(site: Site, delivery: Delivery) -> None:
    summary = f"burst-{delivery.channel}-1"
    fields = {"summary": summary, "reason": "told in a summary of 2", "revision": 0}
    told = [delivery.model_copy(update=fields | {"id": f"{delivery.id}-{number}"}) for number in range(2)]
    late = told[0].model_copy(update={"id": f"{delivery.id}-late", "state": DeliveryState.QUEUED, "provider_id": ""})
    for each in (*told, late):
        site.store.save_delivery(each)

    def after(status: str, code: str = "") -> list[tuple[DeliveryState, str]]:
        form = {"MessageSid": "SM1", "MessageStatus": status, "To": f"whatsapp:{NUMBER}", "ErrorCode": code}
        assert post(site, f"/callbacks/twilio/{summary}-0123456789ab", form).status_code == 204
        return sorted((each.state, each.reason) for each in site.store.deliveries_in(summary))

    waiting = (DeliveryState.QUEUED, "told in a summary of 2")
    assert after("delivered") == [(DeliveryState.DELIVERED, "told in a summary of 2")] * 2 + [waiting]
    assert after("read") == [waiting] + [(DeliveryState.READ, "told in a summary of 2")] * 2


def test_a_summary_that_may_do_better_is_queued_again_without_its_mark(site: Site, delivery: Delivery) -> None:
    summary = f"quiet-{delivery.channel}-1"
    changes = {"summary": summary, "revision": 0, "id": f"{delivery.id}-told"}
    told = site.store.save_delivery(delivery.model_copy(update=changes))
    message = f"{summary}-0123456789ab"
    form = {"MessageSid": "SM1", "MessageStatus": "failed", "To": f"whatsapp:{NUMBER}", "ErrorCode": "63018"}
    with redis.Redis.from_url(site.redis_url) as client:
        client.set(keys.sent(message), "SM1")
        assert post(site, f"/callbacks/twilio/{message}", form).status_code == 204
        assert not client.exists(keys.sent(message))
    assert [each.state for each in site.store.deliveries([told.id])] == [DeliveryState.QUEUED]


def test_who_is_not_twilio_is_refused_and_changes_nothing(site: Site, delivery: Delivery) -> None:
    path = f"/callbacks/twilio/{delivery.id}"
    form = {"MessageSid": "SM1", "MessageStatus": "failed", "ErrorCode": "63024"}
    assert post(site, path, form, token="another").status_code == 403
    assert post(site, path, form, signed_path="/callbacks/twilio/other").status_code == 403
    assert post(site, path, form, **{"X-Twilio-Signature": ""}).status_code == 403
    assert post(site, "/callbacks/whatsapp", {"From": f"whatsapp:{NUMBER}"}, token="another").status_code == 403
    assert site.store.delivery(delivery.id) == delivery
    with site.visitor() as visitor:
        assert visitor.get(path).headers["location"] == "/login"
        assert visitor.post(path, data={"MessageSid": "x" * FORM_MAX_BYTES}).status_code == 413


def test_a_delivery_that_nobody_knows_is_no_trouble(site: Site) -> None:
    assert post(site, "/callbacks/twilio/nobody-1-c", {"MessageSid": "SM1", "MessageStatus": "read"}).status_code == 204


@pytest.mark.parametrize("code", DEAD)
def test_a_code_about_the_recipient_switches_the_channel_off(site: Site, delivery: Delivery, code: int) -> None:
    assert report(site, delivery, "undelivered", code).state is DeliveryState.FAILED
    channel = site.store.channel(delivery.channel)
    assert channel is not None and not channel.is_on
    assert channel.reason == f"{whatsapp.CHANNEL.errors[code].reason}: Twilio {code}"


def test_an_address_that_its_owner_changed_meanwhile_stays_on(site: Site, delivery: Delivery) -> None:
    channel = site.store.channel(delivery.channel)
    assert channel is not None
    site.store.save_channel(channel.model_copy(update={"address": "+14155550100"}))
    report(site, delivery, "failed", DEAD[0])
    assert is_on(site, delivery)


@pytest.mark.parametrize("code", FOR_ADMINS)
def test_a_code_about_us_fails_and_raises_an_alarm(site: Site, delivery: Delivery, code: int) -> None:
    alarms.clear_alarm(site.store, ChannelKind.WHATSAPP)
    assert report(site, delivery, "failed", code).state is DeliveryState.FAILED
    assert is_on(site, delivery)
    (alarm,) = alarms.alarms(site.store)
    assert str(code) in alarm.reason


def test_what_fails_late_three_times_in_a_row_is_told_over_another_channel_once(site: Site, delivery: Delivery) -> None:
    """What Twilio took meanwhile says nothing: only what arrived ends the row."""
    number = delivery.channel
    other = site.store.save_channel(a_channel(f"{number}-mail", kind=ChannelKind.EMAIL, address="a@b.example"))

    def fail(count: int) -> list[str]:
        for _ in range(count):
            one = delivery.model_copy(update={"id": f"{delivery.id}-{new_id()}", "revision": 0})
            assert report(site, site.store.save_delivery(one), "failed", 30005).state is DeliveryState.FAILED
        with redis.Redis.from_url(site.redis_url, decode_responses=True) as client:
            asked: Any = client.xrange(keys.SEND_REQUESTS)
        return [fields["headline"] for _, fields in asked if fields["channel"] == other.id]

    assert fail(2) == []
    assert report(site, delivery, "delivered").state is DeliveryState.DELIVERED
    assert fail(2) == []
    assert fail(1) == ["⚠ WhatsApp messages do not get through"] == fail(4)
    assert is_on(site, delivery)


@pytest.mark.parametrize("code", [20429, 63018, 63016, 30001, None])
def test_what_may_do_better_is_queued_again_without_the_mark_that_it_went_out(
    site: Site, delivery: Delivery, code: int | None
) -> None:
    with redis.Redis.from_url(site.redis_url) as client:
        client.set(keys.sent(delivery.id), "SM1")
        client.set(keys.inbound(NUMBER), 1)
        assert report(site, delivery, "failed", code).state is DeliveryState.QUEUED
        assert not client.exists(keys.sent(delivery.id))
        # Its next try is a template.
        assert bool(client.exists(keys.inbound(NUMBER))) is (code != whatsapp.OUTSIDE_WINDOW)
    assert is_on(site, delivery)


def test_who_writes_may_get_free_text_for_24_hours(site: Site) -> None:
    answer = post(site, "/callbacks/whatsapp", {"From": f"whatsapp:{NUMBER}", "Body": "hi", "MessageSid": "SM9"})
    assert (answer.status_code, answer.text) == (200, "<Response/>")
    with redis.Redis.from_url(site.redis_url) as client:
        assert 23 * 3600 < client.ttl(keys.inbound(NUMBER)) <= 24 * 3600


def test_a_query_is_part_of_what_is_signed(site: Site, delivery: Delivery) -> None:
    path = f"/callbacks/twilio/{delivery.id}?try=1"
    form = {"MessageSid": "SM1", "MessageStatus": "read"}
    assert post(site, path, form).status_code == 204
    assert post(site, path, form, signed_path=path.partition("?")[0]).status_code == 403
