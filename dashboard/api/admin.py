"""/api/admin: users and invitations, the policy, keys, the calendar, the system's status and the audit log."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field, StrictBool

from dashboard import resources
from dashboard.accounts import authentication, one_time_links
from dashboard.accounts.portable import portable
from dashboard.api.guard import Guarded, Who, access
from dashboard.api.models import (
    IDS,
    CursorText,
    Input,
    Limit,
    Output,
    Page,
    RecordId,
    SessionOut,
    UserOut,
    Whole,
    not_found,
    read_cursor,
    write_cursor,
)
from dashboard.system.depth import read_system
from dashboard.web.access_rules import AccessRule
from stormalert.config import policy
from stormalert.config.policy import PlanName, Policy, SecondFactor
from stormalert.config.stored import CALENDAR
from stormalert.errors import InputError
from stormalert.market.calendar import Segment, read_calendar
from stormalert.model import OneTimeToken, OneTimeTokenKind, Role, Scope, User
from stormalert.units import now_ms

router = APIRouter(prefix="/admin", tags=["admin"], route_class=Guarded)

READ, WRITE = access(AccessRule.ADMIN, Scope.ADMIN), access(AccessRule.ADMIN, Scope.ADMIN, 409)
FIND, CHANGE = access(AccessRule.ADMIN, Scope.ADMIN, 404), access(AccessRule.ADMIN, Scope.ADMIN, 404, 409)
_DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_CLOCK = r"^[0-9]{2}:[0-9]{2}$"

SegmentName = Annotated[str, Field(json_schema_extra={"enum": [segment.name for segment in Segment]})]
Segments = Annotated[list[SegmentName], Field(min_length=1, max_length=20)]
Day = Annotated[str, Field(pattern=_DAY)]
Clock = Annotated[str, Field(pattern=_CLOCK)]


class ChangedUser(Input):
    """What is left out stays as it is."""

    role: Role | None = None
    plan: Annotated[str, Field(max_length=32)] | None = Field(None, description="empty: the usual one")
    is_off: StrictBool | None = Field(None, description="cannot sign in and gets no alerts")


class NewInvitation(Input):
    role: Role = Role.MEMBER
    plan: Annotated[str, Field(max_length=32)] = ""


class Invitation(Output):
    id: str
    kind: OneTimeTokenKind
    role: Role
    plan: str
    made_by: str
    created_ms: int
    expires_ms: int


class LinkOut(Output):
    link: str = Field(description="good once; it is not shown again")
    expires_ms: int


class PlanIn(Input):
    rules: Annotated[Whole, Field(ge=0, le=1_000_000)]
    channels: Annotated[Whole, Field(ge=0, le=100)]
    alerts_per_hour: Annotated[Whole, Field(ge=0, le=100_000, description="0: as STORM_ALERTS_PER_HOUR says")] = 0


class PolicyIn(Input):
    plans: Annotated[dict[PlanName, PlanIn], Field(min_length=1, max_length=20)]
    second_factor: SecondFactor
    keep_days: Annotated[Whole, Field(ge=1, le=3650, description="alerts with their deliveries")]
    keep_audit_days: Annotated[Whole, Field(ge=1, le=3650)]


class HolidayIn(Input):
    day: Day
    segments: Segments | None = None


class SpecialIn(Input):
    day: Day
    opens: Clock
    closes: Clock
    segments: Segments | None = None


class HoursIn(Input):
    opens: Clock
    closes: Clock
    since: Day | None = None
    auctioned: StrictBool | None = None
    segments: Segments | None = None


class CalendarIn(Input):
    """Holidays of a year stand in the place of those built in; special sessions and hours are added."""

    holidays: list[HolidayIn] = Field([], max_length=10_000)
    special: list[SpecialIn] = Field([], max_length=10_000)
    hours: list[HoursIn] = Field([], max_length=1_000)


class Entry(Output):
    id: str
    time_ms: int
    user: str
    action: str
    detail: str


@router.get("/users", **READ)
def list_users() -> list[UserOut]:
    return [UserOut.of(user) for user in resources.store().users()]


@router.get("/users/{user}", **FIND)
def get_user(user: RecordId) -> UserOut:
    return UserOut.of(_user(user))


@router.patch("/users/{user}", **CHANGE)
def change_user(who: Who, user: RecordId, asked: ChangedUser) -> UserOut:
    """Role, plan, and whether the account works at all."""
    before = _user(user)
    if asked.plan:
        _check_plan(asked.plan)
    return UserOut.of(authentication.change_user(who.user, before, asked.model_dump(exclude_none=True)))


@router.delete("/users/{user}", status_code=204, **CHANGE)
def erase_user(who: Who, user: RecordId) -> None:
    """The account and all that is theirs. There is no way back."""
    authentication.erase(_user(user), who.user)


@router.get("/users/{user}/export", **FIND)
def export_user(who: Who, user: RecordId) -> Response:
    """All that is kept about them, as one JSON object."""
    found = _user(user)
    authentication.record(who.user.id, "user exported", found.id)
    return portable(resources.store(), found)


@router.post("/users/{user}/reset", status_code=201, **FIND)
def make_reset(request: Request, who: Who, user: RecordId) -> LinkOut:
    """A one-time link by which they choose a new password."""
    found = _user(user)
    authentication.record(who.user.id, "password reset offered", found.name)
    return _link(request, *one_time_links.make(resources.store(), OneTimeTokenKind.RESET, who.user.id, user=found.id))


@router.post("/users/{user}/drop-second-factor", status_code=204, **CHANGE)
def drop_second_factor(who: Who, user: RecordId) -> None:
    """For who lost the phone and the recovery codes."""
    authentication.drop_second_factor(_user(user), who.user)


@router.get("/users/{user}/sessions", **FIND)
def list_sessions(who: Who, user: RecordId) -> list[SessionOut]:
    return [SessionOut.of(session, who.session) for session in resources.sessions().of(_user(user))]


@router.delete("/users/{user}/sessions", status_code=204, **FIND)
def end_sessions(who: Who, user: RecordId) -> None:
    """All of theirs, tokens too."""
    found = _user(user)
    resources.sessions().end_all(found.id)
    authentication.record(who.user.id, "sessions ended", found.name)


@router.get("/invitations", **READ)
def list_invitations() -> list[Invitation]:
    """Links that were not used yet, those for new passwords too."""
    now = now_ms()
    waiting = [token for token in resources.store().one_time_tokens() if token.expires_ms > now]
    return [Invitation.model_validate(token.model_dump(include=set(Invitation.model_fields))) for token in waiting]


@router.post("/invitations", status_code=201, **WRITE)
def invite(request: Request, who: Who, asked: NewInvitation) -> LinkOut:
    """A one-time link to a new account."""
    if asked.plan:
        _check_plan(asked.plan)
    made = one_time_links.make(resources.store(), OneTimeTokenKind.INVITATION, who.user.id, role=asked.role, plan=asked.plan)
    authentication.record(who.user.id, "invited", asked.role)
    return _link(request, *made)


@router.delete("/invitations/{invitation}", status_code=204, **FIND)
def withdraw(who: Who, invitation: RecordId) -> None:
    """Its link is not good any more."""
    if resources.store().take_one_time_token(invitation) is None:
        raise not_found("invitation")
    authentication.record(who.user.id, "invitation withdrawn", invitation[:8])


@router.get("/house", **READ)
def get_house() -> PolicyIn:
    """Plans, who needs a second factor, and how long things are kept."""
    return PolicyIn.model_validate(policy.read(resources.store()).model_dump())


@router.put("/house", **WRITE)
def set_house(who: Who, asked: PolicyIn) -> PolicyIn:
    saved = policy.checked(Policy, asked.model_dump())
    policy.change(resources.store(), saved)
    authentication.record(who.user.id, "policy changed", saved.model_dump_json()[:500])
    return asked


@router.get("/system-status", **READ)
async def system_status() -> dict[str, Any]:
    """The feed, streams, servers, queue, store, every process and open notices; `findings` are what is not well, in words."""
    return await read_system(resources.loop_redis(), resources.store(), resources.config())


@router.get("/calendar", **READ)
def get_calendar() -> CalendarIn:
    """What was added to the built-in calendar of the exchanges."""
    text = resources.store().setting(CALENDAR.name)
    return CalendarIn.model_validate(_spelled_out(json.loads(text))) if text else CalendarIn(holidays=[], special=[], hours=[])


@router.put("/calendar", **WRITE)
def set_calendar(who: Who, asked: CalendarIn) -> CalendarIn:
    """In the place of what was added before."""
    text = asked.model_dump_json(exclude_none=True)
    read_calendar(text)
    resources.store().save_setting(CALENDAR.name, text)
    authentication.record(who.user.id, "calendar changed", f"{len(asked.holidays)} holidays, {len(asked.special)} special")
    return asked


@router.get("/audit", **READ)
def read_audit(
    limit: Limit = 100,
    cursor: CursorText = "",
    user: Annotated[str, Query(pattern=IDS.replace("{1,64}", "{0,64}"))] = "",
    action: Annotated[str, Query(max_length=64, description="such as key set")] = "",
) -> Page[Entry]:
    """Who did what, newest first."""
    found = resources.store().audit(read_cursor(cursor), limit + 1, user, action)
    page = found[:limit]
    following = write_cursor(page[-1].time_ms, page[-1].id) if len(found) > limit else None
    return Page(items=[Entry.model_validate(entry.model_dump()) for entry in page], next=following)


def _user(user_id: str) -> User:
    user = resources.store().user(user_id)
    if user is None:
        raise not_found("user")
    return user


def _check_plan(name: str) -> None:
    plans = policy.read(resources.store()).plans
    if name not in plans:
        raise InputError(f"found the plan {name!r}, expected one of {', '.join(sorted(plans))}")


def _link(request: Request, token: OneTimeToken, path: str) -> LinkOut:
    root = resources.config().public_url.rstrip("/") or str(request.base_url).removesuffix("/").removesuffix("/api")
    return LinkOut(link=f"{root}{path}", expires_ms=token.expires_ms)


def _spelled_out(calendar: dict[str, Any]) -> dict[str, Any]:
    """A holiday may be just a day."""
    holidays = [{"day": row} if isinstance(row, str) else row for row in calendar.get("holidays", [])]
    return calendar | {"holidays": holidays}
