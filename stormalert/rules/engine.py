"""The engine's seam: each verb of lua/ as a call with a typed reply, and what Redis says of a rule.

A call is sent by whoever has a client: `await engine.arm(shard, rule).run(redis)`, `.ask(redis)` in a thread, many of them by
`run_all` and `ask_all` of stormalert.redis.scripts. Nobody else knows how lua/lib/rules.lua writes a rule.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from stormalert.model import Rule
from stormalert.redis.keys import Shard
from stormalert.redis.scripts import Call, script
from stormalert.rules.kinds import KINDS

# How lua/ lays out what it keeps. To be changed with it: what another layout left is forgotten and the rules are re-armed.
LAYOUT = "2"


class Evaluated(NamedTuple):
    """One step of the engine: entries taken, alerts appended, the id up to which it has read, whether it began an entry that
    it did not finish, and microseconds of the server's time, -1 where the server shows no clock.
    """

    taken: int
    alerts: int
    cursor: str
    begun: int
    held_us: int


def evaluate(shard: Shard, count: int, hold_ms: int, burst: int) -> Call[Evaluated]:
    """Takes at most `count` ticks, for at most `hold_ms` of the server's time, and fires at most `burst` rules at once."""
    return script("evaluate").call(
        Evaluated._make,
        ticks=shard.ticks,
        alerts=shard.alerts,
        counters=shard.counters,
        count=count,
        hold=hold_ms,
        burst=burst,
    )


def arm(shard: Shard, rule: Rule, least_epoch: int = 0) -> Call[bool]:
    """False when this revision was armed before. Refused, as redis-py's ResponseError, for a rule of another instrument."""
    return script("arm").call(
        bool,
        instrument=shard.instrument(rule.token),
        rule=shard.rule(rule.id),
        id=rule.id,
        user=rule.user,
        token=rule.token,
        symbol=rule.symbol,
        kind=rule.kind,
        direction=rule.direction,
        amount=getattr(rule, KINDS[rule.kind].amount.attribute),
        window=rule.window_ms,
        repeat=rule.repeat,
        cooldown=rule.cooldown_ms,
        armed_at=rule.armed_at_ms,
        revision=rule.revision,
        epoch=least_epoch,
    )


def disarm(shard: Shard, rule: Rule) -> Call[bool]:
    """The rule's state says whether it rests or is gone; False when it was not there."""
    return script("disarm").call(
        bool,
        instrument=shard.instrument(rule.token),
        rule=shard.rule(rule.id),
        id=rule.id,
        token=rule.token,
        state=rule.state,
        revision=rule.revision,
    )


def rest(shard: Shard, token: int, rule: str, epoch: int, fired_ms: int) -> Call[bool]:
    """Lets a rule that is armed under that epoch rest as if it had fired; False when it is not."""
    return script("rest").call(
        bool, instrument=shard.instrument(token), rule=shard.rule(rule), id=rule, epoch=epoch, fired=fired_ms
    )


class Nearest(NamedTuple):
    """A side of an armed rule: `reference` and `trigger`, the first price at which it fires, in rupees."""

    rule: str
    user: str
    condition: str
    side: str
    reference: str
    trigger: str


class Inspection(NamedTuple):
    """`fields`: the instrument's hash, empty before its first tick; `waiting` rules, the next is armed at `next_ms`."""

    fields: dict[str, str]
    nearest: list[Nearest]
    waiting: int
    next_ms: str


def inspect(shard: Shard, token: int, count: int) -> Call[Inspection]:
    """Where an instrument stands, with at most `count` rules of each family, and as many in all."""
    return script("inspect").call(_inspection, instrument=shard.instrument(token), token=token, count=count)


def _inspection(reply: tuple[list[str], list[list[str]], int, str]) -> Inspection:
    pairs, rows, waiting, next_ms = reply
    # A script that the server stopped half-way may have left a rule in an index that is no more.
    nearest = [_nearest(*row) for row in rows if row[1]]
    return Inspection(dict(zip(pairs[::2], pairs[1::2], strict=True)), nearest, waiting, next_ms)


def _nearest(rule: str, text: str, side: str, reference: str, trigger: str) -> Nearest:
    told = RuleText.read(text)
    return Nearest(rule, told.user, told.condition, side, reference, trigger)


class TriggerPrice(NamedTuple):
    """Of a side of an armed rule, in rupees: what it measures from, and the first price at which it fires."""

    side: str
    reference: str
    trigger: str


class TriggerPrices(NamedTuple):
    """`price`: the instrument's, empty before its first tick; `of`: by rule."""

    price: str
    of: dict[str, list[TriggerPrice]]


def trigger_prices(shard: Shard, token: int, rules: Sequence[str]) -> Call[TriggerPrices]:
    """At which prices these rules fire, however many others are nearer."""
    return script("trigger_prices").call(_trigger_prices, instrument=shard.instrument(token), token=token, rules=rules)


def _trigger_prices(reply: tuple[str, list[list[str]]]) -> TriggerPrices:
    price, rows = reply
    found: dict[str, list[TriggerPrice]] = {}
    for rule, *told in rows:
        found.setdefault(rule, []).append(TriggerPrice(*told))
    return TriggerPrices(price, found)


class Exported(NamedTuple):
    """A key of the engine; `content`: a string's value, or the pairs of a hash or sorted set. As a client of bytes has it."""

    name: bytes
    type: bytes
    content: bytes | list[bytes]


def export(shard: Shard, token: int, rules: Sequence[str]) -> Call[list[Exported]]:
    """All that is kept of one instrument at one moment, `rules` those of its rules that no index may know."""
    return script("export").call(_exported, instrument=shard.instrument(token), token=token, rules=rules)


def _exported(rows: list[tuple[bytes, bytes, bytes | list[bytes]]]) -> list[Exported]:
    return [Exported(*row) for row in rows]


class RuleText(NamedTuple):
    """A rule as lua/lib/rules.lua writes it; `condition`: direction, amount, how and pause."""

    token: int
    condition: str
    user: str
    revision: int

    @classmethod
    def read(cls, text: str | bytes) -> "RuleText":
        words = (text if isinstance(text, str) else text.decode()).split()
        return cls(int(words[0]), " ".join(words[1:-2]), words[-2], int(words[-1]))


class ArmedRule(NamedTuple):
    """The hash `rule:<rule>`, kept terse because there may be millions; `state`: pending, armed, cooling, spent or paused."""

    state: str
    epoch: int
    text: RuleText


def read_armed(fields: Mapping[str, str]) -> ArmedRule | None:
    """None when the engine does not know the rule."""
    states = [name for name in fields if name != "rule"]
    if not states:
        return None
    return ArmedRule(states[0], int(fields[states[0]]), RuleText.read(fields["rule"]))
