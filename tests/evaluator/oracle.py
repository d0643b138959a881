"""What a rule means, computed the slow and obvious way from every tick so far; shares no idea with the engine."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from stormalert.model import Direction, Kind, Repeat, Rule, Tick


class Expected(NamedTuple):
    time_ms: int
    rule: str
    direction: str
    price_e4: int
    reference_e4: int


@dataclass
class Watch:
    """One rule's state: the tick it was armed at (a place in the history), or when it may be armed."""

    rule: Rule
    ready_ms: int
    armed_at: int | None = None
    is_spent: bool = False


def expected_alerts(ticks: Iterable[Tick], rules: Iterable[Rule]) -> Iterator[Expected]:
    history: dict[int, list[tuple[int, int]]] = {}
    watches = [Watch(rule, rule.armed_at_ms) for rule in sorted(rules, key=lambda rule: rule.id)]
    for tick in ticks:
        past = history.setdefault(tick.token, [])
        time_ms = max(tick.time_ms, past[-1][0]) if past else tick.time_ms
        past.append((time_ms, tick.price_e4))
        for watch in watches:
            if watch.rule.token == tick.token and not watch.is_spent:
                yield from _fire(watch, past)


def _fire(watch: Watch, past: list[tuple[int, int]]) -> Iterator[Expected]:
    rule, (time_ms, price_e4) = watch.rule, past[-1]
    if watch.armed_at is None:
        if time_ms < watch.ready_ms:
            return
        watch.armed_at = len(past) - 1
    if rule.kind is Kind.ROLLING:
        prices = [price for at, price in past if time_ms - rule.window_ms < at <= time_ms]
    else:
        prices = [price for _, price in past[watch.armed_at :]]
    low, high = min(prices), max(prices)
    if rule.direction is not Direction.DOWN and price_e4 * 10_000 >= low * (10_000 + rule.percent_e2):
        side, reference_e4 = Direction.UP, low
    elif rule.direction is not Direction.UP and price_e4 * 10_000 <= high * (10_000 - rule.percent_e2):
        side, reference_e4 = Direction.DOWN, high
    else:
        return
    yield Expected(time_ms, rule.id, side, price_e4, reference_e4)
    watch.armed_at = None
    watch.is_spent = rule.repeat is Repeat.ONCE
    watch.ready_ms = time_ms + rule.cooldown_ms
