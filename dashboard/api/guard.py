"""Who may call which REST route: declared with the route, and looked at before anything of the request is read."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute

from dashboard.web.access_rules import AccessRule
from dashboard.web.bodies import API_MAX_BYTES, limited
from dashboard.web.problems import MEDIA_TYPE, RequestRefused
from stormalert.access.sessions import SignedIn
from stormalert.model import Scope, SessionKind

# As the OpenAPI document names them; whoever reads it relies on these.
RULE, SCOPE = "x-door", "x-scope"
COOKIE_SCHEME, BEARER_SCHEME = "cookie", "bearer"
_TOLD = {
    401: "Nobody is signed in, or the sign-in was refused",
    403: "Signed in, but not allowed",
    404: "There is no such thing, or it is somebody else's",
    409: "It changed meanwhile, or a limit is reached",
    410: "It is over",
    413: "Too much at once",
    422: "The input is not acceptable",
    429: "Too many tries",
    503: "A server behind this one does not answer",
}


def access(rule: AccessRule, scope: Scope | None = None, *more: int) -> dict[str, Any]:
    """What a route's decorator needs: who may come in, with which scope of a script's token (None: only people, in a browser),
    and which statuses beyond the usual it may answer with."""
    usual = (413, 422, 503) if rule is AccessRule.ANYBODY else (401, 403, 413, 422, 503)
    schemes = () if rule is AccessRule.ANYBODY else (COOKIE_SCHEME, BEARER_SCHEME) if scope else (COOKIE_SCHEME,)
    security: list[dict[str, list[str]]] = [{scheme: []} for scheme in schemes]
    return {
        "openapi_extra": {RULE: rule.value, SCOPE: scope.value if scope else None, "security": security},
        "responses": {status: _answer(status) for status in sorted({*usual, *more})},
    }


class Guarded(APIRoute):
    """A route without an access rule cannot be made."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        declared = options.get("openapi_extra") or {}
        if RULE not in declared:
            raise TypeError(f"{path} does not say who may call it")
        self.rule = AccessRule(declared[RULE])
        self.scope = Scope(declared[SCOPE]) if declared[SCOPE] else None
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            self._check(request)
            response = await handle(Request(request.scope, limited(request.scope, request.receive, API_MAX_BYTES)))
            response.headers.setdefault("Cache-Control", "no-store")
            return response

        return guarded

    def _check(self, request: Request) -> None:
        if self.rule is AccessRule.ANYBODY:
            return
        who: SignedIn | None = request.scope["state"]["signed_in"]
        if who is None:
            raise RequestRefused(401, "Sign in first.", headers={"WWW-Authenticate": "Bearer"})
        if who.session.kind is SessionKind.SCRIPT and not (self.scope and who.session.allows(self.scope)):
            needed = f"a token with the scope {self.scope}" if self.scope else "a person who is signed in"
            raise RequestRefused(403, f"This needs {needed}.")
        if self.rule is AccessRule.ADMIN and not who.is_admin:
            raise RequestRefused(403, "Only admins may do this.")


def _who(request: Request) -> SignedIn:
    found = request.scope["state"]["signed_in"]
    assert isinstance(found, SignedIn)
    return found


Who = Annotated[SignedIn, Depends(_who)]


def _answer(status: int) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": _TOLD[status], "content": {MEDIA_TYPE: {"schema": schema}}}
