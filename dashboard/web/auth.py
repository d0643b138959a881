"""Every request passes here: who is it, may they come in, and is it their own page that asks."""

import asyncio
import logging
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard import resources
from dashboard.web import sessions
from dashboard.web.access_rules import AccessMount, AccessRoute, AccessRule, route_of
from dashboard.web.html import sentence_page
from dashboard.web.problems import problem
from stormalert.access.sessions import SignedIn
from stormalert.away import what_is_away
from stormalert.errors import StormError
from stormalert.process import REDIS_ERRORS

log = logging.getLogger("stormalert")

# Streamlit's own that strangers may have: its health, and files of its wheel.
_OPEN = frozenset({"/_stcore/health", "/favicon.png"})
_OPEN_FOLDER = "/static/"
_SAFE = ("GET", "HEAD", "OPTIONS")
_CLOSE_SIGNED_OUT = 4401
_CLOSE_NOT_ALLOWED = 4403
_CLOSE_TRY_LATER = 1013
_OTHER_SITE = "This request came from another site's page, so it was not carried out."
_ADMINS_ONLY = "Only admins may do this."


class AuthMiddleware:
    """Pure ASGI, so that it guards websockets too; puts who is signed in into the request's state."""

    def __init__(self, app: ASGIApp, routes: Sequence[AccessRoute | AccessMount]) -> None:
        self._app = app
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        route = route_of(self._routes, scope)
        # What is not ours is for members.
        rule = AccessRule.ANYBODY if _is_open(scope["path"]) else route.rule if route else AccessRule.MEMBER
        if rule in (AccessRule.ANYBODY, AccessRule.SIGNED):
            await self._app(scope, receive, send)
            return
        try:
            who = await asyncio.to_thread(_find, scope, route)
        except (*REDIS_ERRORS, StormError) as error:
            is_redis = not isinstance(error, StormError)
            log.warning("session not checked", extra={"reason": type(error).__name__ if is_redis else str(error)})
            sentence = f"{what_is_away(error)}, so nobody can be let in; try again in a moment."
            await _refuse(scope, receive, send, 503, sentence, _CLOSE_TRY_LATER)
            return
        if who and _is_from_another_site(scope, who):
            await _refuse(scope, receive, send, 403, _OTHER_SITE, _CLOSE_NOT_ALLOWED)
        elif who is None and rule is not AccessRule.INSIDE:
            await _refuse(scope, receive, send, 401, "Sign in first.", _CLOSE_SIGNED_OUT)
        elif who and rule is AccessRule.ADMIN and not who.is_admin:
            await _refuse(scope, receive, send, 403, _ADMINS_ONLY, _CLOSE_NOT_ALLOWED)
        else:
            scope.setdefault("state", {})["signed_in"] = who
            await self._app(scope, receive, _renewing(send, scope, who) if who and who.renewed else send)


def signed_in(scope: Scope) -> SignedIn:
    """Who it is, behind a rule for members."""
    found = scope["state"]["signed_in"]
    assert isinstance(found, SignedIn)
    return found


def _find(scope: Scope, route: AccessRoute | AccessMount | None) -> SignedIn | None:
    kind, _, bearer = sessions.header_of(scope, "authorization").partition(" ")
    if kind.lower() != "bearer":
        return sessions.find(sessions.cookies_of(scope))
    who = resources.sessions().find_script(bearer.strip())
    if who is None or isinstance(route, AccessMount):
        return who
    return who if route and route.scope and who.session.allows(route.scope) else None


def _is_open(path: str) -> bool:
    # Encoded dots were decoded before: /static/../ must not lead out of the open folder.
    return path in _OPEN or (path.startswith(_OPEN_FOLDER) and ".." not in path)


def _is_from_another_site(scope: Scope, who: SignedIn) -> bool:
    """Whether a browser sent its cookies along for a page that is not ours; where SameSite is known, it does not."""
    if scope["type"] != "http" or scope["method"] in _SAFE or not sessions.cookies_of(scope):
        return False
    if site := sessions.header_of(scope, "sec-fetch-site"):
        return site not in ("same-origin", "none")
    origin = sessions.header_of(scope, "origin")
    return bool(origin) and urlsplit(origin).netloc != sessions.header_of(scope, "host")


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, sentence: str, close_code: int) -> None:
    if scope["type"] == "http":
        await _refusal(scope, status, sentence)(scope, receive, send)
        return
    # Closed before it was accepted: the client sees 403.
    await receive()
    await send({"type": "websocket.close", "code": close_code})


def _refusal(scope: Scope, status: int, sentence: str) -> Response:
    if scope["path"].startswith("/api/"):
        return problem(status, sentence)
    is_page = scope["method"] in ("GET", "HEAD") and not scope["path"].startswith("/_stcore/")
    if status == 401:
        return RedirectResponse("/login", 303) if is_page else PlainTextResponse(f"{sentence}\n", status)
    return sentence_page("One moment" if status == 503 else "Not allowed", sentence, status)


def _renewing(send: Send, scope: Scope, who: SignedIn) -> Send:
    """Sends the new access token with the answer."""
    carrier = Response()
    sessions.set_access(carrier, who.renewed, who.session, is_https=sessions.is_https(scope))
    cookie = carrier.headers["set-cookie"]

    async def send_with_cookie(message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.accept"):
            MutableHeaders(scope=message).append("set-cookie", cookie)
        await send(message)

    return send_with_cookie
