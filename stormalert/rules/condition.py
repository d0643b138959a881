"""A rule's own fields from texts under their names, as a row, a form and a request have them; the one reader behind every door.

What is empty has its usual value. A bad text never hides another one: all are told.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError

from stormalert.errors import InputError, Unfit
from stormalert.model import Direction, Kind, Repeat, Rule, RuleState, sentences
from stormalert.rules.kinds import Misfit, problems
from stormalert.rules.kinds.fields import COOLDOWN, FIELDS
from stormalert.units import parse_epoch_ms

# An owner deletes a rule by its name, never by a row.
STATES = (RuleState.ACTIVE, RuleState.PAUSED, RuleState.SPENT)

Word = TypeVar("Word", bound=StrEnum)


class BadCondition(InputError):
    """A condition that was refused as a whole; `problems` has each in the order of its fields."""

    def __init__(self, problems: Sequence[Misfit]) -> None:
        super().__init__("; ".join(str(it.error) for it in problems))
        self.problems = tuple(problems)


class _Cell(NamedTuple):
    attribute: str
    read: Callable[[str], Any]


def one_of(words: Sequence[Word], text: str, noun: str) -> Word:
    """The word that the text is, in capitals or not. Raises Unfit."""
    for word in words:
        if word == text.strip().lower():
            return word
    raise Unfit.of(noun, listed(words), text.strip())


def listed(words: Sequence[str]) -> str:
    """up, down or both"""
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def read(texts: Mapping[str, str], kinds: Sequence[Kind] = tuple(Kind), *, is_on_watchlist: bool = False) -> dict[str, Any]:
    """The rule's fields; `kinds`: those that may stand here. Raises BadCondition."""
    fields: dict[str, Any] = {"direction": Direction.BOTH, "repeat": Repeat.EVERY}
    found: list[Misfit] = []
    try:
        fields["kind"] = one_of(kinds, texts.get("kind", ""), "kind")
    except Unfit as error:
        found.append(Misfit("kind", error))
    for name, cell in _CELLS.items():
        if text := texts.get(name, "").strip():
            try:
                fields[cell.attribute] = cell.read(text)
            except Unfit as error:
                found.append(Misfit(name, error))
    if "kind" in fields:
        unread = {it.field for it in found}
        values = dict.fromkeys((it.attribute for it in (*FIELDS, COOLDOWN)), 0) | fields
        unfit = problems(fields["kind"], fields["direction"], values, is_on_watchlist=is_on_watchlist)
        found += [it for it in unfit if it.field not in unread]
    if found:
        raise BadCondition(sorted(found, key=lambda it: _ORDER.index(it.field)))
    return fields


def made(fields: Mapping[str, Any]) -> Rule:
    """The rule; what the model refuses is said in its own sentence. Raises InputError."""
    try:
        return Rule.model_validate(fields)
    except ValidationError as error:
        raise InputError("; ".join(sentences(error))) from None


_CELLS = {
    "direction": _Cell("direction", lambda text: one_of(tuple(Direction), text, "direction")),
    **{field.name: _Cell(field.attribute, field.read) for field in FIELDS},
    "repeat": _Cell("repeat", lambda text: one_of(tuple(Repeat), text, "repeat")),
    COOLDOWN.name: _Cell(COOLDOWN.attribute, COOLDOWN.read),
    "armed_at": _Cell("armed_at_ms", lambda text: parse_epoch_ms(text, "armed_at")),
    "state": _Cell("state", lambda text: one_of(STATES, text, "state")),
}
_ORDER = ("symbol", "kind", *_CELLS)
