"""From what a person typed into the rule form to a rule; says in a sentence what does not fit."""

from typing import Any

from pydantic import ValidationError

from stormalert.access.security import new_id
from stormalert.errors import InputError
from stormalert.model import (
    COOLDOWN_MAX_MS,
    WINDOW_MAX_MS,
    WINDOW_MIN_MS,
    Direction,
    Instrument,
    Kind,
    Repeat,
    Rule,
    RuleState,
    sentences,
)
from stormalert.rules.line import ALL_OF_IT_E2, WATCHLIST
from stormalert.units import parse_duration_ms, parse_percent_e2, parse_price_e4

USUAL_WINDOWS = ("1m", "5m", "15m", "30m", "1h", "4h", "24h")
USUAL_PAUSES = ("usual", "0s", "1m", "5m", "15m", "1h", "24h")
USUAL_PAUSE = USUAL_PAUSES[0]


def condition(kind: Kind, direction: Direction, amount: str, window: str, repeat: Repeat, pause: str) -> dict[str, Any]:
    """The fields of a rule that its owner chooses; `amount` is a percent, or for a level a price.

    Raises InputError with every problem at once.
    """
    problems: list[str] = []
    fields: dict[str, Any] = {"kind": kind, "direction": direction, "repeat": repeat, "window_ms": 0, "cooldown_ms": None}
    fields |= {"percent_e2": 0, "price_e4": 0}
    try:
        if kind is Kind.LEVEL:
            fields["price_e4"] = parse_price_e4(amount)
        else:
            fields["percent_e2"] = parse_percent_e2(amount)
        if direction is Direction.DOWN and fields["percent_e2"] >= ALL_OF_IT_E2:
            raise InputError("a price cannot fall by 100 % or more, so this rule would never fire")
    except InputError as error:
        problems.append(_sentence(str(error)))
    if kind is Kind.ROLLING:
        try:
            fields["window_ms"] = window_ms(window)
        except InputError as error:
            problems.append(str(error))
    if repeat is Repeat.EVERY and pause != USUAL_PAUSE:
        try:
            fields["cooldown_ms"] = pause_ms(pause)
        except InputError as error:
            problems.append(str(error))
    if problems:
        raise InputError(" ".join(problems))
    return fields


def new_rule(user: str, instrument: Instrument | None, fields: dict[str, Any]) -> Rule:
    """Raises InputError."""
    if instrument is None:
        raise InputError("Choose an instrument first.")
    return _made(fields | {"id": new_id(), "user": user, "token": instrument.token, "symbol": instrument.symbol})


def new_watchlist_rule(user: str, fields: dict[str, Any]) -> Rule:
    """On whatever the user's watchlist holds, now and later. Raises InputError."""
    return _made(fields | {"id": new_id(), "user": user, "token": 0, "symbol": WATCHLIST})


def changed(rule: Rule, fields: dict[str, Any]) -> Rule:
    """The same rule on the same instrument with another condition, armed anew. Raises InputError."""
    return _made(rule.model_dump() | fields | {"state": RuleState.ACTIVE})


def window_ms(text: str) -> int:
    """Raises InputError."""
    return _duration("time", text, WINDOW_MIN_MS, WINDOW_MAX_MS, "from 1 second to 24 hours")


def pause_ms(text: str) -> int:
    """Raises InputError."""
    return _duration("pause", text, 0, COOLDOWN_MAX_MS, "at most 7 days")


def _made(fields: dict[str, Any]) -> Rule:
    try:
        return Rule.model_validate(fields)
    except ValidationError as error:
        raise InputError(" ".join(_sentence(text) for text in sentences(error))) from None


def _duration(noun: str, text: str, least_ms: int, most_ms: int, range_in_words: str) -> int:
    try:
        found = parse_duration_ms(text)
    except InputError:
        raise InputError(f"The {noun} is a whole number and a unit, such as 90s, 5m or 1h, was {text.strip()!r}.") from None
    if not least_ms <= found <= most_ms:
        raise InputError(f"The {noun} must be {range_in_words}, was {text.strip()!r}.")
    return found


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:].rstrip('.')}."
