"""Quiet hours, set by the REST route: by the clocks of a time zone that the page offers too."""

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
