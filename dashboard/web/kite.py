"""The daily Kite login: out to Kite's page, back with a request token for ingest."""

import asyncio
import re
import secrets
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dashboard import resources
from dashboard.accounts import authentication
from dashboard.web.auth import signed_in
from dashboard.web.html import sentence_page
from stormalert.access.security import sealer
from stormalert.config.stored import KITE_REQUEST, KiteRequest
from stormalert.units import now_ms

# Says that this browser went to Kite's page from here, so that nobody slips another account's token in.
COOKIE = "storm_kite"
_COOKIE_S = 600
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,128}")
_UNSAFE = "Kite's token cannot be kept safe: set STORM_MASTER_SECRET, then start StormAlert again."
PAGE = "/admin?part=Kite"
_BACK = (PAGE, "Back to Admin")


async def to_kite(request: Request) -> Response:
    if request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return _refused("Start the Kite login with the button on the Admin page.", 403)
    config = resources.config()
    if not config.kite_api_key:
        return _refused("There is no Kite API key: set KITE_API_KEY and KITE_API_SECRET on the Admin page.", 409)
    if not config.master_secret.get_secret_value():
        return _refused(_UNSAFE, 409)
    query = urlencode({"v": 3, "api_key": config.kite_api_key})
    response = RedirectResponse(f"{config.kite_login_root.rstrip('/')}/connect/login?{query}", 303)
    response.set_cookie(
        COOKIE,
        secrets.token_urlsafe(24),
        max_age=_COOKIE_S,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
        path="/kite/",
    )
    return response


async def from_kite(request: Request) -> Response:
    who = signed_in(request.scope)
    if not request.cookies.get(COOKIE):
        return _refused("This login was not started here. Start it with the button on the Admin page.", 403)
    if not resources.config().master_secret.get_secret_value():
        return _refused(_UNSAFE, 409)
    token = request.query_params.get("request_token", "")
    if request.query_params.get("status") != "success" or not _TOKEN.fullmatch(token):
        return _refused("Kite did not confirm the login. Please try once more.", 400)
    await asyncio.to_thread(_keep, token, who.user.id)
    response = RedirectResponse(f"{PAGE}&kite=received", 303)
    response.delete_cookie(COOKIE, path="/kite/")
    return response


def _keep(request_token: str, user: str) -> None:
    sealed = sealer(resources.config()).seal(KITE_REQUEST.text(KiteRequest(request_token=request_token, time_ms=now_ms())))
    resources.store().save_setting(KITE_REQUEST.name, sealed)
    authentication.record(user, "logged in to Kite")


def _refused(sentence: str, status: int) -> Response:
    return sentence_page("Kite login", sentence, status, *_BACK)
