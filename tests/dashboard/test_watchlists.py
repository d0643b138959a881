"""A watchlist holds what Kite's sockets carry, whichever way its instruments come."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import resources, viewer, watchlists
from stormalert.access.sessions import SignedIn
from stormalert.errors import InputError
from stormalert.model import Instrument, Role, User
from stormalert.store import open_store
from tests.store.records import a_session


def _watch() -> None:
    from dashboard.admin import onboarding

    onboarding._watch()


def test_the_first_steps_add_no_more_than_a_watchlist_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store("", tmp_path / "store.sqlite3")
    store.save_instruments([Instrument(token=1, symbol="NSE:INFY"), Instrument(token=2, symbol="NSE:TCS")])
    store.save_watchlist("u1", [3, 1])
    admin = User(id="u1", name="asha", password_hash="x", role=Role.ADMIN, created_ms=1)
    monkeypatch.setattr(resources, "store", lambda: store)
    monkeypatch.setattr(viewer, "required", lambda: SignedIn(admin, a_session("s1")))
    app = AppTest.from_function(_watch).run(timeout=30)
    with monkeypatch.context() as patched:
        patched.setattr(watchlists, "MOST", 2)
        (error,) = app.button[0].click().run(timeout=30).error
        assert error.value == "A watchlist holds at most 2 instruments."
        assert store.watchlist("u1") == [3, 1]
    app.button[0].click().run(timeout=30)
    assert not app.exception and store.watchlist("u1") == [3, 1, 2]
    with pytest.raises(InputError, match="already"):
        watchlists.add(store, "u1", [1, 2])
    store.close()
