"""Only sign-in, health, static files and what carries a signature are for strangers; Streamlit's websocket is not either."""

import logging
import re

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard import sessions
from dashboard.html import sentence_page
from dashboard.sessions import SignedIn
from stormalert.errors import StormError
from stormalert.process import REDIS_ERRORS

log = logging.getLogger("stormalert")

_OPEN = frozenset({"/login", "/healthz", "/_stcore/health", "/favicon.png"})
_OPEN_FOLDER = "/static/"
# These carry a signature of their own. Exactly the routes: any other path or method falls to Streamlit.
_SIGNED = {
    "POST": re.compile(r"/callbacks/(?:whatsapp|twilio/[A-Za-z0-9_-]+)|/unsubscribe/[A-Za-z0-9_.-]+"),
    "GET": re.compile(r"/unsubscribe/[A-Za-z0-9_.-]+"),
}
_CLOSE_SIGNED_OUT = 4401
_CLOSE_TRY_LATER = 1013
_AWAY = "Redis does not answer, so nobody can be let in; try again in a moment."
_NO_STORE = "The store does not answer, so nobody can be let in; try again in a moment."


class Gate:
    """Pure ASGI, so that it guards websockets too; puts who is signed in into the request's state."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        send = _hardened(send)
        if _is_open(scope["path"]) or _is_signed(scope):
            await self._app(scope, receive, send)
            return
        try:
            signed_in = await sessions.find(sessions.cookie_of(scope))
        except REDIS_ERRORS as error:
            log.warning("session not checked", extra={"reason": type(error).__name__})
            await _refuse(scope, receive, send, sentence_page("One moment", _AWAY, 503), _CLOSE_TRY_LATER)
            return
        except StormError as error:
            log.warning("session not checked", extra={"reason": str(error)})
            await _refuse(scope, receive, send, sentence_page("One moment", _NO_STORE, 503), _CLOSE_TRY_LATER)
            return
        if signed_in is None:
            await _refuse(scope, receive, send, _to_sign_in(scope), _CLOSE_SIGNED_OUT)
            return
        scope.setdefault("state", {})["signed_in"] = signed_in
        await self._app(scope, receive, send)


def signed_in(scope: Scope) -> SignedIn:
    """Who it is, behind the gate."""
    found = scope["state"]["signed_in"]
    assert isinstance(found, SignedIn)
    return found


def _is_open(path: str) -> bool:
    # Encoded dots were decoded before: /static/../ must not lead out of the open folder.
    return path in _OPEN or (path.startswith(_OPEN_FOLDER) and ".." not in path)


def _is_signed(scope: Scope) -> bool:
    pattern = _SIGNED.get(scope["method"]) if scope["type"] == "http" else None
    return pattern is not None and pattern.fullmatch(scope["path"]) is not None


def _to_sign_in(scope: Scope) -> Response:
    if scope["type"] == "http" and scope["path"].startswith("/api/"):
        return JSONResponse({"error": "Sign in first."}, 401)
    is_page = scope["type"] == "http" and scope["method"] in ("GET", "HEAD") and not scope["path"].startswith("/_stcore/")
    return RedirectResponse("/login", 303) if is_page else PlainTextResponse("Sign in first.\n", 401)


async def _refuse(scope: Scope, receive: Receive, send: Send, response: Response, close_code: int) -> None:
    if scope["type"] == "http":
        await response(scope, receive, send)
        return
    # Closed before it was accepted: the client sees 403.
    await receive()
    await send({"type": "websocket.close", "code": close_code})


def _hardened(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.setdefault("X-Content-Type-Options", "nosniff")
            headers.setdefault("X-Frame-Options", "DENY")
            headers.setdefault("Referrer-Policy", "same-origin")
        await send(message)

    return send_with_headers
