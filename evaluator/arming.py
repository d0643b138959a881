"""A rule as the scripts take it, and as they answer: the seam between the model and lua/."""

from stormalert.model import Kind, Rule
from stormalert.redis.keys import Shard
from stormalert.redis.scripts import Value, script


def arm_command(shard: Shard, rule: Rule, least_epoch: int = 0) -> list[Value]:
    """Packed arguments of lua/arm.lua."""
    return script("arm").pack(
        instrument=shard.instrument(rule.token),
        rule=shard.rule(rule.id),
        id=rule.id,
        user=rule.user,
        token=rule.token,
        symbol=rule.symbol,
        kind=rule.kind,
        direction=rule.direction,
        amount=rule.price_e4 if rule.kind is Kind.LEVEL else rule.percent_e2,
        window=rule.window_ms,
        repeat=rule.repeat,
        cooldown=rule.cooldown_ms,
        armed_at=rule.armed_at_ms,
        revision=rule.revision,
        epoch=least_epoch,
    )


def disarm_command(shard: Shard, rule: Rule) -> list[Value]:
    """Packed arguments of lua/disarm.lua; the rule's state says whether it rests or is gone."""
    return script("disarm").pack(
        instrument=shard.instrument(rule.token),
        rule=shard.rule(rule.id),
        id=rule.id,
        token=rule.token,
        state=rule.state,
        revision=rule.revision,
    )
