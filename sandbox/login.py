"""Kite's login page: one button; the browser comes back to the application with a request token."""

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sandbox.pages import page
from sandbox.sessions import KiteSessions


class Login:
    """The page and what its button does."""

    def __init__(self, sessions: KiteSessions, redirect_url: str) -> None:
        self._sessions, self._redirect_url = sessions, redirect_url

    def routes(self) -> list[Route]:
        return [
            Route("/connect/login", self._show, methods=["GET"]),
            Route("/connect/login", self._log_in, methods=["POST"]),
        ]

    async def _show(self, request: Request) -> Response:
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        return page("login.html", url=self._redirect_url.split("?")[0])

    async def _log_in(self, request: Request) -> Response:
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        answer = urlencode({"action": "login", "type": "login", "status": "success", "request_token": self._sessions.begin()})
        passed_on = request.query_params.get("redirect_params", "")
        joint = "&" if "?" in self._redirect_url else "?"
        target = self._redirect_url + joint + "&".join(filter(None, [answer, passed_on]))
        return RedirectResponse(target, 302)

    def _refusal(self, request: Request) -> Response | None:
        api_key = request.query_params.get("api_key", "")
        if api_key == self._sessions.api_key:
            return None
        return page("login_refused.html", 400, api_key=api_key)
