"""What REST routes take and give, beside the few shapes that one route alone has."""

from typing import Annotated, Generic, TypeVar

from fastapi import Path, Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from dashboard.web.problems import RequestRefused
from stormalert import channels as kinds
from stormalert.model import (
    Alert,
    Channel,
    ChannelKind,
    Delivery,
    DeliveryState,
    Direction,
    Instrument,
    Kind,
    Repeat,
    Role,
    Rule,
    RuleState,
    Session,
    User,
)
from stormalert.rules.kinds import kinds_with
from stormalert.rules.kinds.fields import PRICE, WINDOW
from stormalert.rules.line import WATCHLIST_WORD
from stormalert.store import Cursor
from stormalert.units import format_percent, format_price, short_duration

IDS = r"^[A-Za-z0-9_-]{1,64}$"
LONG_IDS = r"^[A-Za-z0-9_-]{1,140}$"
LATEST_MS = 2**53

RecordId = Annotated[str, Path(pattern=IDS)]
AlertId = Annotated[str, Path(pattern=LONG_IDS)]
BodyId = Annotated[str, StringConstraints(pattern=IDS)]
Limit = Annotated[int, Query(ge=1, le=500, description="most on a page")]
CursorText = Annotated[str, Query(pattern=r"^([0-9]{1,15}-[A-Za-z0-9_-]{1,140})?$", description="`next` of the page before")]
Text = Annotated[str, StringConstraints(max_length=1024)]
SymbolText = Annotated[str, StringConstraints(min_length=1, max_length=64)]
# As people write them; stormalert/units.py reads them.
Percent = Annotated[str, StringConstraints(min_length=1, max_length=32), Field(examples=["2", "0.75"])]
Price = Annotated[str, StringConstraints(min_length=1, max_length=32), Field(examples=["1450.50", "12,34,567"])]
Duration = Annotated[str, StringConstraints(min_length=1, max_length=32), Field(examples=["5m", "90s"])]

T = TypeVar("T")


def _whole(found: object) -> object:
    if isinstance(found, bool | str):
        raise ValueError("expected a whole number")
    return found


# JSON's 1.0 is a whole number too, and neither "1" nor true is one.
Whole = Annotated[int, BeforeValidator(_whole)]


class Input(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Output(BaseModel):
    model_config = ConfigDict(frozen=True)


class Page(Output, Generic[T]):
    items: list[T]
    next: str | None = Field(None, description="cursor of the next page; null: this was the last")


class RuleOut(Output):
    id: str
    symbol: str = Field(description="NSE:INFY, or watchlist")
    token: int = Field(description="Kite's number of the instrument; 0: every one of the watchlist")
    kind: Kind
    direction: Direction
    percent: str | None
    price: str | None = Field(description=f"of {kinds_with(PRICE)}")
    window: str | None = Field(description=f"of {kinds_with(WINDOW)}")
    repeat: Repeat
    cooldown: str
    armed_at_ms: int
    state: RuleState
    revision: int
    updated_ms: int

    @classmethod
    def of(cls, rule: Rule) -> "RuleOut":
        return cls(
            id=rule.id,
            symbol=WATCHLIST_WORD if rule.is_on_watchlist else rule.symbol,
            token=rule.token,
            kind=rule.kind,
            direction=rule.direction,
            percent=format_percent(rule.percent_e2) if rule.percent_e2 else None,
            price=format_price(rule.price_e4) if rule.price_e4 else None,
            window=short_duration(rule.window_ms) if rule.window_ms else None,
            repeat=rule.repeat,
            cooldown=short_duration(rule.cooldown_ms),
            armed_at_ms=rule.armed_at_ms,
            state=rule.state,
            revision=rule.revision,
            updated_ms=rule.updated_ms,
        )


class AlertOut(Output):
    id: str
    rule: str
    symbol: str
    token: int
    kind: Kind
    direction: Direction
    price: str
    reference: str = Field(description="the extreme, close or level that it was measured from")
    percent: str = Field(description="by how much the price moved from it")
    threshold_percent: str | None = Field(description="what the rule asked for; null where that is a price")
    window: str | None
    time_ms: int

    @classmethod
    def of(cls, alert: Alert) -> "AlertOut":
        return cls(
            id=alert.id,
            rule=alert.owners_rule,
            symbol=alert.symbol,
            token=alert.token,
            kind=alert.kind,
            direction=alert.direction,
            price=format_price(alert.price_e4),
            reference=format_price(alert.reference_e4),
            percent=format_percent(alert.moved_e2),
            threshold_percent=format_percent(alert.percent_e2) if alert.percent_e2 else None,
            window=short_duration(alert.window_ms) if alert.window_ms else None,
            time_ms=alert.time_ms,
        )


class DeliveryOut(Output):
    id: str
    channel: str
    channel_kind: ChannelKind
    state: DeliveryState
    reason: str
    attempts: int
    queued_ms: int
    updated_ms: int

    @classmethod
    def of(cls, delivery: Delivery) -> "DeliveryOut":
        return cls.model_validate(delivery.model_dump(include=set(cls.model_fields)))


class QuietOut(Output):
    from_min: int
    to_min: int
    zone: str


class ChannelOut(Output):
    id: str
    kind: ChannelKind
    address: str
    is_on: bool
    is_verified: bool
    is_silent: bool
    reason: str = Field(description="why it was switched off")
    quiet: QuietOut | None
    stands_in_for: str
    stands_in_unless: DeliveryState
    stands_in_after_min: int
    revision: int

    @classmethod
    def of(cls, channel: Channel) -> "ChannelOut":
        return cls.model_validate(channel.model_dump(include=set(cls.model_fields)) | {"address": kinds.shown(channel)})


class InstrumentOut(Output):
    token: int
    symbol: str
    name: str
    segment: str
    tick_size: str
    lot_size: int

    @classmethod
    def of(cls, instrument: Instrument) -> "InstrumentOut":
        fields = instrument.model_dump(include={"token", "symbol", "name", "segment", "lot_size"})
        return cls.model_validate(fields | {"tick_size": format_price(instrument.tick_size_e4)})


class UserOut(Output):
    id: str
    name: str
    role: Role
    plan: str
    is_off: bool
    has_second_factor: bool
    created_ms: int

    @classmethod
    def of(cls, user: User) -> "UserOut":
        fields = user.model_dump(include={"id", "name", "role", "plan", "is_off", "created_ms"})
        return cls.model_validate(fields | {"has_second_factor": user.has_second_factor})


class SessionOut(Output):
    id: str
    kind: str
    label: str
    address: str
    scopes: list[str]
    created_ms: int
    seen_ms: int
    expires_ms: int
    is_this: bool = Field(description="the one that asks")

    @classmethod
    def of(cls, session: Session, asking: Session) -> "SessionOut":
        fields = session.model_dump(mode="json", include=set(cls.model_fields))
        return cls.model_validate(fields | {"is_this": session.id == asking.id})


def read_cursor(text: str) -> Cursor | None:
    time_ms, _, record = text.partition("-")
    return (int(time_ms), record) if record else None


def write_cursor(time_ms: int, record: str) -> str:
    return f"{time_ms}-{record}"


def not_found(noun: str) -> RequestRefused:
    """The same for what is not there and for what is somebody else's."""
    return RequestRefused(404, f"There is no such {noun}.")
