"""/api/auth: signing in and out, one's account, sessions and tokens, and the links that make an account."""

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import Field

from dashboard import resources
from dashboard.accounts import authentication, one_time_links, passwords
from dashboard.accounts.authentication import NotSignedIn
from dashboard.accounts.portable import portable
from dashboard.api.guard import Guarded, Who, access
from dashboard.api.models import Input, Output, RecordId, SessionOut, Text, UserOut, Whole, not_found
from dashboard.web import sessions
from dashboard.web.access_rules import AccessRule
from dashboard.web.problems import RequestRefused
from stormalert.access import second_factor
from stormalert.access.security import sealer
from stormalert.access.sessions import SignedIn
from stormalert.config import policy
from stormalert.model import OneTimeTokenKind, Scope, User
from stormalert.units import DAY_MS

router = APIRouter(prefix="/auth", tags=["auth"], route_class=Guarded)

_OFFER = "stormalert second factor"
_OFFER_S = 600
NEEDS_CODE = "Enter the code of your second factor too."
MUST_ENROL = "A second factor is needed here; sign in on the page once to add it."


class SignIn(Input):
    name: Text
    password: Text
    code: Text = Field("", description="of the second factor, where the account has one")


class LimitsOut(Output):
    rules: int
    channels: int
    alerts_per_hour: int = Field(description="that are sent one by one; more are told together")


class Me(UserOut):
    scopes: list[str] = Field(description="what this request's sign-in may do")
    limits: LimitsOut


class NewPassword(Input):
    current: Text
    new: Text


class Offer(Output):
    secret: str
    uri: str = Field(description="for a QR code")
    offer: str = Field(description="to be sent back with the first code, within ten minutes")


class Accept(Input):
    offer: Annotated[str, Field(max_length=4096)]
    code: Text


class RecoveryCodes(Output):
    recovery_codes: list[str] = Field(description="each is good once; they are not shown again")


class SecondFactorCode(Input):
    code: Text


class Password(Input):
    password: Text


class NewToken(Input):
    label: Annotated[str, Field(min_length=1, max_length=100)]
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=3)]
    days: Annotated[Whole, Field(ge=1, le=365)] = 90


class Token(Output):
    token: str = Field(description="for Authorization: Bearer; it is not shown again")
    session: SessionOut


class Join(Input):
    token: Text
    name: Text
    password: Text


class Reset(Input):
    token: Text
    password: Text


@router.post("/login", **access(AccessRule.ANYBODY, None, 401, 403, 429))
async def login(request: Request, response: Response, asked: SignIn) -> UserOut:
    """Sign in; the answer sets the cookies."""
    try:
        user = await authentication.check_password(authentication.caller_of(request), asked.name, asked.password)
        if user.has_second_factor:
            if not asked.code:
                raise NotSignedIn(401, NEEDS_CODE)
            await authentication.check_code(authentication.caller_of(request), user, asked.code)
        elif await asyncio.to_thread(authentication.must_enrol, user):
            raise NotSignedIn(403, MUST_ENROL)
        begun = await authentication.begin(request, user)
    except NotSignedIn as refusal:
        headers = {"Retry-After": str(refusal.wait_s)} if refusal.wait_s else {}
        raise RequestRefused(refusal.status, refusal.sentence, headers=headers) from None
    is_https = sessions.is_https(request.scope)
    sessions.set_cookies(response, begun, is_https=is_https)
    authentication.set_device(response, user, is_https=is_https)
    return UserOut.of(user)


@router.post("/logout", status_code=204, **access(AccessRule.MEMBER))
def logout(request: Request, response: Response, who: Who) -> None:
    """End this session."""
    resources.sessions().end(who.session)
    authentication.record(who.user.id, "signed out", authentication.address(request))
    sessions.clear_cookies(response, is_https=sessions.is_https(request.scope))


@router.get("/me", **access(AccessRule.MEMBER, Scope.READ))
def me(who: Who) -> Me:
    """Who is signed in, and what their plan allows."""
    plan = policy.plan(resources.store(), who.user.id)
    per_hour = plan.alerts_per_hour or resources.config().alerts_per_hour
    limits = LimitsOut(rules=plan.rules, channels=plan.channels, alerts_per_hour=per_hour)
    scopes = [scope.value for scope in who.session.scopes]
    return Me.model_validate(UserOut.of(who.user).model_dump() | {"scopes": scopes, "limits": limits})


@router.get("/export", **access(AccessRule.MEMBER, Scope.READ))
def export(who: Who) -> Response:
    """All that is kept about oneself, as one JSON object, as a download."""
    return portable(resources.store(), who.user)


@router.post("/erase", status_code=204, **access(AccessRule.MEMBER, None, 409, 429))
async def erase(request: Request, response: Response, who: Who, asked: Password) -> None:
    """Erase oneself: account, rules, channels, alerts. There is no way back."""
    user = await _check_again(request, who, asked.password)
    await asyncio.to_thread(authentication.erase, user, user)
    sessions.clear_cookies(response, is_https=sessions.is_https(request.scope))


@router.post("/password", status_code=204, **access(AccessRule.MEMBER, None, 409, 429))
async def change_password(request: Request, who: Who, asked: NewPassword) -> None:
    """Another password; all other sessions and tokens end."""
    passwords.check_new(asked.new, current=asked.current)
    user = await _check_again(request, who, asked.current)
    await asyncio.to_thread(authentication.change_password, user, who.session, asked.new)


@router.post("/second-factor", **access(AccessRule.MEMBER, None, 409))
def offer_second_factor(who: Who) -> Offer:
    """A secret for an authenticator app; it counts when its first code was sent back."""
    if who.user.has_second_factor:
        raise RequestRefused(409, "There is a second factor already; remove it first.")
    secret = second_factor.new_secret()
    sealed = sealer(resources.config()).seal(secret)
    offer = resources.sessions().keyring.sign(who.user.id, _OFFER_S, _OFFER, secret=sealed)
    return Offer(secret=secret, uri=second_factor.uri(secret, who.user.name), offer=offer)


@router.post("/second-factor/accept", **access(AccessRule.MEMBER, None, 409))
def accept_second_factor(who: Who, asked: Accept) -> RecoveryCodes:
    """Add the second factor that was offered."""
    claims = resources.sessions().keyring.read(asked.offer, _OFFER)
    if claims is None or claims["sub"] != who.user.id or who.user.has_second_factor:
        raise RequestRefused(409, "This offer is over; ask for a new one.")
    secret = sealer(resources.config()).unseal(claims["secret"])
    if not authentication.has_app(who.user, secret, asked.code):
        raise RequestRefused(422, authentication.WRONG_CODE)
    return RecoveryCodes(recovery_codes=authentication.enrol(who.user, secret)[1])


@router.post("/second-factor/remove", status_code=204, **access(AccessRule.MEMBER, None, 409, 429))
async def remove_second_factor(request: Request, who: Who, asked: SecondFactorCode) -> None:
    """Remove it, with a code of it."""
    if not who.user.has_second_factor:
        raise RequestRefused(409, "There is no second factor.")
    rules = await asyncio.to_thread(policy.read, resources.store())
    if rules.demands_second_factor(who.user):
        raise RequestRefused(403, "Here everybody of your role has a second factor, so it cannot be removed.")
    try:
        await authentication.check_code(authentication.caller_of(request), who.user, asked.code)
    except NotSignedIn as refusal:
        raise _again(refusal) from None
    # As it is now: a recovery code may just have been used up.
    if user := await asyncio.to_thread(resources.store().user, who.user.id):
        await asyncio.to_thread(authentication.drop_second_factor, user, user)


@router.get("/sessions", **access(AccessRule.MEMBER, Scope.READ))
def list_sessions(who: Who) -> list[SessionOut]:
    """Browsers and tokens that are signed in, newest first."""
    return [SessionOut.of(session, who.session) for session in resources.sessions().of(who.user)]


@router.delete("/sessions/{session}", status_code=204, **access(AccessRule.MEMBER, None, 404))
def end_session(who: Who, session: RecordId) -> None:
    """End a session or a token, at once and everywhere."""
    found = resources.store().session(session)
    if found is None or found.user != who.user.id:
        raise not_found("session")
    resources.sessions().end(found)
    authentication.record(who.user.id, "session ended", found.label)


@router.post("/tokens", status_code=201, **access(AccessRule.MEMBER))
def make_token(request: Request, who: Who, asked: NewToken) -> Token:
    """A token for a script of one's own."""
    scopes = tuple(dict.fromkeys(asked.scopes))
    if Scope.ADMIN in scopes and not who.is_admin:
        raise RequestRefused(403, "Only admins may give a token the scope admin.")
    address = authentication.address(request)
    begun = resources.sessions().begin_script(who.user, asked.label, address, scopes, asked.days * DAY_MS)
    authentication.record(who.user.id, "token made", f"{asked.label}: {', '.join(scopes)}")
    return Token(token=begun.access, session=SessionOut.of(begun.session, who.session))


@router.post("/join", status_code=201, **access(AccessRule.ANYBODY, None, 409, 410))
def join(request: Request, asked: Join) -> UserOut:
    """Make the account that a one-time link is for."""
    return _use(request, OneTimeTokenKind.INVITATION, asked.token, asked.name, asked.password)


@router.post("/reset", **access(AccessRule.ANYBODY, None, 409, 410))
def reset(request: Request, asked: Reset) -> UserOut:
    """Set the new password that a one-time link is for; all sessions end."""
    return _use(request, OneTimeTokenKind.RESET, asked.token, "", asked.password)


async def _check_again(request: Request, who: SignedIn, password: str) -> User:
    """The user as they are now, when it is still they who sit there."""
    try:
        return await authentication.check_password(authentication.caller_of(request), who.user.name, password)
    except NotSignedIn as refusal:
        raise _again(refusal) from None


def _again(refusal: NotSignedIn) -> RequestRefused:
    """Signed in they are: what is wrong is what they typed."""
    headers = {"Retry-After": str(refusal.wait_s)} if refusal.wait_s else {}
    return RequestRefused(403 if refusal.status == 401 else refusal.status, refusal.sentence, headers=headers)


def _use(
    request: Request, kind: Literal[OneTimeTokenKind.INVITATION, OneTimeTokenKind.RESET], secret: str, name: str, new: str
) -> UserOut:
    token = one_time_links.find(resources.store(), secret, kind)
    if token is None:
        raise RequestRefused(410, "This link was used already, or is too old.")
    passwords.check_new(new)
    return UserOut.of(one_time_links.use(token, name, new, authentication.address(request)))
