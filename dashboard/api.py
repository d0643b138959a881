"""GET /healthz for supervisors, and /api/admin/system-status for admins."""

import asyncio
import logging

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dashboard import resources
from dashboard.gate import signed_in
from dashboard.status import ANSWER_WITHIN_S, read_status
from stormalert.process import REDIS_ERRORS

log = logging.getLogger("stormalert")

_FRESH = {"Cache-Control": "no-store"}


async def healthz(_request: Request) -> Response:
    """200 as long as the process serves; the servers behind it are told, not counted: a restart would not mend them."""
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            await resources.loop_redis().ping()
    except (*REDIS_ERRORS, TimeoutError):
        return JSONResponse({"status": "ok", "redis": "away"}, headers=_FRESH)
    return JSONResponse({"status": "ok", "redis": "ok"}, headers=_FRESH)


async def system_status(request: Request) -> Response:
    if not signed_in(request.scope).is_admin:
        return JSONResponse({"error": "Only admins may see the system's status."}, 403, _FRESH)
    try:
        status = await read_status(resources.loop_redis(), resources.config())
    except REDIS_ERRORS as error:
        log.warning("status not read", extra={"reason": type(error).__name__})
        return JSONResponse({"error": "Redis does not answer."}, 503, _FRESH)
    return JSONResponse(status, headers=_FRESH)
