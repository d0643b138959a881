"""Every setting that lives in the store: its name, what it holds, whether it is sealed, and which processes read it.

People change them while everything runs. A name that was stored once stays, whatever the product calls it since: the word here
is the product's, the text beside it is what stores of every age have.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from pydantic import Field

from stormalert.model import Id, Record, TimeMs

Value = TypeVar("Value", bound=Record | str)


class KiteRequest(Record):
    """What Kite gave the browser of whoever logged in."""

    request_token: str
    time_ms: TimeMs


class KiteLogin(Record):
    access_token: str
    login_ms: TimeMs
    user_id: str = ""


class AlarmNote(Record):
    """What a channel's provider refuses us for."""

    reason: str
    time_ms: TimeMs


class Loudness(StrEnum):
    """SILENT: without a sound, where the provider can do that. OFF: in the history only."""

    ON = "on"
    SILENT = "silent"
    OFF = "off"


class RulePreferences(Record):
    """What its owner wants of a rule's messages."""

    loudness: Loudness = Loudness.ON
    # Empty: all of its owner's.
    channels: tuple[Id, ...] = ()


class Burst(Record):
    """More than `most` alerts within `within_s` are told together."""

    most: int = Field(ge=1, le=100_000)
    within_s: int = Field(ge=1, le=300)


@dataclass(frozen=True)
class Stored(Generic[Value]):
    """`name`: what stands in angle brackets is whose it is. `kind`: a record, stored as JSON; or the text as it is."""

    name: str
    kind: type[Value]
    holds: str
    read_by: tuple[str, ...]
    is_sealed: bool = False

    @property
    def prefix(self) -> str:
        """What each of its names begins with; the whole name where there is one."""
        return self.name.partition("<")[0]

    def of(self, whose: str) -> str:
        return self.prefix + whose

    def whose(self, name: str) -> str:
        return name.removeprefix(self.prefix)

    def read(self, text: str | None) -> Value | None:
        """None for nothing; of a sealed one the text that was unsealed. Raises pydantic's ValidationError."""
        if not text:
            return None
        # mypy does not narrow a type variable by the class that it is.
        return self.kind.model_validate_json(text) if issubclass(self.kind, Record) else self.kind(text)

    def text(self, value: Value | None) -> str:
        return value.model_dump_json() if isinstance(value, Record) else str(value or "")


_INGEST, _RELAY, _DASHBOARD, _DISPATCH, _WORKER, _BOT = "ingest", "relay", "dashboard", "dispatch", "worker", "bot"
_FOLLOWERS = (_INGEST, _WORKER, _BOT, _DASHBOARD)

KITE_REQUEST = Stored(
    "kite.request_token", KiteRequest, "what a person's login at Kite gave, for ingest to exchange", (_INGEST,), is_sealed=True
)
KITE_LOGIN = Stored("kite.access_token", KiteLogin, "the daily login", (_INGEST,), is_sealed=True)
OVERRIDE = Stored("panel.<NAME>", str, "an override: what admins set on the page *Keys*", _FOLLOWERS, is_sealed=True)
OVERRIDES_REVISION = Stored("panelrevision", str, "another text after each change of an override", _FOLLOWERS)
POLICY = Stored(
    "house",
    str,
    "the policy as JSON: plans with their limits, who needs a second factor, for how long things are kept",
    (_DISPATCH, _WORKER, _BOT, _DASHBOARD),
)
CALENDAR = Stored(
    "calendar",
    str,
    "holidays, special sessions and hours as JSON, over those built in; `stormalert/market/calendar.py` begins with an example."
    " A bad one is refused as a whole, told under *Admin, System*, and the built-in calendar is used",
    (_INGEST, _RELAY, _DASHBOARD),
)
INSTRUMENTS_REFRESH = Stored(
    "instruments.refresh_ms", str, "any new value has the instruments listed anew, besides 08:30 every day", (_INGEST,)
)
ONBOARDING_CLOSED = Stored("firststeps.closed", str, "there when no admin wants to be led any more", (_DASHBOARD,))
TEMPLATE = Stored("template.<user>", str, "the user's own wording of alerts; empty: the usual one", (_WORKER, _DASHBOARD))
RULE_PREFERENCES = Stored(
    "wish.<rule>", RulePreferences, "what its owner wants of a rule's messages; empty: the usual", (_WORKER, _BOT, _DASHBOARD)
)
BURST = Stored("burst.<user>", Burst, "when the user has many alerts told together; empty: as for all", (_WORKER, _DASHBOARD))
ALARM = Stored("alarm.<channel>", AlarmNote, "what only an admin can mend; empty: it is mended", (_BOT, _DASHBOARD))

STORED: tuple[
    Stored[KiteRequest] | Stored[KiteLogin] | Stored[RulePreferences] | Stored[Burst] | Stored[AlarmNote] | Stored[str], ...
] = (
    KITE_REQUEST,
    KITE_LOGIN,
    OVERRIDE,
    OVERRIDES_REVISION,
    POLICY,
    CALENDAR,
    INSTRUMENTS_REFRESH,
    ONBOARDING_CLOSED,
    TEMPLATE,
    RULE_PREFERENCES,
    BURST,
    ALARM,
)
# How the names begin of what is sealed.
SEALED = tuple(it.prefix for it in STORED if it.is_sealed)
