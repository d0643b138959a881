"""The engine and its peers side by side."""

from bench.peers import records
from stormalert.model import Repeat, Rule


def plain(rule: Rule) -> records.Rule:
    """As the peers take it."""
    return records.Rule(
        id=rule.id,
        token=rule.token,
        direction=rule.direction,
        percent_e2=rule.percent_e2,
        window_ms=rule.window_ms,
        is_once=rule.repeat is Repeat.ONCE,
        cooldown_ms=rule.cooldown_ms,
        armed_at_ms=rule.armed_at_ms,
    )
