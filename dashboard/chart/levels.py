"""The prices that matter to a user's rules on one instrument, as lines of its chart. Pure."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from dashboard import texts
from dashboard.chart import Line
from dashboard.rules.status import Standing
from stormalert import words
from stormalert.model import Direction, Kind, Rule
from stormalert.rules.engine import Aim

# The nearest; a chart with more of them is not read any more.
MOST = 8


def lines(rules: Sequence[Rule], standings: Mapping[str, Standing]) -> list[Line]:
    """Where the rules fire that are nearest to it, and the extremes from which they measure."""
    found = [(rule, standings[rule.id], aim) for rule in rules if rule.id in standings for aim in standings[rule.id].aims]
    # A fall by all of the price has no price.
    aimed = [(rule, aim, abs(_e4(aim.trigger) - _e4(at.price))) for rule, at, aim in found if _e4(aim.trigger) > 0]
    nearest = sorted(aimed, key=lambda it: it[2])[:MOST]
    triggers = [Line(_e4(aim.trigger), _fires(rule, aim), aim.side) for rule, aim, _ in nearest]
    references = [
        Line(_e4(aim.reference), reference(rule.kind, aim.side, rule.window_ms), "reference")
        for rule, aim, _ in nearest
        if rule.kind is not Kind.LEVEL
    ]
    return list(dict.fromkeys([*references, *triggers]))


def reference(kind: Kind, side: str, window_ms: int) -> str:
    """What a price is measured from, in words: Low of 5 min."""
    is_up = side == "up"
    return {
        Kind.ROLLING: f"{'Low' if is_up else 'High'} of {words.duration(window_ms)}",
        Kind.TRAILING: f"{'Trough' if is_up else 'Peak'} since armed",
        Kind.DAY: "Previous close",
        Kind.LEVEL: "Level",
    }[kind]


def _fires(rule: Rule, aim: Aim) -> str:
    return texts.condition(rule.model_copy(update={"direction": Direction(aim.side)}))


def _e4(price: str) -> int:
    return int(Decimal(price).scaleb(4))
