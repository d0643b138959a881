"""GET /healthz and /readyz, for supervisors and load balancers."""

import asyncio

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dashboard import resources
from stormalert.config.stored import POLICY
from stormalert.errors import StormError
from stormalert.health.reading import ANSWER_WITHIN_S
from stormalert.process import REDIS_ERRORS

_FRESH = {"Cache-Control": "no-store"}


async def healthz(_request: Request) -> Response:
    """200 as long as the process serves; the servers behind it are told, not counted: a restart would not mend them."""
    redis = "ok" if await _redis_answers() else "away"
    return JSONResponse({"status": "ok", "redis": redis}, headers=_FRESH)


async def readyz(_request: Request) -> Response:
    """200 when requests can be served, which needs Redis and the store; else 503."""
    found = {"redis": await _redis_answers(), "store": await _store_answers()}
    told = {name: "ok" if is_there else "away" for name, is_there in found.items()}
    is_ready = all(found.values())
    return JSONResponse({"status": "ok" if is_ready else "away", **told}, 200 if is_ready else 503, _FRESH)


async def _redis_answers() -> bool:
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            await resources.loop_redis().ping()
    except (*REDIS_ERRORS, TimeoutError):
        return False
    return True


async def _store_answers() -> bool:
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            await asyncio.to_thread(resources.store().setting, POLICY.name)
    except (StormError, TimeoutError):
        return False
    return True
