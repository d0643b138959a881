"""All of a store as plain rows, in the order of the nouns.

A store that shows one moment to its readers shows it here; MongoDB without a replica set does not. There the order sees to it
that nothing is named that is not there.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from stormalert.errors import InputError
from stormalert.model import Record
from stormalert.store.nouns import NOUNS

# The noun's name, and the fields of one record.
Row = tuple[str, dict[str, Any]]


def record(noun: str, fields: Mapping[str, Any]) -> Record:
    """Raises InputError for what is no record of the noun."""
    if noun not in NOUNS:
        raise InputError(f"a store has no {noun}")
    kind: type[Record] = NOUNS[noun].kind
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        # Without what was found: it may be a secret.
        wrong = ", ".join(".".join(str(part) for part in problem["loc"]) or problem["msg"] for problem in error.errors())
        raise InputError(f"one of the {noun} cannot be read, because of {wrong}") from None
