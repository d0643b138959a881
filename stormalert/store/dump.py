"""All of a store as plain rows, in the order in which it can be read while it is written to.

A store that shows one moment to its readers shows it here; MongoDB without a replica set does not. There the order sees to it
that nothing is named that is not there: users before what is theirs, deliveries before their alerts.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from stormalert.errors import InputError
from stormalert.model import (
    Alert,
    AuditEntry,
    Channel,
    Delivery,
    Instrument,
    Mute,
    Record,
    Rule,
    Session,
    Ticket,
    User,
)

# The collection's name, and the fields of one record.
Row = tuple[str, dict[str, Any]]

RECORDS: Mapping[str, type[Record]] = {
    "users": User,
    "sessions": Session,
    "tickets": Ticket,
    "channels": Channel,
    "mutes": Mute,
    "rules": Rule,
    "deliveries": Delivery,
    "alerts": Alert,
    "instruments": Instrument,
    "audit": AuditEntry,
}
# And two that are no records: {user, tokens} and {name, value}.
WATCHLISTS, SETTINGS = "watchlists", "settings"
COLLECTIONS = (*RECORDS, WATCHLISTS, SETTINGS)


def record(collection: str, fields: Mapping[str, Any]) -> Record:
    """Raises InputError for what is no record of the collection."""
    if collection not in RECORDS:
        raise InputError(f"a store has no {collection}")
    try:
        return RECORDS[collection].model_validate(fields)
    except ValidationError as error:
        # Without what was found: it may be a secret.
        wrong = ", ".join(".".join(str(part) for part in problem["loc"]) or problem["msg"] for problem in error.errors())
        raise InputError(f"one of the {collection} cannot be read, because of {wrong}") from None
