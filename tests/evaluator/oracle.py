"""What a rule means, computed the slow and obvious way from every tick so far; shares no idea with the engine."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import NamedTuple

from stormalert.model import Direction, Kind, Repeat, Rule, Tick


class Expected(NamedTuple):
    time_ms: int
    rule: str
    direction: str
    price_e4: int
    reference_e4: int


@dataclass
class OracleRule:
    """One rule's state: the tick it was armed at (a place in the history), or when it may be armed."""

    rule: Rule
    ready_ms: int
    armed_at: int | None = None
    is_spent: bool = False


class OracleMarket:
    """Every tick so far, and the rules in force. `closes_e4`: previous closes by token."""

    def __init__(self, closes_e4: Mapping[int, int] | None = None) -> None:
        self._closes_e4 = closes_e4 or {}
        self._history: dict[int, list[tuple[int, int]]] = {}
        self._watches: dict[str, OracleRule] = {}

    def arm(self, rule: Rule) -> None:
        self._watches[rule.id] = OracleRule(rule, rule.armed_at_ms)

    def disarm(self, rule_id: str) -> None:
        self._watches.pop(rule_id, None)

    def tick(self, tick: Tick) -> Iterator[Expected]:
        past = self._history.setdefault(tick.token, [])
        time_ms = max(tick.time_ms, past[-1][0]) if past else tick.time_ms
        past.append((time_ms, tick.price_e4))
        for _, watch in sorted(self._watches.items()):
            if watch.rule.token == tick.token and not watch.is_spent:
                yield from _fire(watch, past, self._closes_e4.get(tick.token, 0))


def expected_alerts(ticks: Iterable[Tick], rules: Iterable[Rule]) -> Iterator[Expected]:
    market = OracleMarket()
    for rule in rules:
        market.arm(rule)
    for tick in ticks:
        yield from market.tick(tick)


def _fire(watch: OracleRule, past: list[tuple[int, int]], close_e4: int) -> Iterator[Expected]:
    rule, (time_ms, price_e4) = watch.rule, past[-1]
    if watch.armed_at is None:
        if time_ms < watch.ready_ms:
            return
        watch.armed_at = len(past) - 1
    if rule.kind is Kind.LEVEL:
        side, reference_e4 = _crossing(rule, past[-2][1] if len(past) > 1 else price_e4, price_e4)
    else:
        side, reference_e4 = _move(watch, past, close_e4)
    if side is None:
        return
    yield Expected(time_ms, rule.id, side, price_e4, reference_e4)
    watch.armed_at = None
    watch.is_spent = rule.repeat is Repeat.ONCE
    watch.ready_ms = time_ms + rule.cooldown_ms


def _crossing(rule: Rule, before_e4: int, price_e4: int) -> tuple[Direction | None, int]:
    if rule.direction is not Direction.DOWN and before_e4 < rule.price_e4 <= price_e4:
        return Direction.UP, rule.price_e4
    if rule.direction is not Direction.UP and before_e4 > rule.price_e4 >= price_e4:
        return Direction.DOWN, rule.price_e4
    return None, 0


def _move(watch: OracleRule, past: list[tuple[int, int]], close_e4: int) -> tuple[Direction | None, int]:
    rule, (time_ms, price_e4) = watch.rule, past[-1]
    if rule.kind is Kind.GAP and (not close_e4 or not _opens_day(past)):
        return None, 0
    if rule.kind in (Kind.DAY, Kind.GAP):
        prices = [close_e4]
    elif rule.kind is Kind.ROLLING:
        # Times never go back.
        first = bisect_right(past, time_ms - rule.window_ms, key=lambda tick: tick[0])
        prices = [price for _, price in past[first:]]
    else:
        prices = [price for _, price in past[watch.armed_at :]]
    low, high = min(prices), max(prices)
    if rule.direction is not Direction.DOWN and price_e4 * 10_000 >= low * (10_000 + rule.percent_e2):
        return Direction.UP, low
    if rule.direction is not Direction.UP and price_e4 * 10_000 <= high * (10_000 - rule.percent_e2):
        return Direction.DOWN, high
    return None, 0


def _opens_day(past: list[tuple[int, int]]) -> bool:
    """Whether the newest is the first of its Indian day; of the first there ever was nobody knows."""
    return len(past) > 1 and _date(past[-1][0]) != _date(past[-2][0])


def _date(time_ms: int) -> date:
    return datetime.fromtimestamp(time_ms / 1000, timezone(timedelta(hours=5, minutes=30))).date()
