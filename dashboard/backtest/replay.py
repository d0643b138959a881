"""Recorded prices through the very engine that runs live: the evaluator's `replay`, as a process that can be stopped.

Its files have no name: whatever ends first, nothing of them remains.
"""

import csv
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from stormalert import words
from stormalert.errors import InputError, StormError
from stormalert.model import Direction, Rule
from stormalert.units import format_duration, format_percent, format_price, parse_price_e4

_RULE_COLUMNS = ("id", "symbol", "kind", "direction", "percent", "window", "repeat", "cooldown", "armed_at", "price")
_ROOT = Path(__file__).resolve().parents[2]
# What runs live goes first.
_POLITELY = ("nice", "-n", "5")
# The server of its own is stopped in less.
_TIDY_WITHIN_S = 5
# As `evaluator` says it.
_TOO_MANY = "there are more than"


class Fired(NamedTuple):
    time_ms: int
    # Its place among the rules of the replay.
    rule: int
    direction: Direction
    price_e4: int
    reference_e4: int


class Stopped(Exception):
    """The replay was stopped; `reason` is empty when somebody wanted it so."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


class Replay:
    """One run; `stop` may come from any thread, at any time. An urgent one is waited for by somebody."""

    def __init__(self, is_urgent: bool = False) -> None:
        self._politely = () if is_urgent else _POLITELY
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped: Stopped | None = None

    def run(
        self,
        ticks: IO[str],
        rules: Sequence[Rule],
        *,
        alerts_max: int,
        within_s: float,
        on_progress: Callable[[float], object] = lambda _: None,
    ) -> list[Fired]:
        """In firing order. `ticks` is a CSV file; rules know their instruments by the symbols in it.

        Raises Stopped, and InputError when there are too many alerts.
        """
        with unnamed_file() as rules_file, unnamed_file() as alerts, unnamed_file() as complaints:
            _write_rules(rules_file, rules)
            ticks.flush()
            ticks.seek(0)
            files = {"ticks": ticks, "rules": rules_file, "out": alerts}
            command = [
                *(*self._politely, sys.executable, "-m", "evaluator", "replay", "--progress", f"--alerts-max={alerts_max}"),
                *(f"--{name}=/dev/fd/{file.fileno()}" for name, file in files.items()),
            ]
            with (
                self._start(command, [file.fileno() for file in files.values()], complaints) as process,
                self._limited(within_s),
            ):
                assert process.stdout
                for line in process.stdout:
                    word, *counts = line.split()
                    if word == b"progress":
                        on_progress(int(counts[0]) / int(counts[1]))
            if self._stopped:
                raise self._stopped
            if process.returncode:
                complaints.seek(0)
                raise _failure(complaints.read(), alerts_max)
            alerts.seek(0)
            return [_fired(row) for row in csv.DictReader(alerts)]

    def stop(self, reason: str = "") -> None:
        with self._lock:
            self._stopped = self._stopped or Stopped(reason)
            if self._process:
                self._process.terminate()
                _later(_TIDY_WITHIN_S, self._kill)

    def _start(self, command: list[str], passed: list[int], complaints: IO[str]) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._stopped:
                raise self._stopped
            self._process = subprocess.Popen(
                command, cwd=_ROOT, stdout=subprocess.PIPE, stderr=complaints, pass_fds=passed, start_new_session=True
            )
            return self._process

    def _kill(self) -> None:
        """With its server."""
        if self._process and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)

    @contextmanager
    def _limited(self, within_s: float) -> Iterator[None]:
        timer = _later(within_s, self.stop, f"it took longer than {within_s:.0f} s")
        try:
            yield
        finally:
            timer.cancel()


def unnamed_file() -> IO[str]:
    return tempfile.TemporaryFile("w+", newline="", encoding="utf-8")


def _later(after_s: float, work: Callable[..., object], *given: object) -> threading.Timer:
    timer = threading.Timer(after_s, work, given)
    timer.daemon = True
    timer.start()
    return timer


def _write_rules(file: IO[str], rules: Sequence[Rule]) -> None:
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(_RULE_COLUMNS)
    for place, rule in enumerate(rules):
        rows.writerow(
            (
                # By number and as text in the same order.
                f"{place:06d}",
                rule.symbol,
                rule.kind,
                rule.direction,
                format_percent(rule.percent_e2) if rule.percent_e2 else "",
                format_duration(rule.window_ms) if rule.window_ms else "",
                rule.repeat,
                format_duration(rule.cooldown_ms),
                rule.armed_at_ms or "",
                format_price(rule.price_e4) if rule.price_e4 else "",
            )
        )
    file.flush()


def _fired(row: dict[str, str]) -> Fired:
    prices = (parse_price_e4(row[name]) for name in ("price", "reference"))
    return Fired(int(row["time"]), int(row["rule"]), Direction(row["direction"]), *prices)


def _failure(complaint: str, alerts_max: int) -> StormError:
    if complaint.startswith(_TOO_MANY):
        return InputError(
            f"There are more than {words.grouped(alerts_max)} alerts; choose a larger percent, a longer pause or fewer prices."
        )
    return StormError(f"The engine gave up: {complaint.strip() or 'it ended without a word'}")
