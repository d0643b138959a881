"""The same done well in one Python process: only what may fire is touched. Nothing survives its end.

Rolling rules lie by side and window, sorted by percent; those that fire are a prefix. Trailing rules that share their extreme
are one cohort, sorted by percent; a new extreme swallows the cohorts that it beats, the smaller into the larger.
"""

import heapq
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator

from bench.peers.records import PeerAlert, PeerRule, PeerTick
from bench.peers.windows import Window

Ladder = list[tuple[int, str]]  # (percent, rule), sorted


class Cohort:
    def __init__(self, extreme_e4: int) -> None:
        self.extreme_e4 = extreme_e4
        self.ladder: Ladder = []


class PeerInstrument:
    def __init__(self, rules: Iterable[PeerRule]) -> None:
        self._rules = {rule.id: rule for rule in rules}
        self._pending = [(rule.armed_at_ms, rule.id) for rule in self._rules.values()]
        heapq.heapify(self._pending)
        self._newest_ms = 0
        self._windows = {rule.window_ms: Window(rule.window_ms) for rule in self._rules.values() if rule.window_ms}
        self._ladders: dict[str, dict[int, Ladder]] = {
            side: {window_ms: [] for window_ms in self._windows} for side in ("up", "down")
        }
        # Oldest first: each newer one has a lower peak (down) or a higher trough (up).
        self._cohorts: dict[str, list[Cohort]] = {"up": [], "down": []}
        self._cohort_of: dict[tuple[str, str], Cohort] = {}

    def take(self, price_e4: int, time_ms: int) -> list[PeerAlert]:
        time_ms = self._newest_ms = max(time_ms, self._newest_ms)
        for window in self._windows.values():
            window.push(time_ms, price_e4)
        if self._pending and self._pending[0][0] <= time_ms:
            self._arm_due(price_e4, time_ms)
        for side, cohorts in self._cohorts.items():
            if cohorts:
                self._extend(side, cohorts, price_e4)
        fired: dict[str, PeerAlert] = {}
        for rule_id, side, reference_e4 in self._triggered(price_e4):
            if rule_id not in fired:
                fired[rule_id] = PeerAlert(time_ms, rule_id, side, price_e4, reference_e4)
        if not fired:
            return []
        for rule_id in fired:
            self._disarm(self._rules[rule_id], time_ms)
        return [fired[rule_id] for rule_id in sorted(fired)]

    def _triggered(self, price_e4: int) -> Iterator[tuple[str, str, int]]:
        """Up before down: what fires up does not fire down."""
        for window_ms, ladder in self._ladders["up"].items():
            low_e4 = self._windows[window_ms].low_e4
            for percent_e2, rule_id in ladder:
                if price_e4 * 10_000 < low_e4 * (10_000 + percent_e2):
                    break
                yield rule_id, "up", low_e4
        for cohort in self._cohorts["up"]:
            for percent_e2, rule_id in cohort.ladder:
                if price_e4 * 10_000 < cohort.extreme_e4 * (10_000 + percent_e2):
                    break
                yield rule_id, "up", cohort.extreme_e4
        for window_ms, ladder in self._ladders["down"].items():
            high_e4 = self._windows[window_ms].high_e4
            for percent_e2, rule_id in ladder:
                if price_e4 * 10_000 > high_e4 * (10_000 - percent_e2):
                    break
                yield rule_id, "down", high_e4
        for cohort in self._cohorts["down"]:
            for percent_e2, rule_id in cohort.ladder:
                if price_e4 * 10_000 > cohort.extreme_e4 * (10_000 - percent_e2):
                    break
                yield rule_id, "down", cohort.extreme_e4

    def _arm_due(self, price_e4: int, time_ms: int) -> None:
        fresh = {"up": Cohort(price_e4), "down": Cohort(price_e4)}
        while self._pending and self._pending[0][0] <= time_ms:
            rule = self._rules[heapq.heappop(self._pending)[1]]
            for side in rule.sides:
                if rule.window_ms:
                    insort(self._ladders[side][rule.window_ms], (rule.percent_e2, rule.id))
                else:
                    insort(fresh[side].ladder, (rule.percent_e2, rule.id))
                    self._cohort_of[side, rule.id] = fresh[side]
        for side, cohort in fresh.items():
            if cohort.ladder:
                self._cohorts[side].append(cohort)

    def _extend(self, side: str, cohorts: list[Cohort], price_e4: int) -> None:
        """Gives the price to the newest cohorts, whose extreme it beats or equals, and makes one of them."""
        whole: Cohort | None = None
        while cohorts and (cohorts[-1].extreme_e4 <= price_e4 if side == "down" else cohorts[-1].extreme_e4 >= price_e4):
            beaten = cohorts.pop()
            whole = beaten if whole is None else self._pour(side, beaten, whole)
        if whole:
            whole.extreme_e4 = price_e4
            cohorts.append(whole)

    def _pour(self, side: str, one: Cohort, other: Cohort) -> Cohort:
        small, large = sorted((one, other), key=lambda cohort: len(cohort.ladder))
        for step in small.ladder:
            insort(large.ladder, step)
            self._cohort_of[side, step[1]] = large
        return large

    def _disarm(self, rule: PeerRule, time_ms: int) -> None:
        for side in rule.sides:
            cohort = None if rule.window_ms else self._cohort_of.pop((side, rule.id))
            ladder = cohort.ladder if cohort else self._ladders[side][rule.window_ms]
            del ladder[bisect_left(ladder, (rule.percent_e2, rule.id))]
            if cohort and not ladder:
                self._cohorts[side].remove(cohort)
        if not rule.is_once:
            heapq.heappush(self._pending, (time_ms + rule.cooldown_ms, rule.id))


class Memory:
    def __init__(self, rules: Iterable[PeerRule]) -> None:
        by_token: dict[int, list[PeerRule]] = {}
        for rule in rules:
            by_token.setdefault(rule.token, []).append(rule)
        self._instruments = {token: PeerInstrument(own) for token, own in by_token.items()}

    def take(self, tick: PeerTick) -> Iterable[PeerAlert]:
        instrument = self._instruments.get(tick.token)
        return instrument.take(tick.price_e4, tick.time_ms) if instrument else ()
