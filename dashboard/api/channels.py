"""/api/channels: where one's alerts go."""

from typing import Annotated, Literal

from fastapi import APIRouter, Response
from pydantic import Field, StrictBool, ValidationError

from dashboard import resources
from dashboard.api.guard import Guarded, Who, access
from dashboard.api.models import BodyId, ChannelOut, Input, Output, RecordId, Whole, not_found
from dashboard.channels import book, order
from dashboard.web.access_rules import AccessRule
from stormalert.access.sessions import SignedIn
from stormalert.errors import InputError
from stormalert.model import FALLBACK_MAX_MIN, Channel, ChannelKind, DeliveryState, QuietHours, Scope, sentences
from stormalert.notify import linking, send_requests
from stormalert.notify.linking import Linking
from stormalert.notify.send_requests import SendKind, SendState

router = APIRouter(prefix="/channels", tags=["channels"], route_class=Guarded)


_FIXED = ("id", "kind", "address", "is_verified")


class NewChannel(Input):
    kind: ChannelKind
    address: Annotated[str, Field(min_length=1, max_length=254)]


class Quiet(Input):
    from_min: Annotated[Whole, Field(ge=0, lt=1440, description="minutes after midnight")]
    to_min: Annotated[Whole, Field(ge=0, lt=1440)]
    zone: Annotated[str, Field(min_length=1, max_length=64)] = "Asia/Kolkata"


class ChangedChannel(Input):
    """What `get` gave may be put back as it is: what nobody can change here must only be what it was."""

    revision: Annotated[Whole, Field(ge=1, description="of the channel as it was read")]
    is_on: StrictBool = True
    is_silent: StrictBool = Field(False, description="without a sound, where the provider can do that")
    quiet: Quiet | None = None
    stands_in_for: BodyId | Literal[""] | None = Field(
        None, description="gets an alert only if this channel's message does not get through"
    )
    stands_in_unless: DeliveryState = DeliveryState.READ
    stands_in_after_min: Annotated[Whole, Field(ge=1, le=FALLBACK_MAX_MIN)] = 5
    id: BodyId | None = None
    kind: ChannelKind | None = None
    address: Annotated[str, Field(max_length=300)] | None = Field(None, description="as it is shown")
    is_verified: StrictBool | None = None
    reason: Annotated[str, Field(max_length=10_000)] | None = Field(None, description="is gone when the channel was changed")


class ChannelCode(Input):
    code: Annotated[str, Field(max_length=16)]


class SendRequestOut(Output):
    id: str
    state: SendState
    reason: str


class Secret(Output):
    secret: str = Field(description="signs the webhook's messages, see standardwebhooks.com")


@router.get("", **access(AccessRule.MEMBER, Scope.READ))
def list_channels(who: Who) -> list[ChannelOut]:
    return [ChannelOut.of(channel) for channel in resources.store().channels_of(who.user.id)]


@router.post("", status_code=201, **access(AccessRule.MEMBER, Scope.WRITE, 409))
def add_channel(who: Who, response: Response, asked: NewChannel) -> ChannelOut:
    """A new address; a code is sent to it, and alerts when that was entered."""
    channel = book.add(resources.store(), who.user, asked.kind, asked.address, resources.config())
    send_requests.ask(resources.thread_redis(), SendKind.CODE, channel.id)
    response.headers["Location"] = f"/api/channels/{channel.id}"
    return ChannelOut.of(channel)


@router.get("/{channel}", **access(AccessRule.MEMBER, Scope.READ, 404))
def get_channel(who: Who, channel: RecordId) -> ChannelOut:
    return ChannelOut.of(_own(who, channel))


@router.put("/{channel}", **access(AccessRule.MEMBER, Scope.WRITE, 404, 409))
def change_channel(who: Who, channel: RecordId, asked: ChangedChannel) -> ChannelOut:
    """Whether and when it gets alerts."""
    before = _own(who, channel)
    _check_unchanged(before, asked)
    if asked.stands_in_for and asked.stands_in_for != before.stands_in_for:
        _check_first(before, asked.stands_in_for)
    if asked.quiet and not (before.quiet and asked.quiet.zone == before.quiet.zone):
        _check_zone(asked.quiet.zone)
    fields = asked.model_dump(exclude={"quiet", "reason", *_FIXED}) | {"stands_in_for": asked.stands_in_for or ""}
    try:
        quiet = QuietHours.model_validate(asked.quiet.model_dump()) if asked.quiet else None
        # Who changes it has read why it was switched off.
        changed = Channel.model_validate(before.model_dump() | fields | {"quiet": quiet, "reason": ""})
    except ValidationError as error:
        raise InputError("; ".join(sentences(error))) from None
    return ChannelOut.of(resources.store().save_channel(changed))


def _check_unchanged(before: Channel, asked: ChangedChannel) -> None:
    known = ChannelOut.of(before)
    for name in _FIXED:
        found, expected = getattr(asked, name), getattr(known, name)
        if found is not None and found != expected:
            raise InputError(f"{name}: cannot be changed here; expected {expected!r} or nothing, was {found!r}")


@router.delete("/{channel}", status_code=204, **access(AccessRule.MEMBER, Scope.WRITE, 404))
def delete_channel(who: Who, channel: RecordId) -> None:
    """No more alerts go there; what was sent stays in the history."""
    resources.store().delete_channel(_own(who, channel).id)


@router.post("/{channel}/code", status_code=202, **access(AccessRule.MEMBER, Scope.WRITE, 404))
def send_code(who: Who, channel: RecordId) -> SendRequestOut:
    """Send another code to it."""
    return _ask(_own(who, channel), SendKind.CODE)


@router.post("/{channel}/verify", **access(AccessRule.MEMBER, Scope.WRITE, 404))
def verify_channel(who: Who, channel: RecordId, asked: ChannelCode) -> ChannelOut:
    """With the code that was sent to it."""
    found = _own(who, channel)
    Linking(resources.thread_redis(), resources.config()).check_code(found, asked.code)
    return ChannelOut.of(linking.verify(resources.store(), found))


@router.post("/{channel}/test", status_code=202, **access(AccessRule.MEMBER, Scope.WRITE, 404, 409))
def test_channel(who: Who, channel: RecordId) -> SendRequestOut:
    """Send a test message to it."""
    return _ask(book.verified(_own(who, channel)), SendKind.TEST)


@router.get("/{channel}/errands/{errand}", **access(AccessRule.MEMBER, Scope.READ, 404))
def get_send_request(who: Who, channel: RecordId, errand: RecordId) -> SendRequestOut:
    """What became of a code or a test message, for ten minutes."""
    _own(who, channel)
    result = send_requests.result(resources.thread_redis(), errand)
    if result is None:
        raise not_found("errand")
    return SendRequestOut(id=errand, state=result.state, reason=result.reason)


@router.get("/{channel}/secret", **access(AccessRule.MEMBER, None, 404, 409))
def get_secret(who: Who, channel: RecordId) -> Secret:
    """What a webhook's receiver checks its messages with."""
    return Secret(secret=book.secret_of(_own(who, channel), resources.config()))


def _check_first(channel: Channel, first: str) -> None:
    """Raises InputError unless `channel` can be the fallback of `first`: whoever waits for a fallback comes too early."""
    channels = resources.store().channels_of(channel.user)
    if first == channel.id or first not in {it.id for it in channels}:
        raise InputError(f"found the channel {first!r} as primary, expected another one of your own")
    if order.fallbacks_of(channel, channels):
        raise InputError(f"found that {channel.id!r} has fallback channels, expected none when it is to be one itself")
    if first not in {it.id for it in order.possible_primaries(channel, channels)}:
        raise InputError(f"found that {first!r} is a fallback channel, expected one that gets every alert at once")


def _check_zone(zone: str) -> None:
    """Raises InputError for what the page does not offer."""
    if zone not in book.zones():
        raise InputError(f"found the time zone {zone!r}, expected one such as Asia/Kolkata")


def _own(who: SignedIn, channel_id: str) -> Channel:
    channel = resources.store().channel(channel_id)
    if channel is None or channel.user != who.user.id:
        raise not_found("channel")
    return channel


def _ask(channel: Channel, kind: SendKind) -> SendRequestOut:
    return SendRequestOut(id=send_requests.ask(resources.thread_redis(), kind, channel.id), state=SendState.WAITING, reason="")
