"""Forms that were on somebody's screen when the record behind them changed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import resources, viewer
from stormalert.access.sessions import SignedIn
from stormalert.model import Channel, QuietHours, Role, User
from stormalert.store import Store, open_store
from tests.store.records import a_channel, a_session

ADMIN = User(id="u1", name="asha", password_hash="x", role=Role.ADMIN, created_ms=1)
MINA = User(id="u2", name="mina", password_hash="x", created_ms=1)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    opened = open_store("", tmp_path / "store.sqlite3")
    monkeypatch.setattr(resources, "store", lambda: opened)
    monkeypatch.setattr(viewer, "required", lambda: SignedIn(ADMIN, a_session("s1")))
    yield opened
    opened.close()


def pressed(app: AppTest, label: str, key: str) -> AppTest:
    """Pressed is the button with the label whose key begins with it; no exception is on the page."""
    (button,) = [it for it in app.button if it.label == label and (it.key or "").startswith(key)]
    button.click().run(timeout=30)
    assert not app.exception
    return app


def _users() -> None:
    from dashboard.admin import users

    users.show()


def test_a_user_who_was_switched_off_meanwhile_is_not_switched_on_by_another_admins_page(store: Store) -> None:
    store.save_user(ADMIN)
    mina = store.save_user(MINA)
    app = AppTest.from_function(_users).run(timeout=30)
    assert not app.exception
    store.save_user(mina.model_copy(update={"is_off": True, "role": Role.ADMIN}))
    pressed(app.run(), "Save", "save-u2")
    known = store.user("u2")
    assert known and known.is_off and known.role is Role.ADMIN


def _when() -> None:
    from dashboard import resources
    from dashboard.channels import preferences

    channels = resources.store().channels_of("u1")
    for channel in channels:
        if changed := preferences.ask(channel, channels):
            resources.store().save_channel(changed)


def drawn(store: Store, *channels: Channel) -> AppTest:
    for channel in channels:
        store.save_channel(channel)
    app = AppTest.from_function(_when).run(timeout=30)
    assert not app.exception
    return app


def test_quiet_hours_and_a_stand_in_that_were_set_meanwhile_are_not_put_back_by_another_tab(store: Store) -> None:
    app = drawn(store, a_channel("c1"), a_channel("c2", address="mina@example.com"))
    known = store.channel("c2")
    assert known
    quiet = QuietHours(from_min=60, to_min=120, zone="Europe/London")
    wanted = {"quiet": quiet, "stands_in_for": "c1", "stands_in_after_min": 7}
    store.save_channel(known.model_copy(update=wanted))
    pressed(app.run(), "Save", "save-when-c2")
    known = store.channel("c2")
    assert known and {name: getattr(known, name) for name in wanted} == wanted


def test_a_stored_time_zone_that_is_not_offered_stays_as_it_is(store: Store) -> None:
    quiet = QuietHours(from_min=60, to_min=120, zone="posix/Asia/Kolkata")
    app = drawn(store, a_channel("c1", quiet=quiet))
    pressed(app, "Save", "save-when-c1")
    known = store.channel("c1")
    assert known and known.quiet == quiet
