"""The link at the end of every mail."""

import pytest

from dashboard.channels.unsubscribe import REASON
from stormalert.access.security import unsubscribe_token
from stormalert.model import Channel
from tests.store.records import a_channel

from .conftest import JWT_SECRET, Site


@pytest.fixture
def channel(site: Site, request: pytest.FixtureRequest) -> Channel:
    return site.store.save_channel(a_channel(f"c{abs(hash(request.node.name))}", user="u-mina"))


def link(channel: Channel, secret: str = JWT_SECRET) -> str:
    return f"/unsubscribe/{unsubscribe_token(channel.id, channel.address, secret)}"


def stored(site: Site, channel: Channel) -> Channel:
    found = site.store.channel(channel.id)
    assert found is not None
    return found


def test_the_link_asks_and_its_button_switches_the_channel_off(site: Site, channel: Channel) -> None:
    with site.visitor() as reader:
        page = reader.get(link(channel))
        assert page.status_code == 200
        assert "Shall no more alerts go to asha@example.com?" in page.text and '<form method="post">' in page.text
        # A scanner that opens links changes nothing.
        assert stored(site, channel).is_on
        assert "No more alerts go to asha@example.com." in reader.post(link(channel)).text
        assert (stored(site, channel).is_on, stored(site, channel).reason) == (False, REASON)
        assert "No more alerts go to" in reader.get(link(channel)).text
    assert site.store.audit(limit=1)[0].action == "unsubscribed"


def test_a_mail_program_does_it_with_one_click(site: Site, channel: Channel) -> None:
    with site.visitor() as program:
        answer = program.post(link(channel), data={"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 200
    assert not stored(site, channel).is_on


def test_a_link_that_was_made_up_or_is_of_another_address_does_nothing(site: Site, channel: Channel) -> None:
    moved = channel.model_copy(update={"address": "other@example.com"})
    with site.visitor() as stranger:
        for path in (
            link(channel, "x" * 32),
            link(moved),
            f"/unsubscribe/{channel.id}",
            f"/unsubscribe/{channel.id}.",
        ):
            assert stranger.post(path).status_code == 404
    assert stored(site, channel).is_on


def test_what_is_open_leads_nowhere_else(site: Site) -> None:
    with site.visitor() as stranger:
        for path in ("/unsubscribe/..%2frules", "/callbacks/..%2f..%2frules", "/callbacks/nothing", "/unsubscribe/"):
            answer = stranger.get(path)
            assert answer.status_code in (303, 401, 404), path
            assert "Streamlit" not in answer.text, path
