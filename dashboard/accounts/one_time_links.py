"""One-time links: /join/<token> makes an account, /reset/<token> sets a new password. Only a link's digest is kept."""

import asyncio
import hashlib
import secrets

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dashboard import resources
from dashboard.accounts import authentication, passwords
from dashboard.web.html import page, sentence_page
from stormalert.access.security import hash_password, new_id
from stormalert.errors import Conflict, InputError
from stormalert.model import OneTimeToken, OneTimeTokenKind, Role, User, sentences
from stormalert.store import Store
from stormalert.units import DAY_MS, HOUR_MS, now_ms

LASTS_MS = {OneTimeTokenKind.INVITATION: 7 * DAY_MS, OneTimeTokenKind.RESET: DAY_MS}
FIRST_LASTS_MS = 24 * HOUR_MS
# The maker of the token for the first admin.
NOBODY = ""
PATHS = {OneTimeTokenKind.INVITATION: "join", OneTimeTokenKind.RESET: "reset"}
_GONE = "This link was used already, or is too old. Ask an admin for a new one."


def make(store: Store, kind: OneTimeTokenKind, made_by: str, *, lasts_ms: int = 0, **fields: str) -> tuple[OneTimeToken, str]:
    """The token and the path of its link, which nobody can make again."""
    secret = secrets.token_urlsafe(32)
    now = now_ms()
    token = OneTimeToken(
        id=_digest(secret),
        kind=kind,
        made_by=made_by,
        created_ms=now,
        expires_ms=now + (lasts_ms or LASTS_MS[kind]),
        **fields,  # type: ignore[arg-type]
    )
    store.save_one_time_token(token)
    return token, f"/{PATHS[kind]}/{secret}"


def offer_first_admin(store: Store) -> str:
    """The path of a link to the first account, in the place of those that were offered before; empty when there is a user."""
    if store.users():
        return ""
    for old in store.one_time_tokens():
        if old.made_by == NOBODY:
            store.take_one_time_token(old.id)
    return make(store, OneTimeTokenKind.INVITATION, NOBODY, lasts_ms=FIRST_LASTS_MS, role=Role.ADMIN)[1]


async def get_join(request: Request) -> Response:
    return await _page(request, OneTimeTokenKind.INVITATION)


async def get_reset(request: Request) -> Response:
    return await _page(request, OneTimeTokenKind.RESET)


async def post_join(request: Request) -> Response:
    return await _use(request, OneTimeTokenKind.INVITATION)


async def post_reset(request: Request) -> Response:
    return await _use(request, OneTimeTokenKind.RESET)


def join(store: Store, token: OneTimeToken, name: str, password: str) -> User:
    """The new account; the token is used up. Raises InputError, and Conflict when the name or the token is gone."""
    fields = {"id": new_id(), "name": name.strip().lower(), "password_hash": "", "created_ms": now_ms()}
    try:
        user = User.model_validate(fields | {"role": token.role, "plan": token.plan})
    except ValidationError as error:
        raise InputError("; ".join(sentences(error))) from None
    if store.user_by_name(user.name):
        raise InputError("This name is taken; choose another one.")
    user = user.model_copy(update={"password_hash": hash_password(password)})
    _take(store, token)
    try:
        return store.save_user(user)
    except Conflict:
        # Somebody else took the name at the same moment.
        store.save_one_time_token(token)
        raise InputError("This name is taken; choose another one.") from None


def reset(store: Store, token: OneTimeToken, password: str) -> User:
    """The account with its new password; all of its sessions end. Raises Conflict when the token is gone, and InputError,
    which leaves it, when the account changed at the same moment.
    """
    user = store.user(token.user)
    if user is None:
        raise Conflict(_GONE)
    password_hash = hash_password(password)
    _take(store, token)
    try:
        saved = store.save_user(user.model_copy(update={"password_hash": password_hash}))
    except Conflict:
        # An admin changed the role, say; the link is still good.
        store.save_one_time_token(token)
        raise InputError("The account changed at the same moment; set the password once more.") from None
    resources.sessions().end_all(user.id)
    return saved


async def _page(request: Request, kind: OneTimeTokenKind, refusal: str = "", status: int = 200) -> Response:
    token = await asyncio.to_thread(find, resources.store(), request.path_params["token"], kind)
    user = await asyncio.to_thread(resources.store().user, token.user) if token and token.user else None
    if token is None or (kind is OneTimeTokenKind.RESET and user is None):
        return sentence_page("Link not valid", _GONE, 410, "/login", "To the sign-in")
    if user:
        told = {"title": "New password", "sentence": passwords.RULE, "name": user.name, "button": "Set the password"}
    else:
        role = "an admin's account" if token.role is Role.ADMIN else "your account"
        sentence = f"Make {role}. {passwords.RULE}"
        told = {"title": "Welcome to StormAlert", "sentence": sentence, "name": "", "button": "Make the account"}
    return page("accounts/account.html", status, refusal=refusal, **told)


async def _use(request: Request, kind: OneTimeTokenKind) -> Response:
    form = await request.form()
    name, password, again = (str(form.get(field, "")) for field in ("name", "password", "again"))
    try:
        token = await asyncio.to_thread(find, resources.store(), request.path_params["token"], kind)
        if token is None:
            return await _page(request, kind)
        passwords.check_new(password, again)
        await asyncio.to_thread(use, token, name, password, authentication.address(request))
    except InputError as error:
        return await _page(request, kind, str(error), 422)
    except Conflict:
        return await _page(request, kind, "Somebody else used this link just now.", 409)
    return RedirectResponse(f"/login?said={'joined' if kind is OneTimeTokenKind.INVITATION else 'reset'}", 303)


def use(token: OneTimeToken, name: str, password: str, from_address: str) -> User:
    """Raises InputError or Conflict."""
    store = resources.store()
    if token.kind is OneTimeTokenKind.INVITATION:
        user = join(store, token, name, password)
        authentication.record(user.id, "account made", f"as {user.name}, {user.role}, from {from_address}")
    else:
        user = reset(store, token, password)
        authentication.record(user.id, "password reset", from_address)
    return user


def find(store: Store, secret: str, kind: OneTimeTokenKind) -> OneTimeToken | None:
    """The one that the link's token stands for, unless it is over."""
    token = store.one_time_token(_digest(secret))
    if token is None or token.kind is not kind or token.expires_ms <= now_ms():
        return None
    # The first admin's is over when there is anybody.
    return None if token.made_by == NOBODY and store.users() else token


def _take(store: Store, token: OneTimeToken) -> None:
    if store.take_one_time_token(token.id) is None:
        raise Conflict(_GONE)


def _digest(secret: str) -> str:
    return hashlib.blake2b(secret.encode(), digest_size=20).hexdigest()
