"""/api/rules: one's rules, one by one, many at once, and as a table."""

from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import Field

from dashboard import resources
from dashboard.accounts.portable import rules_of
from dashboard.api.guard import Guarded, Who, access
from dashboard.api.models import (
    BodyId,
    CursorText,
    Duration,
    Input,
    Limit,
    Output,
    Page,
    Percent,
    Price,
    RecordId,
    RuleOut,
    SymbolText,
    Whole,
    not_found,
    read_cursor,
    write_cursor,
)
from dashboard.rules import upload
from dashboard.web.access_rules import AccessRule
from dashboard.web.problems import Found, RequestRefused, shown
from stormalert.access.security import new_id
from stormalert.access.sessions import SignedIn
from stormalert.config import policy
from stormalert.errors import Conflict, InputError
from stormalert.model import Direction, Kind, Repeat, Rule, RuleFilter, RuleState, Scope
from stormalert.notify import preferences
from stormalert.notify.preferences import Loudness, RulePreferences
from stormalert.rules import condition
from stormalert.rules import line as rule_line
from stormalert.rules import table as rule_table
from stormalert.rules.kinds import kinds_with
from stormalert.rules.kinds.fields import PRICE, WINDOW
from stormalert.rules.line import WATCHLIST, is_watchlist
from stormalert.rules.table import BadTable

router = APIRouter(prefix="/rules", tags=["rules"], route_class=Guarded)

BULK_MAX = 1_000
CSV = "text/csv"


class Condition(Input):
    """A rule's condition; a field that is left out has its usual value."""

    kind: Kind
    direction: Direction = Direction.BOTH
    percent: Percent | None = None
    price: Price | None = Field(None, description=f"of {kinds_with(PRICE)}, such as {PRICE.example}")
    window: Duration | None = Field(None, description=f"of {kinds_with(WINDOW)}, such as {WINDOW.example}")
    repeat: Repeat = Repeat.EVERY
    cooldown: Duration | None = Field(None, description="the pause after an alert; left out: the usual one")
    armed_at_ms: Annotated[Whole, Field(ge=0, le=2**53)] = Field(0, description="0: before the first tick")


class NewRule(Condition):
    symbol: SymbolText = Field(description="such as NSE:INFY, or watchlist for every instrument of it")


class RuleLine(Input):
    line: Annotated[str, Field(min_length=1, max_length=rule_line.LONGEST, examples=[rule_line.EXAMPLE])]


class ChangedRule(Condition):
    revision: Annotated[Whole, Field(ge=1)] = Field(description="of the rule as it was read; refused when it changed since")
    state: RuleState = RuleState.ACTIVE


class Act(StrEnum):
    PAUSE = "pause"
    RESUME = "resume"
    REARM = "rearm"
    DELETE = "delete"


class Bulk(Input):
    act: Act
    ids: Annotated[list[BodyId], Field(min_length=1, max_length=BULK_MAX)]


class BulkReport(Output):
    done: list[str]
    not_done: dict[str, str] = Field(description="why, by id")


class ImportReport(Output):
    new: int
    changed: int = Field(description="those that say what was there already are not counted")
    is_dry_run: bool


class Messages(Input):
    loudness: Loudness = Loudness.ON
    channels: Annotated[list[BodyId], Field(max_length=100)] = Field([], description="empty: all of one's own")


@router.get("", **access(AccessRule.MEMBER, Scope.READ))
def list_rules(
    who: Who,
    limit: Limit = 100,
    cursor: CursorText = "",
    text: Annotated[str, Query(max_length=64, description="a part of the symbol")] = "",
    kind: Kind | None = None,
    direction: Direction | None = None,
    state: RuleState | None = None,
) -> Page[RuleOut]:
    """One's rules, newest change first."""
    only = RuleFilter(text=text, kind=kind, direction=direction, state=state)
    found = resources.store().rules_of(who.user.id, read_cursor(cursor), limit + 1, only)
    page = found[:limit]
    following = write_cursor(page[-1].updated_ms, page[-1].id) if len(found) > limit else None
    return Page(items=[RuleOut.of(rule) for rule in page], next=following)


@router.post("", status_code=201, **access(AccessRule.MEMBER, Scope.WRITE, 409))
def make_rule(who: Who, response: Response, asked: NewRule) -> RuleOut:
    """A new rule; it is armed within a second."""
    return _added(who, response, _rule(asked, id=new_id(), user=who.user.id, **_subject(asked.symbol)))


@router.post("/line", status_code=201, **access(AccessRule.MEMBER, Scope.WRITE, 409))
def make_rule_of_line(who: Who, response: Response, asked: RuleLine) -> RuleOut:
    """A new rule from one line of text, as in a chat."""
    find = resources.store().instrument_by_symbol
    return _added(who, response, rule_line.read(asked.line, find, id=new_id(), user=who.user.id))


@router.get("/export", response_class=StreamingResponse, **access(AccessRule.MEMBER, Scope.READ))
def export_rules(who: Who) -> StreamingResponse:
    """All of one's rules as CSV, which /rules/import takes back."""
    lines = rule_table.write(rules_of(resources.store(), who.user.id))
    headers = {"Content-Disposition": 'attachment; filename="rules.csv"', "Cache-Control": "no-store"}
    return StreamingResponse(lines, headers=headers, media_type=CSV)


@router.post("/import", **access(AccessRule.MEMBER, Scope.WRITE, 409))
def import_rules(
    who: Who,
    table: Annotated[bytes, Body(media_type=CSV)],
    dry_run: Annotated[bool, Query(description="only say what would be done")] = False,
) -> ImportReport:
    """Rules from CSV: rows with the id of one's rule change it, others are new. All rows or none."""
    try:
        imported = upload.take(resources.store(), who.user, table, is_dry_run=dry_run)
    except BadTable as bad:
        errors = [
            Found(place=f"line {row.line}, {row.column}", found=shown(row.found), expected=row.expected) for row in bad.rows
        ]
        count = "1 thing is" if len(errors) == 1 else f"{len(errors)} things are"
        raise RequestRefused(422, f"Nothing was imported: {count} wrong in the table.", errors) from None
    return ImportReport(new=imported.new, changed=imported.changed, is_dry_run=dry_run)


@router.post("/bulk", **access(AccessRule.MEMBER, Scope.WRITE))
def bulk(who: Who, asked: Bulk) -> BulkReport:
    """The same with many rules; each is done or not done by itself."""
    done: list[str] = []
    not_done: dict[str, str] = {}
    for rule_id in dict.fromkeys(asked.ids):
        try:
            _act(_own(who, rule_id), asked.act)
        except RequestRefused:
            not_done[rule_id] = "there is no such rule"
        except (Conflict, InputError) as error:
            not_done[rule_id] = str(error)
        else:
            done.append(rule_id)
    return BulkReport(done=done, not_done=not_done)


@router.get("/{rule}", **access(AccessRule.MEMBER, Scope.READ, 404))
def get_rule(who: Who, rule: RecordId) -> RuleOut:
    return RuleOut.of(_own(who, rule))


@router.put("/{rule}", **access(AccessRule.MEMBER, Scope.WRITE, 404, 409))
def change_rule(who: Who, rule: RecordId, asked: ChangedRule) -> RuleOut:
    """Another condition on the same instrument; the rule is armed anew."""
    before = _own(who, rule)
    if asked.state is RuleState.DELETED:
        raise RequestRefused(422, "body.state: expected active, paused or spent; to delete a rule there is DELETE.")
    fields = {"id": before.id, "user": before.user, "token": before.token, "symbol": before.symbol}
    changed = _rule(asked, **fields, state=asked.state, revision=asked.revision, updated_ms=before.updated_ms)
    return RuleOut.of(resources.store().save_rule(changed))


@router.delete("/{rule}", status_code=204, **access(AccessRule.MEMBER, Scope.WRITE, 404, 409))
def delete_rule(who: Who, rule: RecordId) -> None:
    """It stops watching; its alerts stay."""
    _act(_own(who, rule), Act.DELETE)


@router.post("/{rule}/pause", **access(AccessRule.MEMBER, Scope.WRITE, 404, 409))
def pause_rule(who: Who, rule: RecordId) -> RuleOut:
    """It waits until it is resumed."""
    return RuleOut.of(_act(_own(who, rule), Act.PAUSE))


@router.post("/{rule}/resume", **access(AccessRule.MEMBER, Scope.WRITE, 404, 409))
def resume_rule(who: Who, rule: RecordId) -> RuleOut:
    return RuleOut.of(_act(_own(who, rule), Act.RESUME))


@router.post("/{rule}/rearm", **access(AccessRule.MEMBER, Scope.WRITE, 404, 409))
def rearm_rule(who: Who, rule: RecordId) -> RuleOut:
    """It starts over at the next tick, whatever happened before."""
    return RuleOut.of(_act(_own(who, rule), Act.REARM))


@router.get("/{rule}/messages", **access(AccessRule.MEMBER, Scope.READ, 404))
def get_messages(who: Who, rule: RecordId) -> Messages:
    """How the rule's alerts are told."""
    wanted = preferences.of_rule(resources.store(), _own(who, rule).id)
    return Messages(loudness=wanted.loudness, channels=list(wanted.channels))


@router.put("/{rule}/messages", **access(AccessRule.MEMBER, Scope.WRITE, 404))
def set_messages(who: Who, rule: RecordId, asked: Messages) -> Messages:
    """How the rule's alerts shall be told; the rule stays armed."""
    own = {channel.id for channel in resources.store().channels_of(who.user.id)}
    if strange := [channel for channel in asked.channels if channel not in own]:
        raise InputError(f"found the channel {strange[0]!r}, expected one of your own")
    wanted = RulePreferences(loudness=asked.loudness, channels=tuple(dict.fromkeys(asked.channels)))
    preferences.save_of_rule(resources.store(), _own(who, rule).id, wanted)
    return Messages(loudness=wanted.loudness, channels=list(wanted.channels))


def _own(who: SignedIn, rule_id: str) -> Rule:
    rule = resources.store().rule(rule_id)
    if rule is None or rule.user != who.user.id or rule.state is RuleState.DELETED:
        raise not_found("rule")
    return rule


def _added(who: SignedIn, response: Response, rule: Rule) -> RuleOut:
    policy.check_rules(resources.store(), who.user.id)
    saved = resources.store().save_rule(rule)
    response.headers["Location"] = f"/api/rules/{saved.id}"
    return RuleOut.of(saved)


def _act(rule: Rule, act: Act) -> Rule:
    """Raises Conflict."""
    if act is Act.PAUSE and rule.state is not RuleState.ACTIVE:
        raise Conflict(f"the rule is {rule.state}, so it cannot be paused")
    if act is Act.RESUME and rule.state is not RuleState.PAUSED:
        raise Conflict(f"the rule is {rule.state}, so it cannot be resumed")
    state = {Act.PAUSE: RuleState.PAUSED, Act.DELETE: RuleState.DELETED}.get(act, RuleState.ACTIVE)
    saved = resources.store().save_rule(rule.model_copy(update={"state": state}))
    preferences.forget_deleted(resources.store(), [saved])
    return saved


def _subject(symbol: str) -> dict[str, Any]:
    if is_watchlist(symbol):
        return {"token": 0, "symbol": WATCHLIST}
    instrument = rule_line.find_instrument(symbol, resources.store().instrument_by_symbol)
    return {"token": instrument.token, "symbol": instrument.symbol}


def _rule(asked: Condition, **fields: Any) -> Rule:
    """Raises InputError."""
    texts = {name: text for name, text in asked.model_dump(include=_TEXTS).items() if text is not None}
    is_on_watchlist = fields["token"] == 0
    return condition.made(condition.read(texts, is_on_watchlist=is_on_watchlist) | {"armed_at_ms": asked.armed_at_ms} | fields)


_TEXTS = set(Condition.model_fields) - {"armed_at_ms"}
