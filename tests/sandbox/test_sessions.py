import hashlib
from datetime import datetime
from pathlib import Path

import pytest

from sandbox.recording import INDIA
from sandbox.sessions import KiteSessions, expires_s
from sandbox.state import open_database


@pytest.fixture
def sessions(tmp_path: Path) -> KiteSessions:
    return KiteSessions(open_database(tmp_path), "key", "secret")


def checksum(request_token: str, secret: str = "secret") -> str:
    return hashlib.sha256(f"key{request_token}{secret}".encode()).hexdigest()


def test_a_request_token_serves_once(sessions: KiteSessions) -> None:
    request_token = sessions.begin()
    access_token = sessions.exchange(request_token, checksum(request_token))
    assert access_token
    assert sessions.is_valid("key", access_token)
    assert sessions.exchange(request_token, checksum(request_token)) is None


def test_a_checksum_with_another_secret_is_refused_and_spends_nothing(sessions: KiteSessions) -> None:
    request_token = sessions.begin()
    assert sessions.exchange(request_token, checksum(request_token, "guess")) is None
    assert sessions.exchange(request_token, checksum(request_token))


def test_the_next_login_ends_the_one_before(sessions: KiteSessions) -> None:
    first, second = (sessions.exchange(token, checksum(token)) for token in (sessions.begin(), sessions.begin()))
    assert not sessions.is_valid("key", str(first))
    assert sessions.is_valid("key", str(second))


def test_an_access_token_outlives_a_restart(tmp_path: Path) -> None:
    before = KiteSessions(open_database(tmp_path), "key", "secret")
    request_token = before.begin()
    access_token = before.exchange(request_token, checksum(request_token))
    assert KiteSessions(open_database(tmp_path), "key", "secret").is_valid("key", str(access_token))


@pytest.mark.parametrize(
    ("made", "expires"),
    [
        ("2026-11-23 05:59:59", "2026-11-23 06:00:00"),
        ("2026-11-23 06:00:00", "2026-11-24 06:00:00"),
        ("2026-11-23 23:30:00", "2026-11-24 06:00:00"),
    ],
)
def test_a_session_ends_at_six_in_india(made: str, expires: str) -> None:
    def seconds(text: str) -> float:
        return datetime.fromisoformat(text).replace(tzinfo=INDIA).timestamp()

    assert expires_s(seconds(made)) == seconds(expires)
