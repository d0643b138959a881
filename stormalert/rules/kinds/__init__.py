"""The kinds of rules, one file each; docs/howto/add-a-rule-kind.md says how to add one."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple

from stormalert.errors import Unfit
from stormalert.rules.kinds.day import DAY
from stormalert.rules.kinds.description import Description, Direction
from stormalert.rules.kinds.fields import COOLDOWN, FIELDS, PERCENT, Field, is_whole_fall
from stormalert.rules.kinds.gap import GAP
from stormalert.rules.kinds.level import LEVEL
from stormalert.rules.kinds.rolling import ROLLING
from stormalert.rules.kinds.trailing import TRAILING
from stormalert.units import short_percent


class Kind(StrEnum):
    ROLLING = "rolling"
    TRAILING = "trailing"
    DAY = "day"
    LEVEL = "level"
    GAP = "gap"


# By a kind, or its word.
KINDS: Mapping[str, Description] = {Kind(it.word): it for it in (ROLLING, TRAILING, DAY, LEVEL, GAP)}


def kinds_with(field: Field) -> str:
    """rolling, or day and gap: for a document."""
    return " and ".join(kind for kind in Kind if field in KINDS[kind].fields)


class Misfit(NamedTuple):
    """`field`: by its name, or symbol, which a rule may have as well."""

    field: str
    error: Unfit


def problems(kind: Kind, direction: Direction, values: Mapping[str, int], *, is_on_watchlist: bool) -> Iterator[Misfit]:
    """All that keeps a condition from being a rule; `values`: by attribute, 0 for what it does not have."""
    it = KINDS[kind]
    if is_on_watchlist and not it.can_be_on_watchlist:
        expected = f"one instrument: a {kind} rule is not on a watchlist"
        yield Misfit("symbol", Unfit(f"found a watchlist, expected {expected}", expected))
    for field in FIELDS:
        value = values[field.attribute]
        if field not in it.fields:
            if value:
                yield Misfit(field.name, field.superfluous(kind, value))
        elif not value:
            yield Misfit(field.name, field.missing(kind))
        elif not field.least <= value <= field.most:
            yield Misfit(field.name, field.out_of_range(value))
    percent_e2 = values[PERCENT.attribute]
    if it.has_percent and direction is Direction.DOWN and is_whole_fall(percent_e2):
        expected = "less than 100%: a price cannot fall by all of itself"
        yield Misfit(PERCENT.name, Unfit(f"found down {short_percent(percent_e2)}%, expected {expected}", expected))
    cooldown_ms = values[COOLDOWN.attribute]
    if not COOLDOWN.least <= cooldown_ms <= COOLDOWN.most:
        yield Misfit(COOLDOWN.name, COOLDOWN.out_of_range(cooldown_ms))
