"""What failed and is asked for again: it is sent, or it is said that it will not be."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis

from dashboard.alerts.resend import resend
from stormalert.model import USEFUL_MS, Delivery, DeliveryState
from stormalert.redis import keys
from stormalert.store import Store, open_store
from stormalert.units import now_ms
from tests.store.records import a_delivery, an_alert

from .conftest import Site


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(open_store("", tmp_path / "store.sqlite3")) as store:
        yield store


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


def failed(delivery_id: str, age_ms: int = 60_000, **fields: object) -> Delivery:
    usual = {"state": DeliveryState.FAILED, "reason": "Twilio 63018", "queued_ms": now_ms() - age_ms}
    return a_delivery(delivery_id, **usual | fields)


def test_what_the_provider_took_before_it_failed_is_not_taken_for_sent(store: Store, client: redis.Redis) -> None:
    first, second = store.save_delivery(failed("r1-1-c1")), store.save_delivery(failed("r1-1-c2"))
    for delivery in (first, second):
        client.set(keys.sent(delivery.id), "SM1", ex=3_600)
    assert resend(store, client, [first, second]) == 2
    assert client.keys(keys.sent.glob()) == []
    found = store.deliveries([first.id, second.id])
    assert {(it.state, it.reason) for it in found} == {(DeliveryState.QUEUED, "asked for again")}


def test_what_is_no_news_any_more_stays_failed_with_its_reason(store: Store, client: redis.Redis) -> None:
    old, news = store.save_delivery(failed("r1-1-c1", USEFUL_MS)), store.save_delivery(failed("r1-1-c2", USEFUL_MS - 60_000))
    assert resend(store, client, [old, news]) == 1
    assert store.delivery(old.id) == old


def test_what_changed_meanwhile_is_not_counted(store: Store, client: redis.Redis) -> None:
    before = store.save_delivery(failed("r1-1-c1"))
    store.save_delivery(before.model_copy(update={"state": DeliveryState.QUEUED}))
    assert resend(store, client, [before]) == 0


def test_the_route_says_how_many_are_sent_again(site: Site) -> None:
    news, old = failed("a9-1-c1", alert="a9-1", user="u-mina"), failed("a9-2-c1", USEFUL_MS, alert="a9-2", user="u-mina")
    site.store.record_fired([an_alert(it.alert, user="u-mina") for it in (news, old)], [news, old])
    with site.sign_in("mina") as mina:
        answer = mina.post("/api/alerts/a9-1/resend").json()
        assert (answer["resent"], answer["deliveries"][0]["state"]) == (1, "queued")
        answer = mina.post("/api/alerts/a9-2/resend").json()
        assert (answer["resent"], answer["deliveries"][0]["state"]) == (0, "failed")
        assert answer["deliveries"][0]["reason"] == "Twilio 63018"
