"""The prices that matter to a user's rules on one instrument, as lines of its chart. Pure."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from dashboard import texts
from dashboard.chart import PriceLine
from dashboard.rules.status import RuleStatus
from stormalert import words
from stormalert.model import Direction, Kind, Rule
from stormalert.rules.engine import TriggerPrice
from stormalert.rules.kinds import KINDS

# The nearest; a chart with more of them is not read any more.
MOST = 8


def lines(rules: Sequence[Rule], statuses: Mapping[str, RuleStatus]) -> list[PriceLine]:
    """Where the rules fire that are nearest to it, and the extremes from which they measure."""
    found = [(rule, statuses[rule.id], it) for rule in rules if rule.id in statuses for it in statuses[rule.id].triggers]
    # A fall by all of the price has no price.
    priced = [(rule, it, abs(_e4(it.trigger) - _e4(at.price))) for rule, at, it in found if _e4(it.trigger) > 0]
    nearest = sorted(priced, key=lambda it: it[2])[:MOST]
    triggers = [PriceLine(_e4(it.trigger), _fires(rule, it), it.side) for rule, it, _ in nearest]
    references = [
        PriceLine(_e4(it.reference), reference(rule.kind, it.side, rule.window_ms), "reference")
        for rule, it, _ in nearest
        if not KINDS[rule.kind].is_at_price
    ]
    return list(dict.fromkeys([*references, *triggers]))


def reference(kind: Kind, side: str, window_ms: int) -> str:
    """What a price is measured from, in words: Low of 5 min."""
    return KINDS[kind].reference[Direction(side)].format(window=words.duration(window_ms))


def _fires(rule: Rule, at: TriggerPrice) -> str:
    return texts.condition(rule.model_copy(update={"direction": Direction(at.side)}))


def _e4(price: str) -> int:
    return int(Decimal(price).scaleb(4))
