"""The link that makes a Telegram chat a channel, as the page tells of it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import resources, viewer
from stormalert.access.sessions import SignedIn
from stormalert.model import ChannelKind, User
from stormalert.notify import linking
from stormalert.process import connect_in_thread
from stormalert.store import Store, open_store
from tests.store.records import a_channel, a_session

CHAT = a_channel("c1", kind=ChannelKind.TELEGRAM, address="42", is_verified=True)
Told = Callable[[Callable[[], object]], str]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store("", tmp_path / "store.sqlite3")
    yield opened
    opened.close()


def _drawn() -> None:
    from dashboard.channels import verification

    verification.link_telegram()


@pytest.fixture
def told(store: Store, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Told]:
    """What is said when the link is gone after something happened."""
    client = connect_in_thread(redis_url)
    asha = User(id="u1", name="asha", password_hash="x", created_ms=1)
    monkeypatch.setattr(resources, "store", lambda: store)
    monkeypatch.setattr(resources, "thread_redis", lambda: client)
    monkeypatch.setattr(viewer, "required", lambda: SignedIn(asha, a_session("s1")))

    def after(happens: Callable[[], object]) -> str:
        app = AppTest.from_function(_drawn).run(timeout=30)
        app.button[0].click().run(timeout=30)
        assert "Waiting for the chat" in app.caption[-1].value
        happens()
        client.flushall()
        app.run(timeout=30)
        assert not app.exception
        return str(app.session_state["flash"])

    yield after
    client.close()


def test_a_link_that_ran_out_links_nothing_whoever_was_linked_before(store: Store, told: Told) -> None:
    assert told(lambda: None) == "The link is too old; make a new one."
    store.save_channel(CHAT)
    assert told(lambda: None) == "The link is too old; make a new one."


def test_a_chat_is_linked_the_first_time_and_again(store: Store, told: Told) -> None:
    for chat in ("42", "43", "42"):
        assert told(lambda chat=chat: linking.link_chat(store, "u1", chat)) == "Telegram is linked."  # type: ignore[misc]
