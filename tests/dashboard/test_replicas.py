"""Two dashboards and two relays beside each other on one store and one Redis: what one knows, the other knows too."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from stormalert.access.sessions import ACCESS_COOKIE
from stormalert.model import User
from tests.dashboard.conftest import PASSWORD, Site, post_login, running
from tests.dashboard.listening import RelaySite, new_alert, relay

# Tries that a name has before it waits.
TRIES = 10


@pytest.fixture(scope="module")
def dashboards(
    redis_server: str, tmp_path_factory: pytest.TempPathFactory, users: tuple[User, ...]
) -> Iterator[tuple[Site, Site]]:
    directory = tmp_path_factory.mktemp("dashboards")
    with running(redis_server, directory, users) as first, running(redis_server, directory, ()) as second:
        yield first, second


@pytest.fixture(scope="module")
def relays(redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[RelaySite]]:
    directory = tmp_path_factory.mktemp("relays")
    with ExitStack() as stack:
        yield [stack.enter_context(relay(redis_server, directory)) for _ in range(2)]


def at(site: Site, visitor: httpx.Client) -> httpx.Client:
    """The same browser, led to another dashboard."""
    return httpx.Client(base_url=site.url, timeout=60, trust_env=False, cookies=visitor.cookies)


def test_whoever_signed_in_at_one_is_signed_in_at_the_other_and_out_at_both(
    dashboards: tuple[Site, Site], redis_url: str
) -> None:
    first, second = dashboards
    with first.sign_in("asha") as visitor, at(second, visitor) as elsewhere:
        assert elsewhere.get("/api/auth/me").json() == visitor.get("/api/auth/me").json()
        assert elsewhere.get("/").status_code == 200
        assert elsewhere.post("/api/auth/logout", headers={"Origin": second.url}).status_code == 204
        assert visitor.get("/api/auth/me").status_code == 401
        assert visitor.get("/").status_code == 303


def test_a_form_of_one_can_be_sent_to_the_other(dashboards: tuple[Site, Site], redis_url: str) -> None:
    first, second = dashboards
    with first.visitor() as visitor:
        visitor.get("/login")
        with at(second, visitor) as elsewhere:
            form = {"csrf": visitor.cookies["storm_csrf"], "name": "asha", "password": PASSWORD}
            assert elsewhere.post("/login", data=form).status_code == 303
            assert elsewhere.cookies[ACCESS_COOKIE]


def test_guesses_at_a_password_count_wherever_they_are_made(dashboards: tuple[Site, Site], redis_url: str) -> None:
    answers = []
    for number in range(2 * TRIES):
        with dashboards[number % 2].visitor() as visitor:
            answers.append(post_login(visitor, "asha", "wrong").status_code)
    assert 429 in answers


def test_when_one_dashboard_dies_the_other_serves_its_people(redis_url: str, tmp_path: Path, users: tuple[User, ...]) -> None:
    with (
        running(redis_url, tmp_path, users) as first,
        running(redis_url, tmp_path, ()) as second,
        first.sign_in("mina") as visitor,
    ):
        first.process.kill()
        with at(second, visitor) as elsewhere:
            assert elsewhere.get("/api/auth/me").json()["name"] == "mina"


async def test_an_alert_reaches_those_at_either_relay_once(relays: list[RelaySite], redis_url: str) -> None:
    user = relays[0].user()
    session = relays[0].session(user)
    async with relays[0].page(user, session) as one, relays[1].page(user, session) as other:
        # Of one instrument: nothing is promised of the order of two shards.
        fired = [relays[0].write_alert(new_alert(user, token=7)) for _ in range(3)]
        for page in (one, other):
            for _ in fired:
                await page.next("alert")
            assert page.alert_ids() == [alert.id for alert in fired]


async def test_whose_relay_dies_goes_on_at_the_other_and_misses_nothing(redis_url: str, tmp_path: Path) -> None:
    with relay(redis_url, tmp_path) as first, relay(redis_url, tmp_path) as second:
        user = first.user()
        session = first.session(user)
        async with first.page(user, session) as page:
            before = first.write_alert(new_alert(user))
            frame = await page.next("alert")
            told = frame["at"]
            first.process.kill()
            between = first.write_alert(new_alert(user))
            await page.closed()
        after = ",".join(f"{tag}:{entry}" for tag, entry in told.items())
        async with second.page(user, session, query=f"?after={after}") as page:
            late = second.write_alert(new_alert(user))
            while late.id not in page.alert_ids():
                await page.next("alert")
            assert [it for it in page.alert_ids() if it != before.id] == [between.id, late.id]
