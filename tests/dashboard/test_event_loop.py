"""What routes that run in the event loop ask the store, they ask in threads: nobody else is answered meanwhile."""

import asyncio
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request

from dashboard import resources
from dashboard.accounts import authentication
from dashboard.api import auth
from stormalert.access.sessions import SignedIn
from stormalert.store import Store, open_store
from tests.store.records import a_session, a_user


class InThreads:
    """A store that cannot be asked in an event loop."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        def asked(*given: Any) -> Any:
            with pytest.raises(RuntimeError, match="no running event loop"):
                asyncio.get_running_loop()
            return getattr(self._store, name)(*given)

        return asked


async def test_a_second_factor_is_removed_in_a_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def passes(*_: object) -> None:
        pass

    with closing(open_store("", tmp_path / "store.sqlite3")) as store:
        user = store.save_user(a_user(totp_sealed="sealed"))
        monkeypatch.setattr(resources, "store", lambda: InThreads(store))
        monkeypatch.setattr(authentication, "check_code", passes)
        request = Request({"type": "http", "headers": []})
        await auth.remove_second_factor(request, SignedIn(user, a_session(user=user.id)), auth.SecondFactorCode(code="123456"))
        found = store.user(user.id)
        assert found and not found.has_second_factor
