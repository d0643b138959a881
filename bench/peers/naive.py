"""The design most people write: for each tick, loop over the instrument's rules in Python dicts.

Fairness: its windows are monotonic deques shared by the rules, better than the usual min() over a list of ticks.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from bench.peers.records import PeerAlert, PeerRule, PeerTick
from bench.peers.windows import Window


class Naive:
    def __init__(self, rules: Iterable[PeerRule]) -> None:
        self._rules: dict[int, list[dict[str, Any]]] = {}
        self._windows: dict[int, dict[int, Window]] = {}
        self._newest_ms: dict[int, int] = {}
        for rule in sorted(rules):
            state = {"armed": False, "spent": False, "ready_ms": rule.armed_at_ms, "low": 0, "high": 0}
            self._rules.setdefault(rule.token, []).append(rule._asdict() | state)
            if rule.window_ms:
                self._windows.setdefault(rule.token, {}).setdefault(rule.window_ms, Window(rule.window_ms))

    def take(self, tick: PeerTick) -> Iterator[PeerAlert]:
        token, price, time_ms = tick
        time_ms = self._newest_ms[token] = max(time_ms, self._newest_ms.get(token, 0))
        windows = self._windows.get(token, {})
        for window in windows.values():
            window.push(time_ms, price)
        for rule in self._rules.get(token, ()):
            if not rule["armed"]:
                if rule["spent"] or time_ms < rule["ready_ms"]:
                    continue
                rule["armed"], rule["low"], rule["high"] = True, price, price
            if rule["window_ms"]:
                window = windows[rule["window_ms"]]
                low, high = window.low_e4, window.high_e4
            else:
                low = rule["low"] = min(rule["low"], price)
                high = rule["high"] = max(rule["high"], price)
            if rule["direction"] != "down" and price * 10_000 >= low * (10_000 + rule["percent_e2"]):
                side, reference = "up", low
            elif rule["direction"] != "up" and price * 10_000 <= high * (10_000 - rule["percent_e2"]):
                side, reference = "down", high
            else:
                continue
            rule["armed"], rule["spent"], rule["ready_ms"] = False, rule["is_once"], time_ms + rule["cooldown_ms"]
            yield PeerAlert(time_ms, rule["id"], side, price, reference)
