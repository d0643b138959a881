"""Every route, asked by nobody, by whose it is, by another member and by an admin: exactly the declared answers."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import httpx
import pytest
from fastapi import APIRouter
from redis.exceptions import ConnectionError as RedisConnectionError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from dashboard.api import ROUTERS, make_api
from dashboard.api.guard import Guarded
from dashboard.web.access_rules import AccessMount, AccessRoute, AccessRule
from dashboard.web.server import routes
from stormalert.access.sessions import ACCESS_COOKIE
from stormalert.config import overrides
from stormalert.model import (
    Channel,
    ChannelKind,
    DeliveryState,
    Mute,
    MuteScope,
    OneTimeToken,
    OneTimeTokenKind,
    Role,
    Scope,
    User,
)
from stormalert.redis import keys
from stormalert.units import now_ms
from tests.sessions import begin, sessions
from tests.store.records import a_delivery, a_rule, a_session, an_alert

from .conftest import JWT_SECRET, Site

NOBODY, OWNER, OTHER, ADMIN = "nobody", "mina", "omar", "asha"
CALLERS = (NOBODY, OWNER, OTHER, ADMIN)
RULE = {"symbol": "NSE:INFY", "kind": "rolling", "percent": "2", "window": "5m"}
POLICY = {
    "plans": {"standard": {"rules": 10, "channels": 5}},
    "second_factor": "optional",
    "keep_days": 30,
    "keep_audit_days": 30,
}
CSV = "symbol,kind,percent\nNSE:INFY,trailing,1\n"


class AccessCase(NamedTuple):
    """What a route is asked, and the statuses that nobody, the owner, another member and an admin get."""

    route: str
    answers: tuple[int, int, int, int]
    body: Any = None
    query: str = ""


def own(status: int) -> tuple[int, int, int, int]:
    """Of something that belongs to the owner: for all others it is not there."""
    return (401, status, 404, 404)


def members(status: int) -> tuple[int, int, int, int]:
    return (401, status, status, status)


def admins(status: int) -> tuple[int, int, int, int]:
    return (401, 403, 403, status)


CASES = (
    AccessCase("GET /openapi.json", (200, 200, 200, 200)),
    AccessCase("POST /auth/login", (401, 401, 401, 401), {"name": "nobody-of-this-name", "password": "wrong"}),
    AccessCase("POST /auth/logout", members(204)),
    AccessCase("GET /auth/me", members(200)),
    AccessCase("GET /auth/export", members(200)),
    AccessCase("POST /auth/erase", members(403), {"password": "wrong"}),
    AccessCase("POST /auth/password", members(403), {"current": "wrong", "new": "a new long password"}),
    AccessCase("POST /auth/second-factor", members(200)),
    AccessCase("POST /auth/second-factor/accept", members(409), {"offer": "x", "code": "123456"}),
    AccessCase("POST /auth/second-factor/remove", members(409), {"code": "123456"}),
    AccessCase("GET /auth/sessions", members(200)),
    AccessCase("DELETE /auth/sessions/{session}", own(204)),
    AccessCase("POST /auth/tokens", members(201), {"label": "cron", "scopes": ["read"]}),
    AccessCase("POST /auth/join", (410, 410, 410, 410), {"token": "x", "name": "new", "password": "a new long password"}),
    AccessCase("POST /auth/reset", (410, 410, 410, 410), {"token": "x", "password": "a new long password"}),
    AccessCase("GET /rules", members(200)),
    AccessCase("POST /rules", members(201), RULE),
    AccessCase("POST /rules/line", members(201), {"line": "NSE:INFY trailing 1%"}),
    AccessCase("GET /rules/export", members(200)),
    AccessCase("POST /rules/import", members(200), CSV, "?dry_run=true"),
    AccessCase("POST /rules/bulk", members(200), {"act": "pause", "ids": ["r-mina"]}),
    AccessCase("GET /rules/{rule}", own(200)),
    AccessCase("PUT /rules/{rule}", own(409), {"kind": "day", "percent": "1", "revision": 999}),
    AccessCase("DELETE /rules/{rule}", own(204)),
    AccessCase("POST /rules/{rule}/pause", own(200)),
    AccessCase("POST /rules/{rule}/resume", own(409)),
    AccessCase("POST /rules/{rule}/rearm", own(200)),
    AccessCase("GET /rules/{rule}/messages", own(200)),
    AccessCase("PUT /rules/{rule}/messages", own(200), {"loudness": "off"}),
    AccessCase("GET /instruments", members(200), query="?q=INF"),
    AccessCase("GET /instruments/{symbol}", members(200)),
    AccessCase("GET /watchlists", members(200)),
    AccessCase("GET /watchlists/{watchlist}", members(200)),
    AccessCase("PUT /watchlists/{watchlist}", members(200), {"symbols": ["NSE:TCS"]}),
    AccessCase("GET /alerts", members(200), query="?symbol=NSE:INFY&kind=trailing&limit=1"),
    AccessCase("GET /alerts/export", members(200)),
    AccessCase("GET /alerts/{alert}", own(200)),
    AccessCase("POST /alerts/{alert}/resend", own(200)),
    AccessCase("GET /channels", members(200)),
    AccessCase("POST /channels", members(201), {"kind": "email", "address": "new@example.com"}),
    AccessCase("GET /channels/{channel}", own(200)),
    AccessCase("PUT /channels/{channel}", own(409), {"revision": 999}),
    AccessCase("DELETE /channels/{channel}", own(204)),
    AccessCase("POST /channels/{channel}/code", own(202)),
    AccessCase("POST /channels/{channel}/verify", own(422), {"code": "123456"}),
    AccessCase("POST /channels/{channel}/test", own(202)),
    AccessCase("GET /channels/{channel}/errands/{errand}", own(200)),
    AccessCase("GET /channels/{channel}/secret", own(200)),
    AccessCase("GET /settings", members(200)),
    AccessCase("PUT /settings", members(200), {"burst": {"most": 5, "within_s": 10}}),
    AccessCase("GET /mutes", members(200)),
    AccessCase("POST /mutes", own(201), {"scope": "rule", "subject": "r-mina"}),
    AccessCase("DELETE /mutes/{mute}", own(204)),
    AccessCase("GET /admin/users", admins(200)),
    AccessCase("GET /admin/users/{user}", admins(200)),
    AccessCase("PATCH /admin/users/{user}", admins(200), {"plan": "standard"}),
    AccessCase("DELETE /admin/users/{user}", admins(204)),
    AccessCase("GET /admin/users/{user}/export", admins(200)),
    AccessCase("POST /admin/users/{user}/reset", admins(201)),
    AccessCase("POST /admin/users/{user}/drop-second-factor", admins(204)),
    AccessCase("GET /admin/users/{user}/sessions", admins(200)),
    AccessCase("DELETE /admin/users/{user}/sessions", admins(204)),
    AccessCase("GET /admin/invitations", admins(200)),
    AccessCase("POST /admin/invitations", admins(201), {"role": "admin"}),
    AccessCase("DELETE /admin/invitations/{invitation}", admins(204)),
    AccessCase("GET /admin/house", admins(200)),
    AccessCase("PUT /admin/house", admins(200), POLICY),
    AccessCase("GET /admin/keys", admins(200)),
    AccessCase("PUT /admin/keys/{name}", admins(200), {"value": "ACnew"}),
    AccessCase("DELETE /admin/keys/{name}", admins(204)),
    AccessCase("GET /admin/system-status", admins(200)),
    AccessCase("GET /admin/calendar", admins(200)),
    AccessCase("PUT /admin/calendar", admins(200), {"holidays": [{"day": "2027-01-26"}]}),
    AccessCase("GET /admin/audit", admins(200), query="?limit=1"),
)
PLACES = {
    "session": "s-mina",
    "rule": "r-mina",
    "symbol": "NSE:INFY",
    "watchlist": "main",
    "alert": "a-mina-1",
    "channel": "c-mina",
    "errand": "e-mina",
    "mute": "u-mina:all:",
    "user": "u-pari",
    "invitation": "ticket",
    "name": "TWILIO_SID",
}


def declared() -> list[tuple[str, Guarded]]:
    found = [route for router in ROUTERS for route in router.routes]
    return [(f"{method} {route.path}", route) for route in found if isinstance(route, Guarded) for method in route.methods]


@pytest.fixture
def ask(site: Site) -> Iterator[Callable[[str, AccessCase], httpx.Response]]:
    with site.visitor() as visitor:

        def asked(caller: str, case: AccessCase) -> httpx.Response:
            seed(site)
            token = "" if caller == NOBODY else begin(site.store, site.redis_url, JWT_SECRET, f"u-{caller}").access
            method, _, path = case.route.partition(" ")
            is_text = isinstance(case.body, str)
            return visitor.request(
                method,
                f"/api{path.format(**PLACES)}{case.query}",
                headers={"Cookie": f"{ACCESS_COOKIE}={token}"} | ({"Content-Type": "text/csv"} if is_text else {}),
                **{"content" if is_text else "json": case.body},
            )

        yield asked


def seed(site: Site) -> None:
    """Everything that the cases speak of, as it was at first."""
    store = site.store
    for name in ("omar", "pari"):
        if store.user(f"u-{name}") is None:
            store.save_user(User(id=f"u-{name}", name=name, password_hash="x", created_ms=1))
    for record, save in (
        (a_rule("r-mina", user="u-mina"), store.save_rule),
        (Channel(id="c-mina", user="u-mina", kind=ChannelKind.WEBHOOK, address="https://a.example/x"), store.save_channel),
    ):
        known = getattr(store, save.__name__.removeprefix("save_"))(record.id)
        save(record.model_copy(update={"revision": known.revision if known else 0}))
    for channel in (it for user in (OWNER, OTHER, ADMIN) for it in store.channels_of(f"u-{user}")):
        if channel.address == "new@example.com":
            store.delete_channel(channel.id)
    delivery = a_delivery("a-mina-1-c", alert="a-mina-1", user="u-mina", state=DeliveryState.FAILED)
    store.record_fired([an_alert("a-mina-1", user="u-mina")], [delivery])
    store.save_session(a_session("s-mina", user="u-mina"))
    store.save_mute(Mute.of("u-mina", MuteScope.ALL))
    now = now_ms()
    store.save_one_time_token(
        OneTimeToken(id="ticket", kind=OneTimeTokenKind.INVITATION, made_by="u-asha", created_ms=now, expires_ms=now + 60_000)
    )
    overrides.forget(store, "TWILIO_SID")
    with sessions(store, site.redis_url, JWT_SECRET)._client as client:
        client.hset(keys.send_request("e-mina"), mapping={"state": "sent", "reason": ""})
        tried = [*client.keys(keys.sign_ins.glob()), *client.keys(keys.sign_in_pause.glob())]
        client.delete(*tried, keys.revoked("s-mina"))


def test_there_is_a_case_for_each_route() -> None:
    assert all(isinstance(route, Guarded) for router in ROUTERS for route in router.routes)
    document = next(case for case in CASES if case.route == "GET /openapi.json")
    assert sorted(name for name, _ in declared()) == sorted(case.route for case in CASES if case is not document)


def test_a_route_that_does_not_say_who_may_call_it_cannot_be_made() -> None:
    router = APIRouter(route_class=Guarded)
    with pytest.raises(TypeError, match="/open does not say who may call it"):
        router.get("/open")(lambda: None)
    with pytest.raises(TypeError, match="/open does not say who may call it"):
        make_api().get("/open")(lambda: None)


def test_all_that_is_ours_beside_the_pages_has_a_rule() -> None:
    rules = {(route.path, route.rule) for route in routes()}
    assert all(isinstance(route, AccessRoute | AccessMount) for route in routes())
    # Whatever is added for strangers is added here too.
    assert {path for path, rule in rules if rule is AccessRule.ANYBODY} == {
        "/login",
        "/login/code",
        "/login/enrol",
        "/healthz",
        "/readyz",
        "/openapi.json",
    }
    assert {path for path, rule in rules if rule is AccessRule.SIGNED} == {
        "/join/{token}", "/reset/{token}", "/callbacks/twilio/{delivery}", "/callbacks/whatsapp", "/unsubscribe/{token}",
    }  # fmt: skip
    assert {path for path, rule in rules if rule is AccessRule.INSIDE} == {"/api"}
    assert {name for name, route in declared() if route.rule is AccessRule.ANYBODY} == {
        "POST /auth/login", "POST /auth/join", "POST /auth/reset",
    }  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[case.route for case in CASES])
def test_each_caller_gets_the_declared_answer(ask: Callable[[str, AccessCase], httpx.Response], case: AccessCase) -> None:
    answers = [ask(caller, case) for caller in CALLERS]
    assert tuple(answer.status_code for answer in answers) == case.answers, [answer.text[:300] for answer in answers]
    for answer in answers:
        assert answer.headers["cache-control"] == "no-store" or case.route == "GET /openapi.json"
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["status"] == answer.status_code and answer.json()["detail"]


def test_what_members_list_is_their_own(ask: Callable[[str, AccessCase], httpx.Response]) -> None:
    lists = ("GET /rules", "GET /rules/export", "GET /alerts", "GET /alerts/export", "GET /channels", "GET /mutes",
             "GET /auth/export", "GET /auth/sessions")  # fmt: skip
    for route in lists:
        case = next(case for case in CASES if case.route == route)._replace(query="")
        assert "-mina" in ask(OWNER, case).text
        for other in (OTHER, ADMIN):
            text = ask(other, case).text
            assert "r-mina" not in text and "a-mina" not in text and "c-mina" not in text and "s-mina" not in text


def test_another_members_bulk_changes_nothing(site: Site, ask: Callable[[str, AccessCase], httpx.Response]) -> None:
    case = AccessCase("POST /rules/bulk", members(200), {"act": "delete", "ids": ["r-mina"]})
    for other in (OTHER, ADMIN):
        assert ask(other, case).json() == {"done": [], "not_done": {"r-mina": "there is no such rule"}}
    rule = site.store.rule("r-mina")
    assert rule and rule.state == "active"


@pytest.mark.parametrize(("name", "route"), declared(), ids=[name for name, _ in declared()])
def test_a_scripts_token_needs_the_declared_scope(site: Site, name: str, route: Guarded) -> None:
    """An admin's tokens with each scope but the right one are refused, before anything is looked at."""
    if route.rule is AccessRule.ANYBODY:
        assert route.scope is None
        return
    method, _, path = name.partition(" ")
    asha = site.store.user("u-asha")
    assert asha and asha.role is Role.ADMIN
    for scope in Scope:
        token = sessions(site.store, site.redis_url, JWT_SECRET).begin_script(asha, "t", "", (scope,), 60_000)
        is_enough = route.scope is not None and token.session.allows(route.scope)
        with site.visitor() as script:
            script.headers["Authorization"] = f"Bearer {token.access}"
            # A path that leads nowhere and no body: what is let in gets another refusal, and changes nothing.
            answer = script.request(method, f"/api{path.format(**dict.fromkeys(PLACES, 'nowhere'))}", content=b"{")
        is_refused = answer.status_code == 403 and answer.json()["detail"].startswith("This needs ")
        assert is_refused is not is_enough, f"{scope}: {answer.status_code} {answer.text}"


def test_a_cookie_that_another_sites_page_sends_along_changes_nothing(site: Site) -> None:
    seed(site)
    cookie = {"Cookie": f"{ACCESS_COOKIE}={begin(site.store, site.redis_url, JWT_SECRET, 'u-mina').access}"}
    with site.visitor() as visitor:
        for header in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"}):
            answer = visitor.delete("/api/rules/r-mina", headers=cookie | header)
            assert (answer.status_code, "another site" in answer.text) == (403, True)
        assert visitor.get("/api/rules", headers=cookie | {"Sec-Fetch-Site": "cross-site"}).status_code == 200
        assert visitor.delete("/api/rules/r-mina", headers=cookie | {"Origin": site.url}).status_code == 204


@pytest.mark.parametrize(("path", "most"), [("/login", 65_536), ("/join/x", 65_536), ("/api/auth/login", 8_000_000)])
def test_a_stranger_cannot_fill_the_memory(site: Site, path: str, most: int) -> None:
    def in_pieces() -> Iterator[bytes]:
        for _ in range(2 * most // 65_536 + 1):
            yield b"x" * 65_536

    with site.visitor() as visitor:
        form = {"Content-Type": "application/json" if path.startswith("/api") else "application/x-www-form-urlencoded"}
        answer = visitor.post(path, content=b"x" * (most + 1), headers=form)
        assert (answer.status_code, f"at most {most} bytes" in answer.text) == (413, True)
        # Without a length; the connection may end before all is sent.
        with contextlib.suppress(httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):
            assert visitor.post(path, content=in_pieces(), headers=form).status_code == 413


async def test_a_redis_that_is_away_is_a_sentence_on_every_page_of_ours() -> None:
    async def handler(_request: Request) -> Response:
        raise RedisConnectionError("no answer")

    page = AccessRoute("/page", handler, AccessRule.ANYBODY)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(Starlette(routes=[page])), base_url="http://x") as client:
        answer = await client.get("/page")
    assert answer.status_code == 503
    assert "Redis does not answer; load this page again in a moment." in answer.text
