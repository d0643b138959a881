"""What a process counts of its messages; the worker's heartbeat shows it, and metrics are made of it."""

from collections import defaultdict

from stormalert.histogram import Histogram


class Counters:
    def __init__(self) -> None:
        # How many deliveries ended how, and how many tries each provider took and refused.
        self.facts: dict[str, str | int | float] = {"sent": 0, "failed": 0, "suppressed": 0, "retries": 0, "waits": 0}
        self._durations: defaultdict[str, Histogram] = defaultdict(Histogram)

    def count(self, name: str) -> None:
        self.facts[name] = int(self.facts.get(name, 0)) + 1

    def note(self, name: str, took_ms: float) -> None:
        self._durations[name].note(took_ms)
        self.facts[name] = self._durations[name].text
