import json
from typing import Any

import httpx
import jwt
import pytest
import redis
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from stormalert import keys
from stormalert.security import SESSION_COOKIE, issue_session, read_session

from .conftest import JWT_SECRET, PASSWORD, Rig, post_login

GATED = (
    "/",
    "/rules",
    "/settings",
    "/index.html",
    "/kite/login",
    "/kite/callback?request_token=x&status=success",
    "/api/admin/system-status",
    "/_stcore/host-config",
    "/_stcore/metrics",
    "/media/x.png",
    "/component/x/index.html",
    "/static/../index.html",
    "/static/%2e%2e/index.html",
)


@pytest.mark.parametrize("path", GATED)
def test_a_stranger_gets_nothing(rig: Rig, path: str) -> None:
    with rig.visitor() as visitor:
        answer = visitor.get(path)
        assert answer.status_code in (303, 401)
        assert answer.headers.get("location", "/login") == "/login"


@pytest.mark.parametrize("path", ["/login", "/healthz", "/_stcore/health"])
def test_a_stranger_reaches_what_is_open(rig: Rig, path: str) -> None:
    with rig.visitor() as visitor:
        assert visitor.get(path).status_code == 200


def websocket_status(rig: Rig, cookie: str = "", origin: str = "") -> int:
    """The HTTP status with which the handshake with Streamlit's websocket ends."""
    headers = {"Cookie": cookie} if cookie else {}
    address = rig.url.replace("http", "ws") + "/_stcore/stream"
    try:
        with connect(address, additional_headers=headers, origin=origin or rig.url, proxy=None, open_timeout=20):  # type: ignore[arg-type]
            return 101
    except InvalidStatus as refusal:
        return int(refusal.response.status_code)


def test_the_websocket_is_for_the_signed_in_only(rig: Rig) -> None:
    session = rig.session("mina")
    assert websocket_status(rig) == 403
    assert websocket_status(rig, f"{SESSION_COOKIE}=forged") == 403
    assert websocket_status(rig, f"{SESSION_COOKIE}={session}") == 101


def test_the_websocket_refuses_another_sites_page(rig: Rig) -> None:
    session = rig.session("mina")
    assert websocket_status(rig, f"{SESSION_COOKIE}={session}", origin="https://evil.example") == 403


def test_the_right_password_signs_in_with_a_cookie_that_scripts_cannot_read(rig: Rig) -> None:
    with rig.visitor() as visitor:
        answer = post_login(visitor, "mina", PASSWORD)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        cookie = next(row for row in answer.headers.get_list("set-cookie") if row.startswith(SESSION_COOKIE))
        assert "HttpOnly" in cookie and "SameSite=lax" in cookie and "Secure" not in cookie
        assert visitor.get("/").status_code == 200


def test_the_cookie_is_secure_behind_https(rig: Rig) -> None:
    with httpx.Client(base_url=rig.url, timeout=20, trust_env=False, headers={"X-Forwarded-Proto": "https"}) as visitor:
        csrf = visitor.get("/login").headers["set-cookie"].split(";")[0]
        token = csrf.partition("=")[2]
        form = {"csrf": token, "name": "mina", "password": PASSWORD}
        answer = visitor.post("/login", data=form, headers={"Cookie": csrf})
        assert answer.status_code == 303
        assert "Secure" in next(row for row in answer.headers.get_list("set-cookie") if row.startswith(SESSION_COOKIE))


@pytest.mark.parametrize(("name", "password"), [("mina", "wrong"), ("nobody", PASSWORD), ("", ""), ("mina", "x" * 5000)])
def test_a_wrong_sign_in_is_one_sentence_that_tells_nothing(rig: Rig, name: str, password: str) -> None:
    with rig.visitor() as visitor:
        answer = post_login(visitor, name, password)
        assert answer.status_code == 401
        assert answer.text.count("The name or the password is wrong.") == 1
        assert SESSION_COOKIE not in visitor.cookies


def test_what_was_typed_is_shown_as_text(rig: Rig) -> None:
    with rig.visitor() as visitor:
        answer = post_login(visitor, '"><script>x</script>', "wrong")
        assert "<script" not in answer.text and "&lt;script&gt;" in answer.text


def test_a_sign_in_without_the_pages_token_is_refused(rig: Rig) -> None:
    with rig.visitor() as visitor:
        form = {"name": "mina", "password": PASSWORD}
        assert visitor.post("/login", data=form).status_code == 403
        assert visitor.post("/login", data=form | {"csrf": "guessed"}).status_code == 403
        visitor.get("/login")
        assert visitor.post("/login", data=form | {"csrf": "guessed"}).status_code == 403
        assert SESSION_COOKIE not in visitor.cookies


def test_guessing_is_slowed_down_for_the_name_with_the_wait_told(rig: Rig) -> None:
    with rig.visitor() as visitor:
        tries = [post_login(visitor, "mina", "wrong") for _ in range(6)]
        assert [it.status_code for it in tries[:4]] == [401] * 4
        refused = next(it for it in tries if it.status_code == 429)
        assert int(refused.headers["retry-after"]) >= 1
        assert "Too many sign-ins were tried. Please wait" in refused.text


def test_the_right_password_waits_too_and_another_name_does_not(rig: Rig) -> None:
    with redis.Redis.from_url(rig.redis_url) as client, rig.visitor() as visitor:
        for _ in range(5):
            post_login(visitor, "mina", "wrong")
        # The pause made long, so that a slow machine sees the same.
        pauses = list(client.scan_iter("storm:signinpause:*"))
        assert len(pauses) == 1
        client.pexpire(pauses[0], 60_000)
        assert post_login(visitor, "mina", PASSWORD).status_code == 429
        assert post_login(visitor, "asha", PASSWORD).status_code == 303


def test_many_names_from_one_address_are_slowed_down(rig: Rig) -> None:
    with rig.visitor() as visitor:
        codes = [post_login(visitor, f"name{n}", "").status_code for n in range(23)]
        assert codes[:20] == [401] * 20 and 429 in codes[20:]


def test_a_success_makes_the_tries_forgotten(rig: Rig) -> None:
    with rig.visitor() as visitor:
        for _ in range(3):
            post_login(visitor, "mina", "wrong")
        assert post_login(visitor, "mina", PASSWORD).status_code == 303
    with redis.Redis.from_url(rig.redis_url) as client:
        assert not list(client.scan_iter("storm:signin*"))


def sign_out_token(rig: Rig, session: str) -> str:
    import hashlib
    import hmac

    read = read_session(session, JWT_SECRET)
    assert read
    return hmac.new(JWT_SECRET.encode(), f"sign out {read.id}".encode(), hashlib.sha256).hexdigest()


def test_signing_out_ends_the_session_everywhere(rig: Rig) -> None:
    with rig.sign_in("mina") as visitor:
        session = visitor.cookies[SESSION_COOKIE]
        answer = visitor.post("/logout", data={"csrf": sign_out_token(rig, session)})
        assert (answer.status_code, answer.headers["location"]) == (303, "/login")
        assert SESSION_COOKIE not in visitor.cookies
    with rig.visitor() as thief:
        thief.cookies.set(SESSION_COOKIE, session)
        assert thief.get("/").status_code == 303
    assert websocket_status(rig, f"{SESSION_COOKIE}={session}") == 403
    read = read_session(session, JWT_SECRET)
    with redis.Redis.from_url(rig.redis_url) as client:
        assert read and 0 < client.ttl(keys.revoked(read.id)) <= 12 * 3600 + 60


def test_another_site_cannot_sign_somebody_out(rig: Rig) -> None:
    with rig.sign_in("mina") as visitor:
        assert visitor.post("/logout").status_code == 403
        assert visitor.get("/logout").status_code == 405
        assert visitor.get("/").status_code == 200


def forged(**changes: Any) -> str:
    good = jwt.decode(issue_session("u-mina", "member", JWT_SECRET), options={"verify_signature": False})
    return jwt.encode({**good, **changes}, changes.pop("_secret", JWT_SECRET), "HS256")


@pytest.mark.parametrize(
    "session",
    [
        issue_session("u-mina", "member", "x" * 32),
        forged(exp=1),
        forged(aud="other"),
        forged(sub="u-nobody"),
        jwt.encode({"sub": "u-mina"}, None, "none"),
        "",
        "a.b.c",
    ],
    ids=["another secret", "expired", "another audience", "no such user", "unsigned", "empty", "nonsense"],
)
def test_a_session_that_is_not_ours_opens_nothing(rig: Rig, session: str) -> None:
    with rig.visitor() as visitor:
        assert visitor.get("/", headers={"Cookie": f"{SESSION_COOKIE}={session}"}).status_code == 303


def test_a_role_in_the_session_is_not_believed(rig: Rig) -> None:
    with rig.visitor() as visitor:
        visitor.cookies.set(SESSION_COOKIE, issue_session("u-mina", "admin", JWT_SECRET))
        assert visitor.get("/api/admin/system-status").status_code == 403


def test_only_admins_see_the_systems_status(rig: Rig) -> None:
    with rig.visitor() as stranger, rig.sign_in("mina") as member, rig.sign_in("asha") as admin:
        assert stranger.get("/api/admin/system-status").status_code == 401
        assert member.get("/api/admin/system-status").status_code == 403
        answer = admin.get("/api/admin/system-status")
        assert answer.status_code == 200 and isinstance(json.loads(answer.text), dict)


def test_sign_ins_are_in_the_audit_log(rig: Rig) -> None:
    with rig.visitor() as visitor:
        post_login(visitor, "mina", "wrong")
        post_login(visitor, "mina", PASSWORD)
    newest = [(entry.user, entry.action, entry.detail) for entry in rig.store.audit(limit=2)]
    assert newest == [("u-mina", "signed in", "127.0.0.1"), ("u-mina", "sign-in refused", "127.0.0.1")]


def test_no_password_and_no_session_is_in_the_log(rig: Rig) -> None:
    session = rig.session("mina")
    text = rig.log.read_text()
    assert "started" in text
    assert PASSWORD not in text and session not in text
