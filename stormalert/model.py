"""The five nouns (tick, rule, alert, delivery, channel) and the people and instruments around them.

Every record is immutable and checks itself when it is made; a record that changed is a new record. Field names carry their
units: `_e4` is rupees x 10,000, `_e2` is percent x 100, `_ms` is milliseconds (epoch for moments).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Literal, NamedTuple, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from stormalert.channels import ChannelKind as ChannelKind
from stormalert.rules.kinds import KINDS, problems
from stormalert.rules.kinds import Kind as Kind
from stormalert.rules.kinds.description import Direction as Direction
from stormalert.units import HOUR_MS

# A fallback channel that waited longer would bring old news.
FALLBACK_MAX_MIN = 45
DAY_MIN = 24 * 60
# Of a delivery's past.
STEPS_MAX = 20

# RQ job ids are made of record ids and allow letters, digits, _ and - only.
Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Token = Annotated[int, Field(gt=0, lt=2**32)]
TimeMs = Annotated[int, Field(ge=0)]


class Repeat(StrEnum):
    ONCE = "once"
    EVERY = "every"


class RuleState(StrEnum):
    """What its owner wants of a rule; Redis adds whether it waits, is armed or cools down."""

    ACTIVE = "active"
    PAUSED = "paused"
    SPENT = "spent"
    DELETED = "deleted"


class DeliveryState(StrEnum):
    """QUEUED, then SENT, and what a provider tells of it later: DELIVERED, READ; or FAILED or SUPPRESSED, with a reason."""

    QUEUED = "queued"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"
    SUPPRESSED = "suppressed"

    @property
    def is_out(self) -> bool:
        """Whether the provider has it."""
        return self in _OUT

    def reaches(self, state: "DeliveryState") -> bool:
        """Whether a message is as far as that, or further."""
        return self in _OUT and state in _OUT and _OUT.index(self) >= _OUT.index(state)


# As a message goes from one to the next.
_OUT = (DeliveryState.SENT, DeliveryState.DELIVERED, DeliveryState.READ)


class MuteScope(StrEnum):
    """How much of it a user does not want to hear."""

    ALL = "all"
    INSTRUMENT = "instrument"
    RULE = "rule"


class Role(StrEnum):
    ADMIN = "admin"
    MEMBER = "member"


class Scope(StrEnum):
    """What a script's token may be used for; WRITE includes READ, ADMIN is for what only admins may."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


class SessionKind(StrEnum):
    """BROWSER: begun by a sign-in; SCRIPT: a bearer token that its user made."""

    BROWSER = "browser"
    SCRIPT = "script"


class OneTimeTokenKind(StrEnum):
    """INVITATION: to make an account; RESET: to choose a new password for an account."""

    INVITATION = "invitation"
    RESET = "reset"


class Tick(NamedTuple):
    """One price of one instrument; a tuple because thousands pass each second. Bounds are checked by ingest/admit."""

    token: int
    price_e4: int
    time_ms: int
    via: str = ""


class Record(BaseModel):
    """Base of all records: frozen, exact, without unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Instrument(Record):
    """One row of Kite's daily instruments dump; `symbol` is exchange and tradingsymbol, such as NSE:INFY."""

    token: Token
    symbol: str = Field(min_length=3, max_length=64)
    name: str = Field(default="", max_length=128)
    segment: str = Field(default="", max_length=32)
    tick_size_e4: int = Field(default=500, ge=0)
    lot_size: int = Field(default=1, ge=0)


class User(Record):
    id: Id
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_.@+-]{1,63}$")
    password_hash: str = Field(repr=False)
    role: Role = Role.MEMBER
    # Of the policy's plans; empty: the usual one.
    plan: str = Field(default="", max_length=32)
    # Cannot sign in, and gets no alerts.
    is_off: bool = False
    # The second factor's secret, sealed; empty: there is none.
    totp_sealed: str = Field(default="", repr=False)
    # Digests of the codes that help when the phone with the second factor is lost; each is good once.
    recovery_digests: tuple[str, ...] = Field(default=(), repr=False)
    created_ms: TimeMs
    revision: int = 0

    @property
    def has_second_factor(self) -> bool:
        return bool(self.totp_sealed)


class Session(Record):
    """One sign-in in one browser, or one token of a script; it ends when it expires or when this record is deleted."""

    id: Id
    user: Id
    kind: SessionKind
    # Which browser it was, or what its user calls the token.
    label: str = Field(default="", max_length=200)
    address: str = Field(default="", max_length=64)
    scopes: tuple[Scope, ...] = tuple(Scope)
    # Of the secret that gets a browser its next access token.
    refresh_digest: str = Field(default="", repr=False)
    created_ms: TimeMs
    seen_ms: TimeMs
    expires_ms: TimeMs

    def allows(self, scope: Scope) -> bool:
        return scope in self.scopes or (scope is Scope.READ and Scope.WRITE in self.scopes)


class OneTimeToken(Record):
    """A one-time link; `id` is the digest of what is in the link."""

    id: Id
    kind: OneTimeTokenKind
    made_by: str
    # Of the account that it makes, or whose password it resets.
    role: Role = Role.MEMBER
    plan: str = Field(default="", max_length=32)
    user: str = ""
    created_ms: TimeMs
    expires_ms: TimeMs


class Rule(Record):
    """One user's condition on one instrument, or on every instrument of the user's watchlist (`token` 0).

    `revision` is the store's compare-and-set counter; `updated_ms` is when the store last wrote it.
    """

    id: Id
    user: Id
    token: int = Field(ge=0, lt=2**32)
    symbol: str = Field(min_length=1, max_length=64)
    kind: Kind
    direction: Direction
    # What its kind needs of them, and how much of it, is said by stormalert/rules/kinds/.
    percent_e2: int = Field(default=0, description="0 for a kind without it")
    price_e4: int = Field(default=0, description="0 for a kind without it")
    window_ms: int = Field(default=0, description="0 for a kind without it")
    repeat: Repeat = Repeat.EVERY
    cooldown_ms: int
    armed_at_ms: TimeMs = Field(default=0, description="0: before the first tick")
    state: RuleState = RuleState.ACTIVE
    revision: int = 0
    updated_ms: TimeMs = 0

    @model_validator(mode="before")
    @classmethod
    def _default_cooldown(cls, fields: object) -> object:
        if isinstance(fields, dict) and fields.get("cooldown_ms") is None:
            it = KINDS.get(str(fields.get("kind")))
            return fields | {"cooldown_ms": it.usual_cooldown_ms(fields.get("window_ms", 0)) if it else 0}
        return fields

    @model_validator(mode="after")
    def _fits_kind(self) -> Self:
        found = problems(self.kind, self.direction, self.__dict__, is_on_watchlist=self.is_on_watchlist)
        if sentence := "; ".join(str(it.error) for it in found):
            raise ValueError(sentence)
        return self

    @property
    def is_on_watchlist(self) -> bool:
        return self.token == 0

    def on(self, instrument: Instrument) -> "Rule":
        """The part of a watchlist's rule that the engine arms on one instrument; it fires and pauses by itself."""
        return self.model_copy(
            update={"id": f"{self.id}_{instrument.token}", "token": instrument.token, "symbol": instrument.symbol}
        )


class Alert(Record):
    """A rule that fired. `id` is `<rule>-<arm epoch>`; `direction` is the side that fired; `percent_e2` is the rule's.

    Of a firing whose epoch is that of another, which Redis lost, the id has its time in that place.
    """

    id: str
    rule: str
    user: str
    token: int
    symbol: str
    kind: Kind
    direction: Direction
    price_e4: int
    reference_e4: int
    percent_e2: int
    window_ms: int
    time_ms: int

    @property
    def arm_epoch(self) -> int:
        """When the rule was armed that fired, in ms by the wall clock or later; never the same twice for a rule."""
        return int(self.id.rpartition("-")[2])

    @property
    def moved_e2(self) -> int:
        """By how much the price had moved from the reference, up or down; exact, rounded half up to hundredths."""
        moved_e4 = abs(self.price_e4 - self.reference_e4)
        return (2 * moved_e4 * 10_000 + self.reference_e4) // (2 * self.reference_e4)

    @property
    def owners_rule(self) -> str:
        """The rule as its owner knows it: a watchlist's rule fires as its part on one instrument."""
        return self.rule.removesuffix(f"_{self.token}")


class QuietHours(Record):
    """From when to when a channel is left alone, every day, by the clocks of a time zone; it may go over midnight."""

    from_min: int = Field(ge=0, lt=DAY_MIN, description="minutes after midnight")
    to_min: int = Field(ge=0, lt=DAY_MIN)
    zone: str = "Asia/Kolkata"

    @field_validator("zone")
    @classmethod
    def _is_zone(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (KeyError, ValueError, OSError):
            raise ValueError("expected a time zone such as Asia/Kolkata") from None
        return zone

    @model_validator(mode="after")
    def _has_length(self) -> Self:
        if self.from_min == self.to_min:
            raise ValueError("quiet hours need an end that is not their beginning")
        return self

    def until_ms(self, at_ms: int) -> int:
        """When the quiet hours end that it is in, which is later than `at_ms`; 0 when it is in none."""
        now = datetime.fromtimestamp(at_ms / 1000, ZoneInfo(self.zone))
        minute = now.hour * 60 + now.minute
        if self.from_min < self.to_min:
            is_quiet, days = self.from_min <= minute < self.to_min, 0
        else:
            is_quiet, days = minute >= self.from_min or minute < self.to_min, int(minute >= self.from_min)
        if not is_quiet:
            return 0
        # An hour that comes twice ends in the one that it is; one that is left out, as much later as it is long.
        fold = now.fold if days == 0 else 0
        day = (now.replace(tzinfo=None) + timedelta(days=days)).date()
        end = datetime(day.year, day.month, day.day, *divmod(self.to_min, 60), tzinfo=now.tzinfo, fold=fold)
        return round(end.timestamp() * 1000)


class Channel(Record):
    """One address of one user: a Telegram chat id, a WhatsApp number, an e-mail address or a webhook's URL."""

    id: Id
    user: Id
    kind: ChannelKind
    address: str = Field(min_length=1, max_length=254)
    is_on: bool = True
    # Proven to be its user's; until then it gets nothing but its code. Those that were stored without a word of it are in use.
    is_verified: bool = True
    # Why it was switched off, in words for its owner.
    reason: str = ""
    # Without a sound, where the provider can do that.
    is_silent: bool = False
    quiet: QuietHours | None = None
    # The channel that comes first: this one gets an alert only if that one's message is not so far after some minutes.
    stands_in_for: Id | Literal[""] = ""
    stands_in_unless: DeliveryState = DeliveryState.READ
    stands_in_after_min: int = Field(default=5, ge=1, le=FALLBACK_MAX_MIN)
    revision: int = 0

    @property
    def takes_alerts(self) -> bool:
        return self.is_on and self.is_verified


class DeliveryStep(Record):
    """What a delivery was before, since when and why."""

    state: DeliveryState
    time_ms: TimeMs
    reason: str = ""


# After this an alert is no news any more: it is not sent, and its history says why.
USEFUL_MS = HOUR_MS


class Delivery(Record):
    """One alert to one channel; `id` is `<alert>-<channel>`."""

    id: str
    alert: str
    user: str
    channel: str
    channel_kind: ChannelKind
    state: DeliveryState
    reason: str = ""
    provider_id: str = ""
    attempts: int = 0
    # The message in which it is told together with others; empty when it has one of its own.
    summary: str = ""
    due_ms: TimeMs = Field(default=0, description="it waits until then; 0: it does not wait")
    queued_ms: TimeMs
    updated_ms: TimeMs
    # Oldest first; the newest of them.
    past: tuple[DeliveryStep, ...] = ()
    revision: int = 0

    def is_news(self, now_ms: int) -> bool:
        return now_ms - self.queued_ms < USEFUL_MS

    def moved(self, changes: Mapping[str, object]) -> Self:
        """Changed, and what it was until now is kept: a history that answers "why did I not get it"."""
        step = DeliveryStep(state=self.state, time_ms=self.updated_ms, reason=self.reason)
        return self.model_copy(update={"past": (*self.past, step)[-STEPS_MAX:], **changes})

    @staticmethod
    def id_of(alert: str, channel: str) -> str:
        return f"{alert}-{channel}"


class Mute(Record):
    """What its user does not want to hear of for a time; it still fires and stays in the history.

    `subject` is a rule's id, an instrument's token as text, or empty for all. A user has one mute a subject; `id` says which.
    """

    id: str
    user: Id
    scope: MuteScope
    subject: str = Field(default="", max_length=64)
    # How its user knows the subject: NSE:INFY, or the rule as a line.
    name: str = Field(default="", max_length=256)
    until_ms: TimeMs = Field(default=0, description="0: until it is lifted")

    @classmethod
    def of(cls, user: str, scope: MuteScope, subject: str = "", *, name: str = "", until_ms: int = 0) -> Self:
        return cls(id=f"{user}:{scope}:{subject}", user=user, scope=scope, subject=subject, name=name, until_ms=until_ms)

    def holds(self, at_ms: int) -> bool:
        return self.until_ms == 0 or self.until_ms > at_ms

    def covers(self, alert: Alert) -> bool:
        if self.scope is MuteScope.RULE:
            return self.subject in (alert.rule, alert.owners_rule)
        return self.scope is MuteScope.ALL or self.subject == str(alert.token)


class AlertFilter(Record):
    """Which alerts of a user; each field that is set narrows it. Times are of the alert, `until_ms` not included.

    `text` is a part of the symbol as it was then, or of the name that the instrument has now, in capitals or not; `has_failed`:
    only those of which a message failed.
    """

    text: str = Field(default="", max_length=128)
    has_failed: bool = False
    rule: str = ""
    token: int = 0
    kind: Kind | None = None
    direction: Direction | None = None
    since_ms: TimeMs = 0
    until_ms: TimeMs = 0


class RuleFilter(Record):
    """Which rules of a user; each field that is set narrows it. `text` is a part of the symbol, in capitals or not."""

    text: str = Field(default="", max_length=64)
    kind: Kind | None = None
    direction: Direction | None = None
    state: RuleState | None = None


class AuditEntry(Record):
    """Who did what, for sign-ins and administration."""

    id: Id
    time_ms: TimeMs
    user: str
    action: str
    detail: str = ""


def sentences(error: ValidationError) -> list[str]:
    """A failed check as sentences for a person: which field, what was expected, what was found."""
    return [_sentence(problem["loc"], problem["msg"], problem.get("input")) for problem in error.errors()]


def _sentence(location: tuple[int | str, ...], message: str, found: object) -> str:
    message = message.removeprefix("Value error, ")
    if not location:
        return message
    return f"{'.'.join(str(part) for part in location)}: {message[0].lower()}{message[1:]}, was {found!r}"
