"""The nouns that a store keeps, each declared once.

A new one costs a line here, a table in `sqlite_schema.MIGRATIONS`, its rights in deploy/mongo/roles.json, and its words in
`records.Store`. MongoDB makes collection and indexes by itself; of SQLite's columns the table's own are the truth.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from stormalert.model import (
    Alert,
    AuditEntry,
    Channel,
    Delivery,
    Instrument,
    Mute,
    OneTimeToken,
    Record,
    Rule,
    Session,
    User,
)

Kept = TypeVar("Kept", bound=Record)
Revised = TypeVar("Revised", User, Rule, Channel, Delivery)


class StoredWatchlist(Record):
    user: str
    tokens: tuple[int, ...]


class Setting(Record):
    """What was set in the panel; the value may be sealed by stormalert.access.security."""

    name: str
    value: str


@dataclass(frozen=True)
class Noun(Generic[Kept]):
    """`name`: of the collection and the table. `indexes`: MongoDB's, beside that of the key. Of the `folded` fields a copy in
    small letters, `folded_<field>`, is kept to be searched. `lists`: fields of several values.
    """

    name: str
    kind: type[Kept]
    indexes: tuple[str, ...] = ()
    key: str = "id"
    unique: str = ""
    folded: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()

    def key_of(self, record: Kept) -> str | int:
        key: str | int = getattr(record, self.key)
        return key

    def copies(self, record: Kept) -> dict[str, str]:
        return {f"folded_{field}": getattr(record, field).casefold() for field in self.folded}

    # What a refused save says.

    def is_there(self, record: Kept) -> str:
        return f"{self.name} has {self.key_of(record)} already"

    def is_taken(self, record: Kept) -> str:
        return f"there is a {self.kind.__name__.lower()} {getattr(record, self.unique)} already"

    def was_changed(self, record: Kept) -> str:
        return f"{self.key_of(record)} in {self.name} was changed by somebody else"


USERS = Noun("users", User, unique="name")
SESSIONS = Noun("sessions", Session, ("user -created_ms -id", "expires_ms"))
# Stored under the name that they were given first.
ONE_TIME_TOKENS = Noun("tickets", OneTimeToken)
CHANNELS = Noun("channels", Channel, ("user id", "address id"))
MUTES = Noun("mutes", Mute, ("user id",))
RULES = Noun("rules", Rule, ("user -updated_ms -id", "updated_ms id", "user symbol id"))
DELIVERIES = Noun(
    "deliveries", Delivery, ("alert id", "state due_ms updated_ms", "summary updated_ms", "user state -updated_ms")
)
ALERTS = Noun("alerts", Alert, ("user -time_ms -id", "user token -time_ms -id", "rule -time_ms", "time_ms"))
INSTRUMENTS = Noun("instruments", Instrument, ("folded_symbol token",), key="token", folded=("symbol", "name"))
AUDIT = Noun("audit", AuditEntry, ("-time_ms -id", "user -time_ms -id"))
WATCHLISTS = Noun("watchlists", StoredWatchlist, key="user", lists=("tokens",))
SETTINGS = Noun("settings", Setting, key="name")

# In the order in which they can be read while they are written to: users before what is theirs, deliveries before their alerts.
NOUNS: Mapping[str, Noun[Any]] = {
    noun.name: noun
    for noun in (
        USERS,
        SESSIONS,
        ONE_TIME_TOKENS,
        CHANNELS,
        MUTES,
        RULES,
        DELIVERIES,
        ALERTS,
        INSTRUMENTS,
        AUDIT,
        WATCHLISTS,
        SETTINGS,
    )
}
