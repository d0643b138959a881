"""/api/settings and /api/mutes: what one wants of one's messages."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from dashboard import resources
from dashboard.api.guard import Guarded, Who, access
from dashboard.api.models import LATEST_MS, Input, Output, Whole, not_found
from dashboard.web.access_rules import AccessRule
from stormalert.access.sessions import SignedIn
from stormalert.model import Mute, MuteScope, RuleState, Scope
from stormalert.notify import preferences, templates
from stormalert.notify.preferences import Burst
from stormalert.rules import line as rule_line
from stormalert.units import now_ms

router = APIRouter(tags=["settings"], route_class=Guarded)


class BurstIn(Input):
    most: Annotated[Whole, Field(ge=1, le=100_000)]
    within_s: Annotated[Whole, Field(ge=1, le=300)]


class NotificationPreferences(Input):
    burst: BurstIn | None = Field(None, description="more alerts than that are told together; null: as the policy has it")
    template: Annotated[str, Field(max_length=templates.LONGEST)] = Field(
        "", description="one's own message; empty: the usual one"
    )


class NewMute(Input):
    scope: MuteScope
    subject: Annotated[str, Field(max_length=64)] = Field("", description="a rule's id, an instrument's symbol, or empty")
    until_ms: Annotated[Whole, Field(ge=0, le=LATEST_MS)] = Field(0, description="0: until it is lifted")


class MuteOut(Output):
    id: str
    scope: MuteScope
    subject: str
    name: str
    until_ms: int


@router.get("/settings", **access(AccessRule.MEMBER, Scope.READ))
def get_settings(who: Who) -> NotificationPreferences:
    """How one's messages are worded, and when many are told together."""
    store = resources.store()
    burst = preferences.burst(store, who.user.id)
    own = BurstIn(most=burst.most, within_s=burst.within_s) if burst else None
    return NotificationPreferences(burst=own, template=templates.template_of(store, who.user.id))


@router.put("/settings", **access(AccessRule.MEMBER, Scope.WRITE))
def set_settings(who: Who, asked: NotificationPreferences) -> NotificationPreferences:
    store = resources.store()
    templates.save_template(store, who.user.id, asked.template)
    preferences.save_burst(store, who.user.id, Burst.model_validate(asked.burst.model_dump()) if asked.burst else None)
    return get_settings(who)


@router.get("/mutes", **access(AccessRule.MEMBER, Scope.READ))
def list_mutes(who: Who) -> list[MuteOut]:
    """What one does not want to hear of now."""
    return [MuteOut.model_validate(mute.model_dump(exclude={"user"})) for mute in _held(who)]


@router.post("/mutes", status_code=201, **access(AccessRule.MEMBER, Scope.WRITE, 404))
def mute(who: Who, asked: NewMute) -> MuteOut:
    """Rules go on firing and alerts stay in the history; no message is sent."""
    subject, name = _subject(who, asked)
    made = Mute.of(who.user.id, asked.scope, subject, name=name, until_ms=asked.until_ms)
    resources.store().save_mute(made)
    return MuteOut.model_validate(made.model_dump(exclude={"user"}))


@router.delete("/mutes/{mute}", status_code=204, **access(AccessRule.MEMBER, Scope.WRITE, 404))
def unmute(who: Who, mute: str) -> None:
    if not any(held.id == mute for held in _held(who)):
        raise not_found("mute")
    resources.store().delete_mute(mute)


def _held(who: SignedIn) -> list[Mute]:
    return resources.store().mutes_of(who.user.id, now_ms())


def _subject(who: SignedIn, asked: NewMute) -> tuple[str, str]:
    """As the store has it, and its name for people."""
    store = resources.store()
    if asked.scope is MuteScope.ALL:
        return "", ""
    if asked.scope is MuteScope.INSTRUMENT:
        instrument = rule_line.find_instrument(asked.subject, store.instrument_by_symbol)
        return str(instrument.token), instrument.symbol
    rule = store.rule(asked.subject)
    if rule is None or rule.user != who.user.id or rule.state is RuleState.DELETED:
        raise not_found("rule")
    return rule.id, rule_line.write(rule)
