"""The pages of signing in and out: /login with its second step, and /logout."""

import asyncio
import hmac
import io
import json
import secrets

import segno
from markupsafe import Markup
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dashboard import resources
from dashboard.accounts import authentication
from dashboard.accounts.authentication import NotSignedIn
from dashboard.web import sessions
from dashboard.web.auth import signed_in
from dashboard.web.html import page, sentence_page
from stormalert.access import second_factor
from stormalert.access.security import sealer
from stormalert.errors import Conflict, InputError, StormError
from stormalert.model import User

CSRF_COOKIE = "storm_csrf"
_CSRF_S = 3600
# The audience of the token that says who gave the right password a moment ago.
_STEP = "stormalert second step"
_STEP_S = 300
STALE = "This page was open for too long. Please sign in again."


async def get_login(request: Request) -> Response:
    return _form(request)


async def post_login(request: Request) -> Response:
    form = await request.form()
    name = _text(form, "name").strip().lower()[: authentication.NAME_MAX + 1]
    if not _is_own(request, form):
        return _form(request, STALE, name, 403)
    try:
        user = await authentication.check_password(authentication.caller_of(request), name, _text(form, "password"))
        if user.has_second_factor:
            return _code_form(request, user)
        if await asyncio.to_thread(authentication.must_enrol, user):
            return _enrolment_form(request, user, second_factor.new_secret())
        return await _let_in(request, user)
    except NotSignedIn as refusal:
        return _refused(_form(request, refusal.sentence, name, refusal.status), refusal)
    except InputError as error:
        return _form(request, f"{error}.", name, 503)
    except StormError as error:
        return _form(request, authentication.away(error), name, 503)


async def post_code(request: Request) -> Response:
    form = await request.form()
    found = await _step(request, form)
    if found is None:
        return _form(request, STALE, "", 403)
    user, _ = found
    try:
        await authentication.check_code(authentication.caller_of(request), user, _text(form, "code"))
        return await _let_in(request, user)
    except NotSignedIn as refusal:
        return _refused(_code_form(request, user, refusal.sentence, refusal.status), refusal)


async def post_enrolment(request: Request) -> Response:
    """A second factor for a user who must have one and has none yet."""
    form = await request.form()
    found = await _step(request, form)
    if found is None or not found[1] or found[0].has_second_factor:
        return _form(request, STALE, "", 403)
    user, secret = found
    try:
        if not await asyncio.to_thread(authentication.has_app, user, secret, _text(form, "code")):
            return _enrolment_form(request, user, secret, authentication.WRONG_CODE, 401)
        user, codes = await asyncio.to_thread(authentication.enrol, user, secret)
        return await _let_in(request, user, codes)
    except Conflict:
        return _form(request, STALE, user.name, 409)
    except NotSignedIn as refusal:
        return _form(request, refusal.sentence, user.name, refusal.status)


async def get_logout(_request: Request) -> Response:
    """A link or an image of another site must not sign anybody out."""
    return sentence_page("Not signed out", "Use the button on the page to sign out.", 405)


async def post_logout(request: Request) -> Response:
    who = signed_in(request.scope)
    form = await request.form()
    if not hmac.compare_digest(_text(form, "csrf").encode(), sessions.sign_out_token(who.session).encode()):
        return sentence_page("Not signed out", "This did not come from StormAlert's own button; please use that one.", 403)
    await asyncio.to_thread(resources.sessions().end, who.session)
    await asyncio.to_thread(authentication.record, who.user.id, "signed out", authentication.address(request))
    response = RedirectResponse("/login", 303)
    sessions.clear_cookies(response, is_https=sessions.is_https(request.scope))
    return response


async def _let_in(request: Request, user: User, codes: list[str] | None = None) -> Response:
    begun = await authentication.begin(request, user)
    response: Response = (
        page("accounts/recovery.html", title="Recovery codes", codes=codes) if codes else RedirectResponse("/", 303)
    )
    is_https = sessions.is_https(request.scope)
    sessions.set_cookies(response, begun, is_https=is_https)
    authentication.set_device(response, user, is_https=is_https)
    response.delete_cookie(CSRF_COOKIE, path="/login")
    return response


async def _step(request: Request, form: FormData) -> tuple[User, str] | None:
    """Who gave the right password a moment ago, and the secret of the second factor that was offered to them."""
    return await asyncio.to_thread(_read_step, _text(form, "step")) if _is_own(request, form) else None


def _read_step(step: str) -> tuple[User, str] | None:
    claims = resources.sessions().keyring.read(step, _STEP)
    user = resources.store().user(claims["sub"]) if claims else None
    # A password that was changed meanwhile was another one.
    if claims is None or user is None or user.is_off or claims.get("hash") != _mark(user):
        return None
    sealed = claims.get("secret", "")
    try:
        return user, sealer(resources.config()).unseal(sealed) if sealed else ""
    except StormError:
        # With another master secret, so it is of another time too.
        return None


def _make_step(user: User, **claims: str) -> str:
    return resources.sessions().keyring.sign(user.id, _STEP_S, _STEP, hash=_mark(user), **claims)


def _mark(user: User) -> str:
    """Says which password it was, and not what."""
    secret = resources.config().jwt_secret.get_secret_value()
    return hmac.new(secret.encode(), json.dumps([user.id, user.password_hash]).encode(), "sha256").hexdigest()[:16]


def _form(request: Request, refusal: str = "", name: str = "", status: int = 200) -> Response:
    notice = _NOTICES.get(request.query_params.get("said", ""), "")
    csrf = _csrf(request)
    asked = page(
        "accounts/sign_in.html",
        status,
        title="Sign in",
        csrf=csrf,
        name=name[: authentication.NAME_MAX],
        notice=notice,
        refusal=refusal,
    )
    return _with_csrf(request, asked, csrf)


_NOTICES = {"joined": "Your account is made. Sign in with it now.", "reset": "The new password is set. Sign in with it now."}


def _code_form(request: Request, user: User, refusal: str = "", status: int = 200) -> Response:
    csrf = _csrf(request)
    asked = page("accounts/code.html", status, title="Second factor", csrf=csrf, step=_make_step(user), refusal=refusal)
    return _with_csrf(request, asked, csrf)


def _enrolment_form(request: Request, user: User, secret: str, refusal: str = "", status: int = 200) -> Response:
    csrf, step = _csrf(request), _make_step(user, secret=sealer(resources.config()).seal(secret))
    asked = page(
        "accounts/enrolment.html",
        status,
        title="Second factor",
        csrf=csrf,
        step=step,
        secret=secret,
        qr_svg=qr(second_factor.uri(secret, user.name)),
        refusal=refusal,
    )
    return _with_csrf(request, asked, csrf)


def qr(text: str) -> Markup:
    """As SVG, dark on whatever lies behind it."""
    drawn = io.BytesIO()
    segno.make(text, error="m").save(drawn, kind="svg", xmldecl=False, svgns=True, omitsize=True, border=1)
    return Markup(drawn.getvalue().decode())  # noqa: S704 - markup of our own


def _refused(response: Response, refusal: NotSignedIn) -> Response:
    if refusal.wait_s:
        response.headers["Retry-After"] = str(refusal.wait_s)
    return response


def _is_own(request: Request, form: FormData) -> bool:
    csrf, cookie = _text(form, "csrf"), request.cookies.get(CSRF_COOKIE, "")
    return bool(csrf) and hmac.compare_digest(csrf.encode(), cookie.encode())


def _csrf(request: Request) -> str:
    # Kept while it lives, so that a second tab does not spoil the first.
    return request.cookies.get(CSRF_COOKIE) or secrets.token_urlsafe(24)


def _with_csrf(request: Request, response: Response, csrf: str) -> Response:
    is_https = sessions.is_https(request.scope)
    response.set_cookie(CSRF_COOKIE, csrf, max_age=_CSRF_S, httponly=True, samesite="strict", secure=is_https, path="/login")
    return response


def _text(form: FormData, name: str) -> str:
    return str(form.get(name, ""))
