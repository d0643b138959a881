"""Channels changed by the REST route: what was got can be put back; quiet hours have a time zone that the page offers."""

from collections.abc import Iterator

import httpx
import pytest

from stormalert.model import QuietHours
from tests.store.records import a_channel

from .conftest import Site


@pytest.fixture
def mina(started: Site) -> Iterator[httpx.Client]:
    quiet = QuietHours(from_min=60, to_min=120, zone="posix/Asia/Kolkata")
    started.store.save_channel(a_channel("quiet", user="u-mina", quiet=quiet))
    with started.sign_in("mina") as client:
        yield client
    started.store.delete_channel("quiet")


def put(client: httpx.Client, zone: str) -> tuple[int, str]:
    revision = client.get("/api/channels/quiet").json()["revision"]
    quiet = {"from_min": 60, "to_min": 120, "zone": zone}
    answer = client.put("/api/channels/quiet", json={"revision": revision, "quiet": quiet})
    return answer.status_code, str(answer.json().get("detail", ""))


@pytest.mark.parametrize("zone", ["right/Asia/Kolkata", "posix/Europe/London", "Mars/Olympus"])
def test_a_time_zone_that_the_page_does_not_offer_is_refused(mina: httpx.Client, zone: str) -> None:
    assert put(mina, zone) == (422, f"found the time zone '{zone}', expected one such as Asia/Kolkata")


def test_one_that_the_page_offers_is_taken_and_one_that_is_stored_can_be_said_again(mina: httpx.Client) -> None:
    assert put(mina, "posix/Asia/Kolkata") == (200, "")
    assert put(mina, "Europe/London") == (200, "")


def test_what_was_got_can_be_put_back_as_it_is_and_with_a_change(mina: httpx.Client) -> None:
    got = mina.get("/api/channels/quiet").json()
    again = mina.put("/api/channels/quiet", json=got)
    assert (again.status_code, again.json() | {"revision": 0}) == (200, got | {"revision": 0})
    changed = mina.put("/api/channels/quiet", json=again.json() | {"is_on": False})
    assert (changed.status_code, changed.json()["is_on"]) == (200, False)


@pytest.mark.parametrize(
    ("name", "other"), [("id", "another"), ("kind", "whatsapp"), ("address", "42"), ("is_verified", None), ("owner", "u-mina")]
)
def test_what_belongs_to_the_channel_is_not_changed_by_the_way(mina: httpx.Client, name: str, other: str | None) -> None:
    got = mina.get("/api/channels/quiet").json()
    value = not got["is_verified"] if other is None else other
    refused = mina.put("/api/channels/quiet", json=got | {name: value})
    assert refused.status_code == 422
    assert name in refused.text
    assert mina.get("/api/channels/quiet").json() == got
