"""The REST routes under /api: one FastAPI application beside the pages, in the same process."""

import logging
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from dashboard.api import admin, alerts, auth, channels, keys, market, preferences, rules
from dashboard.api.guard import BEARER_SCHEME, COOKIE_SCHEME, Guarded, access
from dashboard.web.access_rules import AccessRule
from dashboard.web.problems import Found, Problem, RequestRefused, problem, shown
from stormalert.access.sessions import ACCESS_COOKIE
from stormalert.away import what_is_away
from stormalert.config.policy import LimitReached
from stormalert.errors import Conflict, InputError, StormError
from stormalert.process import REDIS_ERRORS

log = logging.getLogger("stormalert")

VERSION = "1"
ROUTERS: tuple[APIRouter, ...] = tuple(
    module.router for module in (auth, rules, market, alerts, channels, preferences, admin, keys)
)
_ABOUT = """Signed in by the cookies of a browser, or by `Authorization: Bearer` and a token of your own (POST /auth/tokens).
Times are epoch milliseconds, prices and percents decimal texts. Lists come in pages: ask again with the `cursor` of `next`.
Errors are problem details (RFC 9457). `x-door` says who may call a route, `x-scope` which scope a token needs to do so."""


# What pydantic says of these is more than the place itself: what lies around it, or a value whose name was typed wrong.
_FOUND = {"missing": "nothing", "json_invalid": "no JSON", "extra_forbidden": "(not shown)"}
_SECRET = ("password", "code", "current", "new", "value", "secret", "token", "offer")


def make_api() -> FastAPI:
    api = FastAPI(title="StormAlert", version=VERSION, description=_ABOUT, openapi_url=None, docs_url=None, redoc_url=None)
    api.router.route_class = Guarded
    api.router.redirect_slashes = False
    for router in ROUTERS:
        api.include_router(router)

    @api.get("/openapi.json", include_in_schema=False, **access(AccessRule.ANYBODY))
    def document() -> JSONResponse:
        """This document."""
        return JSONResponse(_document(api))

    _explain_errors(api)
    return api


def _document(api: FastAPI) -> dict[str, Any]:
    if api.openapi_schema is None:
        made = get_openapi(
            title=api.title,
            version=api.version,
            description=api.description,
            routes=api.routes,
            servers=[{"url": "/api"}],
        )
        components = made.setdefault("components", {})
        ref = "#/components/schemas/{model}"
        components.setdefault("schemas", {})["Problem"] = Problem.model_json_schema(ref_template=ref) | {"$defs": {}}
        components["schemas"]["Problem"].pop("$defs")
        components["schemas"]["Found"] = Found.model_json_schema()
        components["securitySchemes"] = {
            COOKIE_SCHEME: {"type": "apiKey", "in": "cookie", "name": ACCESS_COOKIE},
            BEARER_SCHEME: {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        }
        api.openapi_schema = made
    return api.openapi_schema


def _explain_errors(api: FastAPI) -> None:
    async def refused(_request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestRefused)
        return error.response

    async def not_acceptable(_request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        found = [_found(each) for each in error.errors()]
        return problem(422, f"{found[0].place}: {found[0].expected}, was {found[0].found}", found)

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 405:
            allowed = _methods(request)
            return problem(405, f"Expected {', '.join(allowed)}.", headers={"Allow": ", ".join(allowed)})
        if error.status_code == 400:
            # The framework's own, for a body that it cannot read.
            return problem(422, "The body is not what its content type says: JSON in UTF-8, or for tables CSV.")
        return problem(error.status_code, str(error.detail), headers=error.headers)

    async def storm_error(_request: Request, error: Exception) -> Response:
        if isinstance(error, Conflict | LimitReached):
            return problem(409, str(error))
        if isinstance(error, InputError):
            return problem(422, str(error))
        log.warning("request not served", extra={"reason": str(error)})
        return problem(503, f"{what_is_away(error)}; try again in a moment.")

    async def redis_away(_request: Request, error: Exception) -> Response:
        log.warning("request not served", extra={"reason": type(error).__name__})
        return problem(503, f"{what_is_away(error)}; try again in a moment.")

    api.add_exception_handler(RequestRefused, refused)
    api.add_exception_handler(RequestValidationError, not_acceptable)
    api.add_exception_handler(HTTPException, http_error)
    api.add_exception_handler(StormError, storm_error)
    for kind in REDIS_ERRORS:
        api.add_exception_handler(kind, redis_away)


def _methods(request: Request) -> list[str]:
    """Of all routes at the request's path; the framework names the first one's only."""
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    found = [route for router in ROUTERS for route in router.routes if isinstance(route, Guarded)]
    return sorted({method for route in found if route.path_regex.fullmatch(path) for method in route.methods or ()})


def _found(error: Any) -> Found:
    expected = str(error["msg"]).removeprefix("Value error, ")
    place = ".".join(str(part) for part in error["loc"])
    return Found(place=shown(place), found=_told(error, place), expected=shown(expected))


def _told(error: Any, place: str) -> str:
    """What was found there, unless it may hold a secret: a password that was typed wrong is still somebody's."""
    kind, found = error["type"], error.get("input")
    if kind in _FOUND:
        return _FOUND[kind]
    # A body, or what has parts of its own, may hold all that was sent.
    if isinstance(found, dict | list):
        return "an object" if isinstance(found, dict) else "a list"
    is_secret = place == "body" or any(word in place for word in _SECRET)
    return "(not shown)" if is_secret else shown(found)
