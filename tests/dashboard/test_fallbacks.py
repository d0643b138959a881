"""Which channel is whose fallback, set by the REST route: never for a channel that waits itself."""

from collections.abc import Iterator

import httpx
import pytest

from stormalert.model import ChannelKind
from tests.store.records import a_channel

from .conftest import Site


@pytest.fixture
def mina(started: Site) -> Iterator[httpx.Client]:
    for name in ("first", "second", "third"):
        address = f"{name}@example.com"
        started.store.save_channel(a_channel(name, user="u-mina", kind=ChannelKind.EMAIL, address=address, is_verified=True))
    with started.sign_in("mina") as client:
        yield client
    for name in ("first", "second", "third"):
        started.store.delete_channel(name)


def put(client: httpx.Client, channel: str, first: str | None) -> tuple[int, str]:
    revision = client.get(f"/api/channels/{channel}").json()["revision"]
    answer = client.put(f"/api/channels/{channel}", json={"revision": revision, "stands_in_for": first})
    return answer.status_code, str(answer.json().get("detail", ""))


def test_a_channel_is_the_fallback_of_one_that_gets_every_alert(mina: httpx.Client) -> None:
    assert put(mina, "second", "first") == (200, "")
    assert put(mina, "third", "first") == (200, "")
    # What stays as it is can be said again.
    assert put(mina, "third", "first") == (200, "")


def test_a_chain_of_fallbacks_is_refused_from_either_end(mina: httpx.Client) -> None:
    assert put(mina, "second", "first") == (200, "")
    assert put(mina, "third", "second") == (
        422,
        "found that 'second' is a fallback channel, expected one that gets every alert at once",
    )
    assert put(mina, "first", "third") == (
        422,
        "found that 'first' has fallback channels, expected none when it is to be one itself",
    )


@pytest.mark.parametrize("first", ["third", "nobody"])
def test_it_is_the_fallback_of_another_one_of_the_same_user(mina: httpx.Client, first: str) -> None:
    assert put(mina, "third", first) == (
        422,
        f"found the channel '{first}' as primary, expected another one of your own",
    )
