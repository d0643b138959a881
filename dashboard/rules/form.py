"""From what a person typed into the rule form to a rule; says in a sentence what does not fit."""

from collections.abc import Mapping
from typing import Any

from stormalert.access.security import new_id
from stormalert.errors import InputError
from stormalert.model import Direction, Instrument, Kind, Repeat, Rule, RuleState
from stormalert.rules.condition import BadCondition, made
from stormalert.rules.condition import read as read_condition
from stormalert.rules.kinds import KINDS
from stormalert.rules.kinds.fields import COOLDOWN
from stormalert.rules.line import WATCHLIST

# What is chosen where nobody chose a pause.
USUAL_PAUSE = COOLDOWN.usual


def condition(kind: Kind, direction: Direction, typed: Mapping[str, str], repeat: Repeat, pause: str) -> dict[str, Any]:
    """The fields of a rule that its owner chooses; `typed`: by the names of the kind's fields, others are left alone.

    Raises InputError with every problem at once.
    """
    texts: dict[str, str] = {"kind": kind, "direction": direction, "repeat": repeat}
    texts |= {field.name: typed.get(field.name, "") for field in KINDS[kind].fields}
    if repeat is Repeat.EVERY and pause != USUAL_PAUSE:
        texts[COOLDOWN.name] = pause
    # Not those of the rule as it was.
    none = {"percent_e2": 0, "price_e4": 0, "window_ms": 0, "cooldown_ms": None}
    try:
        return none | read_condition(texts)
    except BadCondition as bad:
        raise InputError(" ".join(sentence(str(it.error)) for it in bad.problems)) from None


def new_rule(user: str, instrument: Instrument | None, fields: dict[str, Any]) -> Rule:
    """Raises InputError."""
    if instrument is None:
        raise InputError("Choose an instrument first.")
    return _made(fields | {"id": new_id(), "user": user, "token": instrument.token, "symbol": instrument.symbol})


def new_watchlist_rule(user: str, fields: dict[str, Any]) -> Rule:
    """On whatever the user's watchlist holds, now and later. Raises InputError."""
    return _made(fields | {"id": new_id(), "user": user, "token": 0, "symbol": WATCHLIST})


def changed(rule: Rule, fields: dict[str, Any]) -> Rule:
    """The same rule on the same instrument with another condition, re-armed. Raises InputError."""
    return _made(rule.model_dump() | fields | {"state": RuleState.ACTIVE})


def sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:].rstrip('.')}."


def _made(fields: dict[str, Any]) -> Rule:
    try:
        return made(fields)
    except InputError as error:
        raise InputError(sentence(str(error))) from None
