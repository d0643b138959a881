"""/api/admin/keys: keys and senders that admins set without touching the server."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from dashboard import resources
from dashboard.accounts import authentication
from dashboard.api.guard import Guarded, Who, access
from dashboard.api.models import Input, Output, not_found
from dashboard.web.access_rules import AccessRule
from stormalert.config import overrides, settings
from stormalert.model import Scope

router = APIRouter(prefix="/admin/keys", tags=["admin"], route_class=Guarded)


class KeyOut(Output):
    name: str
    help: str
    is_secret: bool
    source: str = Field(description="panel, environment, or empty: not set")
    shown: str = Field(description="of a secret the last four characters")


class NewKey(Input):
    value: Annotated[str, Field(min_length=1, max_length=4096)]


@router.get("", **access(AccessRule.ADMIN, Scope.ADMIN))
def list_keys() -> list[KeyOut]:
    """Keys and senders that can be set here; what is set here goes before the environment."""
    return [_key(shown) for shown in overrides.shown(settings.load(), resources.store())]


@router.put("/{name}", **access(AccessRule.ADMIN, None, 404))
def set_key(who: Who, name: str, asked: NewKey) -> KeyOut:
    """The processes take it up within seconds."""
    _check_key(name)
    overrides.save(resources.config(), resources.store(), name, asked.value)
    resources.refresh_overrides()
    authentication.record(who.user.id, "key set", name)
    return next(key for key in list_keys() if key.name == name)


@router.delete("/{name}", status_code=204, **access(AccessRule.ADMIN, None, 404))
def forget_key(who: Who, name: str) -> None:
    """The environment's counts again."""
    _check_key(name)
    overrides.forget(resources.store(), name)
    resources.refresh_overrides()
    authentication.record(who.user.id, "key forgotten", name)


def _check_key(name: str) -> None:
    if name not in overrides.NAMES:
        raise not_found("key")


def _key(shown: overrides.Shown) -> KeyOut:
    return KeyOut(name=shown.name, help=shown.help, is_secret=shown.is_secret, source=shown.source, shown=shown.tail)
