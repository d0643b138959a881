import time
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest
from redis import Redis

from stormalert.access import second_factor
from stormalert.access.security import Sealer
from stormalert.model import User
from stormalert.store import Store

SEAL = Sealer("m" * 32)


def code_of(secret: str, steps_off: int = 0) -> str:
    return pyotp.TOTP(secret).at(int(time.time()) + 30 * steps_off)


@pytest.fixture(autouse=True)
def in_one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no step ends between two lines of a test."""
    now_s = time.time()
    monkeypatch.setattr(time, "time", lambda: now_s)


def test_an_app_gets_all_it_needs() -> None:
    secret = second_factor.new_secret()
    parts = urlsplit(second_factor.uri(secret, "asha"))
    assert (parts.scheme, parts.netloc, parts.path) == ("otpauth", "totp", "/StormAlert:asha")
    assert parse_qs(parts.query) == {"secret": [secret], "issuer": ["StormAlert"]}
    assert secret != second_factor.new_secret()


@pytest.mark.parametrize(("steps_off", "is_right"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_code_is_right_one_step_before_and_after(steps_off: int, is_right: bool) -> None:
    secret = second_factor.new_secret()
    assert (second_factor.matching_step(secret, code_of(secret, steps_off)) is not None) is is_right


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "١٢٣٤٥٦", "12345\n6 7", " "])
def test_what_is_no_code_is_none(code: str) -> None:
    assert second_factor.matching_step(second_factor.new_secret(), code) is None


def test_a_code_is_good_once(store: Store, client: Redis) -> None:
    secret = second_factor.new_secret()
    user = store.save_user(User(id="u1", name="asha", password_hash="x", created_ms=1, totp_sealed=SEAL.seal(secret)))
    code = code_of(secret)
    assert second_factor.passes(store, client, SEAL, user, f"{code[:3]} {code[3:]}")
    assert not second_factor.passes(store, client, SEAL, user, code)
    assert second_factor.passes(store, client, SEAL, user, code_of(secret, 1))


def test_a_recovery_code_is_good_once_and_is_kept_nowhere(store: Store, client: Redis) -> None:
    codes = second_factor.new_recovery_codes()
    assert len(set(codes)) == 8
    fields = {"totp_sealed": SEAL.seal("x"), "recovery_digests": tuple(map(second_factor.recovery_digest, codes))}
    user = store.save_user(User(id="u1", name="asha", password_hash="x", created_ms=1, **fields))  # type: ignore[arg-type]
    assert not any(code in user.model_dump_json() for code in codes)
    assert second_factor.passes(store, client, SEAL, user, codes[3].upper().replace("-", " "))
    now = store.user("u1")
    assert now and len(now.recovery_digests) == 7
    assert not second_factor.passes(store, client, SEAL, now, codes[3])
    # Twice at the same moment: the record that came second is an old one.
    assert second_factor.passes(store, client, SEAL, now, codes[0])
    assert not second_factor.passes(store, client, SEAL, now, codes[0])
