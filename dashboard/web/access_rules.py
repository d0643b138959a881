"""Who may come in where: declared beside each route, and asked by the gate."""

import functools
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Mount, Route
from starlette.types import ASGIApp, Scope

from dashboard.web.html import sentence_page
from stormalert import model
from stormalert.errors import StormError
from stormalert.process import REDIS_ERRORS

log = logging.getLogger("stormalert")

Handler = Callable[[Request], Awaitable[Response]]


class Door(StrEnum):
    """ANYBODY: strangers too; SIGNED: whoever has the secret or the signature that the request carries; INSIDE: an application
    with doors of its own."""

    ANYBODY = "anybody"
    SIGNED = "signed"
    MEMBER = "member"
    ADMIN = "admin"
    INSIDE = "inside"


class DoorRoute(Route):
    """`scope`: what a script's token needs to come in; without one, scripts may not."""

    def __init__(self, path: str, handler: Handler, door: Door, method: str = "GET", scope: model.Scope | None = None) -> None:
        super().__init__(path, _answered(handler), methods=[method])
        self.door = door
        self.scope = scope


class DoorMount(Mount):
    """All below a path; an application that looks at each caller itself, unless another door is said."""

    def __init__(self, path: str, app: ASGIApp, door: Door = Door.INSIDE) -> None:
        super().__init__(path, app)
        self.door = door
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
            who = "Redis" if is_redis else "The store"
            return sentence_page("One moment", f"{who} does not answer; load this page again in a moment.", 503)

    return answered


def route_of(routes: Sequence[DoorRoute | DoorMount], scope: Scope) -> DoorRoute | DoorMount | None:
    """None for what is not ours, such as Streamlit's pages and its websocket."""
    if scope["type"] != "http":
        return None
    return next((route for route in routes if route.matches(scope)[0] is Match.FULL), None)
