"""Kite's login page: one button; the browser comes back to the application with a request token."""

from html import escape
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
        url = escape(self._redirect_url.split("?")[0])
        body = f"""
            <form class="card narrow" method="post">
              <h1>Kite sandbox</h1>
              <p>An application asks to see the market in your name. It will be called at<br><code>{url}</code></p>
              <button>Log in</button>
              <p class="faint">A stand-in: no account, no password.</p>
            </form>"""
        return page("Log in", body)

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
        body = f"""
            <div class="card narrow">
              <h1>Invalid api_key</h1>
              <p>This exchange does not know the application <code>{escape(api_key or "(none)")}</code>.
              The key it knows was given to it with <code>--kite-api-key</code>.</p>
            </div>"""
        return page("Invalid api_key", body, 400)
