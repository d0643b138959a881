import re
import time

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import VerifyMismatchError

from stormalert.access import security
from stormalert.errors import StormError

SECRET, OTHER = "s" * 32, "o" * 32


def claims(**changes: object) -> dict[str, object]:
    now_s = int(time.time())
    return {"sub": "u1", "role": "admin", "jti": "j1", "iat": now_s, "exp": now_s + 60, "aud": "stormalert"} | changes


def test_a_password_is_kept_as_argon2id_with_the_low_memory_profile_of_rfc_9106() -> None:
    digest = security.hash_password("correct horse")
    assert digest.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert security.is_password("correct horse", digest)
    assert not security.is_password("wrong horse", digest)
    assert security.hash_password("correct horse") != digest


@pytest.mark.parametrize("digest", [None, "", "not a digest"])
def test_no_password_is_right_for_nobody(digest: str | None) -> None:
    assert not security.is_password("", digest)


def test_an_unknown_name_costs_what_a_wrong_password_costs() -> None:
    unknown = security._UNKNOWN_USER_HASH
    assert extract_parameters(unknown) == extract_parameters(security.hash_password("correct horse"))
    with pytest.raises(VerifyMismatchError):
        PasswordHasher().verify(unknown, "correct horse")


def test_what_was_sealed_comes_back_and_shows_nothing_of_itself() -> None:
    sealer = security.Sealer(SECRET)
    sealed = sealer.seal("kite access token")
    assert "kite" not in sealed
    assert sealer.seal("kite access token") != sealed
    assert security.Sealer(SECRET).unseal(sealed) == "kite access token"


@pytest.mark.parametrize("change", [lambda sealed: sealed[:-8] + "AAAAAAA=", lambda sealed: "rubbish", lambda sealed: ""])
def test_what_was_changed_is_not_opened(change) -> None:  # type: ignore[no-untyped-def]
    sealer = security.Sealer(SECRET)
    with pytest.raises(StormError, match="STORM_MASTER_SECRET"):
        sealer.unseal(change(sealer.seal("token")))


def test_another_master_secret_opens_nothing() -> None:
    with pytest.raises(StormError, match="STORM_MASTER_SECRET"):
        security.Sealer(OTHER).unseal(security.Sealer(SECRET).seal("token"))


def test_ids_are_10_letters_and_digits_and_do_not_repeat() -> None:
    made = {security.new_id() for _ in range(1_000)}
    assert len(made) == 1_000
    assert all(re.fullmatch(r"[a-z0-9]{10}", one) for one in made)
