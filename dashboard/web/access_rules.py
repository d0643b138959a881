"""Who may come in where: declared beside each route, and asked by dashboard.web.auth."""

import functools
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from dashboard.web.bodies import FORM_MAX_BYTES, limited
from dashboard.web.html import sentence_page
from stormalert import model
from stormalert.away import what_is_away
from stormalert.errors import StormError
from stormalert.process import REDIS_ERRORS

log = logging.getLogger("stormalert")

Handler = Callable[[Request], Awaitable[Response]]


class AccessRule(StrEnum):
    """ANYBODY: strangers too; SIGNED: whoever has the secret or the signature that the request carries; INSIDE: an application
    with rules of its own."""

    ANYBODY = "anybody"
    SIGNED = "signed"
    MEMBER = "member"
    ADMIN = "admin"
    INSIDE = "inside"


class AccessRoute(Route):
    """`scope`: what a script's token needs to come in; without one, scripts may not."""

    def __init__(
        self, path: str, handler: Handler, rule: AccessRule, method: str = "GET", scope: model.Scope | None = None
    ) -> None:
        super().__init__(path, _answered(handler), methods=[method])
        self.rule = rule
        self.scope = scope

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await super().handle(scope, limited(scope, receive, FORM_MAX_BYTES), send)


class AccessMount(Mount):
    """All below a path; an application that looks at each caller itself, unless another rule is said."""

    def __init__(self, path: str, app: ASGIApp, rule: AccessRule = AccessRule.INSIDE) -> None:
        super().__init__(path, app)
        self.rule = rule
        # A path with a line break in it is below it too.
        self.path_regex = re.compile(self.path_regex.pattern, re.DOTALL)


def _answered(handler: Handler) -> Handler:
    """Where a handler says nothing better itself, a sentence when Redis or the store is away. To load the page again is to ask
    again: a form is sent once more, and a token in the address is still there.
    """

    @functools.wraps(handler)
    async def answered(request: Request) -> Response:
        try:
            return await handler(request)
        except (*REDIS_ERRORS, StormError) as error:
            is_redis = not isinstance(error, StormError)
            log.warning("request not served", extra={"reason": type(error).__name__ if is_redis else str(error)})
            return sentence_page("One moment", f"{what_is_away(error)}; load this page again in a moment.", 503)

    return answered


def route_of(routes: Sequence[AccessRoute | AccessMount], scope: Scope) -> AccessRoute | AccessMount | None:
    """None for what is not ours, such as Streamlit's pages and its websocket."""
    if scope["type"] != "http":
        return None
    return next((route for route in routes if route.matches(scope)[0] is Match.FULL), None)
