import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import httpx
import jwt
import pytest
import redis
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from stormalert.access.sessions import ACCESS_COOKIE, REFRESH_COOKIE, Keyring
from stormalert.model import Role
from stormalert.redis import keys

from .conftest import JWT_SECRET, PASSWORD, Site, post_login, shut

GATED = (
    "/",
    "/rules",
    "/backtest",
    "/settings",
    "/channels",
    "/admin",
    "/admin?part=Queue",
    "/admin/queue/",
    "/admin/queue/0/data/queues.json",
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
def test_a_stranger_gets_nothing(site: Site, path: str) -> None:
    with site.visitor() as visitor:
        answer = visitor.get(path)
        assert answer.status_code in (303, 401)
        assert answer.headers.get("location", "/login") == "/login"


@pytest.mark.parametrize("path", ["/login", "/healthz", "/_stcore/health"])
def test_a_stranger_reaches_what_is_open(site: Site, path: str) -> None:
    with site.visitor() as visitor:
        assert visitor.get(path).status_code == 200


def websocket_status(site: Site, cookie: str = "", origin: str = "") -> int:
    """The HTTP status with which the handshake with Streamlit's websocket ends."""
    headers = {"Cookie": cookie} if cookie else {}
    address = site.url.replace("http", "ws") + "/_stcore/stream"
    try:
        with connect(address, additional_headers=headers, origin=origin or site.url, proxy=None, open_timeout=60):  # type: ignore[arg-type]
            return 101
    except InvalidStatus as refusal:
        return int(refusal.response.status_code)


def test_the_websocket_is_for_the_signed_in_only(site: Site) -> None:
    session = site.session("mina")
    assert websocket_status(site) == 403
    assert websocket_status(site, f"{ACCESS_COOKIE}=forged") == 403
    assert websocket_status(site, f"{ACCESS_COOKIE}={session}") == 101


def test_the_websocket_refuses_another_sites_page(site: Site) -> None:
    session = site.session("mina")
    assert websocket_status(site, f"{ACCESS_COOKIE}={session}", origin="https://evil.example") == 403


def test_the_right_password_signs_in_with_a_cookie_that_scripts_cannot_read(site: Site) -> None:
    with site.visitor() as visitor:
        answer = post_login(visitor, "mina", PASSWORD)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        cookie = next(row for row in answer.headers.get_list("set-cookie") if row.startswith(ACCESS_COOKIE))
        assert "HttpOnly" in cookie and "SameSite=lax" in cookie and "Secure" not in cookie
        assert visitor.get("/").status_code == 200


def test_the_cookie_is_secure_behind_https(site: Site) -> None:
    with httpx.Client(base_url=site.url, timeout=60, trust_env=False, headers={"X-Forwarded-Proto": "https"}) as visitor:
        csrf = visitor.get("/login").headers["set-cookie"].split(";")[0]
        token = csrf.partition("=")[2]
        form = {"csrf": token, "name": "mina", "password": PASSWORD}
        answer = visitor.post("/login", data=form, headers={"Cookie": csrf})
        assert answer.status_code == 303
        assert "Secure" in next(row for row in answer.headers.get_list("set-cookie") if row.startswith(ACCESS_COOKIE))


@pytest.mark.parametrize(("name", "password"), [("mina", "wrong"), ("nobody", PASSWORD), ("", ""), ("mina", "x" * 5000)])
def test_a_wrong_sign_in_is_one_sentence_that_tells_nothing(site: Site, name: str, password: str) -> None:
    with site.visitor() as visitor:
        answer = post_login(visitor, name, password)
        assert answer.status_code == 401
        assert answer.text.count("The name or the password is wrong.") == 1
        assert ACCESS_COOKIE not in visitor.cookies


def test_what_was_typed_is_shown_as_text(site: Site) -> None:
    with site.visitor() as visitor:
        answer = post_login(visitor, '"><script>x</script>', "wrong")
        assert "<script" not in answer.text and "&lt;script&gt;" in answer.text


def test_a_sign_in_without_the_pages_token_is_refused(site: Site) -> None:
    with site.visitor() as visitor:
        form = {"name": "mina", "password": PASSWORD}
        assert visitor.post("/login", data=form).status_code == 403
        assert visitor.post("/login", data=form | {"csrf": "guessed"}).status_code == 403
        visitor.get("/login")
        assert visitor.post("/login", data=form | {"csrf": "guessed"}).status_code == 403
        assert ACCESS_COOKIE not in visitor.cookies


def test_guessing_is_slowed_down_for_the_name_with_the_wait_told(site: Site) -> None:
    with site.visitor() as visitor:
        # More than it takes: on a slow machine the first pauses are over before the next try.
        tries = [post_login(visitor, "mina", "wrong") for _ in range(10)]
        assert [it.status_code for it in tries[:4]] == [401] * 4
        refused = next(it for it in tries if it.status_code == 429)
        assert int(refused.headers["retry-after"]) >= 1
        assert "Too many sign-ins were tried. Please wait" in refused.text


def test_the_right_password_waits_too_and_another_name_does_not(site: Site) -> None:
    with site.visitor() as visitor:
        shut(site, "mina", visitor)
        assert post_login(visitor, "mina", PASSWORD).status_code == 429
        assert post_login(visitor, "asha", PASSWORD).status_code == 303


def test_many_names_from_one_address_are_slowed_down(site: Site) -> None:
    with site.visitor() as visitor:
        codes = [post_login(visitor, f"name{n}", "").status_code for n in range(23)]
        assert codes[:20] == [401] * 20 and 429 in codes[20:]


def test_a_success_makes_the_tries_forgotten(site: Site) -> None:
    with site.visitor() as visitor:
        for _ in range(3):
            post_login(visitor, "mina", "wrong")
        assert post_login(visitor, "mina", PASSWORD).status_code == 303
    with redis.Redis.from_url(site.redis_url) as client:
        assert not [*client.scan_iter(keys.sign_ins.glob()), *client.scan_iter(keys.sign_in_pause.glob())]


def session_id(access: str) -> str:
    claims = Keyring(JWT_SECRET).read(access)
    assert claims
    return claims["sid"]


def sign_out_token(access: str) -> str:
    return hmac.new(JWT_SECRET.encode(), f"sign out {session_id(access)}".encode(), hashlib.sha256).hexdigest()


def test_signing_out_ends_the_session_everywhere(site: Site) -> None:
    with site.sign_in("mina") as visitor:
        session = visitor.cookies[ACCESS_COOKIE]
        answer = visitor.post("/logout", data={"csrf": sign_out_token(session)})
        assert (answer.status_code, answer.headers["location"]) == (303, "/login")
        assert ACCESS_COOKIE not in visitor.cookies
    with site.visitor() as thief:
        thief.cookies.set(ACCESS_COOKIE, session)
        assert thief.get("/").status_code == 303
    assert websocket_status(site, f"{ACCESS_COOKIE}={session}") == 403
    with redis.Redis.from_url(site.redis_url) as client:
        assert 0 < client.ttl(keys.revoked(session_id(session))) <= 7 * 24 * 3600 + 60
    assert site.store.session(session_id(session)) is None


def test_another_site_cannot_sign_somebody_out(site: Site) -> None:
    with site.sign_in("mina") as visitor:
        assert visitor.post("/logout").status_code == 403
        assert visitor.get("/logout").status_code == 405
        assert visitor.get("/").status_code == 200


def forged(token: str, secret: str = JWT_SECRET, **changes: Any) -> str:
    claims = jwt.decode(token, options={"verify_signature": False})
    return jwt.encode({**claims, **changes}, secret, "HS256", jwt.get_unverified_header(token))


@pytest.mark.parametrize(
    "forge",
    [
        lambda token: forged(token, "x" * 32),
        lambda token: forged(token, exp=1),
        lambda token: forged(token, aud="other"),
        lambda token: forged(token, sub="u-asha"),
        lambda token: forged(token, sid="nobody"),
        lambda token: jwt.encode(jwt.decode(token, options={"verify_signature": False}), None, "none"),
        lambda _: "",
        lambda _: "a.b.c",
    ],
    ids=["another secret", "expired", "another audience", "another user", "no session", "unsigned", "empty", "nonsense"],
)
def test_a_session_that_is_not_ours_opens_nothing(site: Site, forge: Callable[[str], str]) -> None:
    session = site.session("mina")
    with site.visitor() as visitor:
        assert visitor.get("/", headers={"Cookie": f"{ACCESS_COOKIE}={forged(session)}"}).status_code == 200
        assert visitor.get("/", headers={"Cookie": f"{ACCESS_COOKIE}={forge(session)}"}).status_code == 303


def test_an_access_token_that_ran_out_is_renewed_as_long_as_the_session_lasts(site: Site) -> None:
    with site.sign_in("mina") as visitor:
        access, refresh = visitor.cookies[ACCESS_COOKIE], visitor.cookies[REFRESH_COOKIE]
    expired = forged(access, exp=1)
    with site.visitor() as visitor:
        cookie = f"{ACCESS_COOKIE}={expired}; {REFRESH_COOKIE}={refresh}"
        answer = visitor.get("/", headers={"Cookie": cookie})
        assert answer.status_code == 200
        renewed = next(row for row in answer.headers.get_list("set-cookie") if row.startswith(ACCESS_COOKIE))
        assert "HttpOnly" in renewed and "SameSite=lax" in renewed
        assert session_id(renewed.partition("=")[2].partition(";")[0]) == session_id(access)
        assert websocket_status(site, cookie) == 101
        for wrong in (f"{refresh}x", refresh.partition(".")[0], f"nobody.{refresh.partition('.')[2]}", "."):
            cookies = f"{ACCESS_COOKIE}={expired}; {REFRESH_COOKIE}={wrong}"
            assert visitor.get("/", headers={"Cookie": cookies}).status_code == 303
        site.store.delete_session(session_id(access))
        assert visitor.get("/", headers={"Cookie": cookie}).status_code == 303


def test_a_script_token_opens_no_page(site: Site) -> None:
    with site.sign_in("asha") as admin:
        made = admin.post("/api/auth/tokens", json={"label": "cron", "scopes": ["read", "write", "admin"]}).json()
    with site.visitor() as script:
        script.headers["Authorization"] = f"Bearer {made['token']}"
        assert script.get("/api/auth/me").status_code == 200
        assert script.get("/api/admin/system-status").status_code == 200
        assert script.get("/").status_code == 303
        assert script.get("/kite/login").status_code == 303
        assert script.get("/", headers={"Cookie": f"{ACCESS_COOKIE}={made['token']}"}).status_code == 303


def test_a_role_that_was_taken_away_is_away_at_once(site: Site) -> None:
    with site.sign_in("asha") as admin:
        assert admin.get("/api/admin/system-status").status_code == 200
        asha = site.store.user("u-asha")
        assert asha
        member = site.store.save_user(asha.model_copy(update={"role": Role.MEMBER}))
        assert admin.get("/api/admin/system-status").status_code == 403
        assert admin.get("/kite/login").status_code == 403
        site.store.save_user(member.model_copy(update={"role": Role.ADMIN}))


def test_only_admins_see_the_systems_status(site: Site) -> None:
    with site.visitor() as stranger, site.sign_in("mina") as member, site.sign_in("asha") as admin:
        assert stranger.get("/api/admin/system-status").status_code == 401
        assert member.get("/api/admin/system-status").status_code == 403
        answer = admin.get("/api/admin/system-status")
        assert answer.status_code == 200 and isinstance(json.loads(answer.text), dict)


def test_sign_ins_are_in_the_audit_log(site: Site) -> None:
    with site.visitor() as visitor:
        post_login(visitor, "mina", "wrong")
        post_login(visitor, "mina", PASSWORD)
    newest = [(entry.user, entry.action, entry.detail) for entry in site.store.audit(limit=2)]
    assert newest == [("u-mina", "signed in", "127.0.0.1"), ("u-mina", "sign-in refused", "127.0.0.1")]


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        ("login", {"password": PASSWORD}, "body.name: Field required, was nothing"),
        ("login", {"name": "mina", "pasword": PASSWORD}, "body.password: Field required, was nothing"),
        (
            "login",
            {"name": {"password": PASSWORD}, "password": "x"},
            "body.name: Input should be a valid string, was an object",
        ),
        ("login", {"name": [PASSWORD], "password": "x"}, "body.name: Input should be a valid string, was a list"),
        ("login", PASSWORD, "was (not shown)"),
        ("join", {"token": PASSWORD, "name": "ravi"}, "body.password: Field required, was nothing"),
        ("join", {"token": PASSWORD * 100, "name": "ravi", "password": "x"}, "was (not shown)"),
        ("login", {"name": 7, "password": "x"}, "body.name: Input should be a valid string, was 7"),
    ],
)
def test_what_was_typed_wrong_is_told_without_what_may_be_secret(site: Site, path: str, body: object, told: str) -> None:
    with site.visitor() as visitor:
        answer = visitor.post(f"/api/auth/{path}", json=body)
    assert answer.status_code == 422 and PASSWORD not in answer.text
    assert told in answer.json()["detail"]


def test_a_body_that_is_no_json_is_not_told(site: Site) -> None:
    with site.visitor() as visitor:
        for kind in ("application/json", "text/plain"):
            answer = visitor.post("/api/auth/login", content=PASSWORD, headers={"Content-Type": kind})
            assert answer.status_code == 422 and PASSWORD not in answer.text


def test_no_password_and_no_session_is_in_the_log(site: Site) -> None:
    session = site.session("mina")
    text = site.log.read_text()
    assert "started" in text
    assert PASSWORD not in text and session not in text
