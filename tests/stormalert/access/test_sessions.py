import time

import jwt
import pytest
from redis import Redis

from stormalert.access.sessions import ACCESS_S, SEEN_EVERY_MS, Keyring, Sessions
from stormalert.config import settings
from stormalert.errors import StormError
from stormalert.model import Role, Scope, User
from stormalert.redis import keys
from stormalert.store import Store
from stormalert.units import DAY_MS, HOUR_MS, now_ms

SECRET, OTHER = "s" * 32, "o" * 32


@pytest.fixture
def sessions(store: Store, client: Redis) -> Sessions:
    return Sessions(store, client, settings.parse({"JWT_SECRET": SECRET, "STORM_SESSION_DAYS": "3"}))


@pytest.fixture
def asha(store: Store) -> User:
    return store.save_user(User(id="u1", name="asha", password_hash="x", role=Role.ADMIN, created_ms=1))


def claims(**changes: object) -> dict[str, object]:
    now_s = int(time.time())
    return {"sub": "u1", "jti": "a1", "iat": now_s, "exp": now_s + 60, "aud": "stormalert", "sid": "s1"} | changes


def kid(secret: str = SECRET) -> dict[str, str]:
    return {"kid": str(jwt.get_unverified_header(Keyring(secret).sign("u1", 60))["kid"])}


def test_a_token_says_whose_it_is_and_with_which_secret_it_was_signed() -> None:
    first, second = (Keyring(SECRET).sign("u1", 60, sid="s1") for _ in range(2))
    read = Keyring(SECRET).read(first)
    assert read and (read["sub"], read["sid"]) == ("u1", "s1")
    assert read["jti"] != (Keyring(SECRET).read(second) or {})["jti"]
    assert 58 <= int(read["exp"]) - time.time() <= 61
    assert kid(SECRET) != kid(OTHER) and SECRET not in str(kid(SECRET))


def test_what_the_secret_before_signed_is_read_until_it_is_removed() -> None:
    token = Keyring(OTHER).sign("u1", 60)
    assert Keyring(SECRET, OTHER).read(token)
    assert Keyring(SECRET).read(token) is None
    assert Keyring(OTHER).read(Keyring(SECRET, OTHER).sign("u1", 60)) is None


def test_a_token_for_something_else_is_no_session() -> None:
    token = Keyring(SECRET).sign("u1", 60, "a device")
    assert Keyring(SECRET).read(token) is None
    assert Keyring(SECRET).read(token, "a device")


def test_without_a_secret_nothing_is_signed() -> None:
    with pytest.raises(StormError, match="JWT_SECRET is not set"):
        Keyring("").sign("u1", 60)
    assert Keyring("").read(Keyring(SECRET).sign("u1", 60)) is None


@pytest.mark.parametrize(
    "token",
    [
        jwt.encode(claims(exp=int(time.time()) - 1), SECRET, "HS256", kid()),
        jwt.encode(claims(aud="somebody-else"), SECRET, "HS256", kid()),
        jwt.encode(claims(), "", "none", kid()),
        jwt.encode(claims(), SECRET * 2, "HS512", kid()),
        jwt.encode(claims(), SECRET, "HS256"),
        jwt.encode(claims(), SECRET, "HS256", {"kid": "nobody"}),
        jwt.encode({name: value for name, value in claims().items() if name != "jti"}, SECRET, "HS256", kid()),
        jwt.encode({name: value for name, value in claims().items() if name != "exp"}, SECRET, "HS256", kid()),
        "",
        "a.b.c",
        "not a token",
    ],
    ids=["expired", "for another", "unsigned", "another algorithm", "no kid", "unknown kid", "no id", "no end", "empty", "dots",
         "words"],
)  # fmt: skip
def test_what_is_no_token_of_ours_is_nobodys(token: str) -> None:
    assert Keyring(SECRET).read(jwt.encode(claims(), SECRET, "HS256", kid()))
    assert Keyring(SECRET).read(token) is None


def test_a_browser_is_known_by_its_access_token_and_then_by_its_refresh_secret(sessions: Sessions, asha: User) -> None:
    begun = sessions.begin(asha, "Firefox", "192.0.2.1")
    found = sessions.find(begun.access, "")
    assert found and (found.user, found.session, found.renewed) == (asha, begun.session, "")
    again = sessions.find("", begun.refresh)
    assert again and again.user == asha and sessions.find(again.renewed, "")
    assert begun.session.expires_ms - now_ms() <= 3 * DAY_MS
    assert int((sessions.keyring.read(begun.access) or {})["exp"]) - time.time() <= ACCESS_S


def test_a_page_that_stays_open_is_noted_once_a_minute(sessions: Sessions, store: Store, asha: User) -> None:
    begun = sessions.begin(asha, "Firefox", "192.0.2.1")

    def seen_after(seen_ms: int) -> int:
        """What is stored when the page is drawn with its old token."""
        store.save_session(begun.session.model_copy(update={"seen_ms": seen_ms}))
        assert sessions.find("", begun.refresh)
        stored = store.session(begun.session.id)
        assert stored
        return stored.seen_ms

    before_ms = now_ms()
    assert seen_after(before_ms - SEEN_EVERY_MS) >= before_ms
    recently_ms = now_ms() - SEEN_EVERY_MS // 2
    assert seen_after(recently_ms) == recently_ms


def test_the_store_has_no_secret_of_a_session(sessions: Sessions, store: Store, asha: User) -> None:
    begun = sessions.begin(asha, "Firefox", "192.0.2.1")
    stored = store.session(begun.session.id)
    assert stored and begun.refresh.partition(".")[2] not in stored.model_dump_json()


def test_another_sessions_secret_does_not_do(sessions: Sessions, asha: User) -> None:
    first, second = sessions.begin(asha, "", ""), sessions.begin(asha, "", "")
    mixed = f"{first.session.id}.{second.refresh.partition('.')[2]}"
    assert sessions.find("", mixed) is None
    assert sessions.find("", f"{first.session.id}.") is None


def test_a_session_that_was_ended_is_over_although_redis_forgot_it(
    sessions: Sessions, client: Redis, store: Store, asha: User
) -> None:
    begun = sessions.begin(asha, "", "")
    sessions.end(begun.session)
    assert 0 < client.pttl(keys.revoked(begun.session.id)) <= 3 * DAY_MS + HOUR_MS
    assert sessions.find(begun.access, begun.refresh) is None
    client.flushall()
    assert sessions.find(begun.access, begun.refresh) is None
    # And the other way round: what another process ended a moment ago.
    begun = sessions.begin(asha, "", "")
    client.set(keys.revoked(begun.session.id), 1)
    assert sessions.find(begun.access, begun.refresh) is None


def test_all_sessions_of_a_user_can_be_ended_but_one(sessions: Sessions, asha: User) -> None:
    kept, *others = [sessions.begin(asha, str(number), "") for number in range(3)]
    assert sessions.end_all(asha.id, but=kept.session.id) == 2
    assert sessions.of(asha) == [kept.session]
    assert [sessions.find(it.access, it.refresh) for it in others] == [None, None]


def test_an_expired_session_and_one_of_a_user_who_is_off_or_gone_are_nobodys(
    sessions: Sessions, store: Store, asha: User
) -> None:
    begun = sessions.begin(asha, "", "")
    off = store.save_user(asha.model_copy(update={"is_off": True}))
    assert sessions.find(begun.access, begun.refresh) is None
    store.save_user(off.model_copy(update={"is_off": False}))
    assert sessions.find(begun.access, begun.refresh)
    store.save_session(begun.session.model_copy(update={"expires_ms": now_ms() - 1}))
    assert sessions.find(begun.access, begun.refresh) is None and sessions.of(asha) == []


def test_a_script_has_a_token_and_no_way_to_another_one(sessions: Sessions, asha: User) -> None:
    begun = sessions.begin_script(asha, "cron", "192.0.2.1", (Scope.WRITE,), DAY_MS)
    found = sessions.find_script(begun.access)
    assert found and found.session.label == "cron" and begun.refresh == ""
    assert [found.session.allows(scope) for scope in Scope] == [True, True, False]
    assert sessions.find(begun.access, f"{begun.session.id}.") is None
    assert sessions.find_script(sessions.begin(asha, "", "").access) is None
    sessions.end(begun.session)
    assert sessions.find_script(begun.access) is None
