"""Backtests by the evaluator's own command, held against what a rule means."""

import os
import threading
import time
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from dashboard.backtest import trial
from dashboard.backtest.recording import Price, Tell, prices_of
from dashboard.backtest.trial import State, Trial, Variant
from stormalert.errors import InputError
from stormalert.market.bars import Bar
from stormalert.model import Instrument, Rule, Tick
from stormalert.rules import line as rule_line
from stormalert.units import MINUTE_MS
from tests.evaluator.oracle import expected_alerts

BEGAN_MS = 1_654_055_100_000
PATIENCE_S = 120


def a_rule(line: str) -> Rule:
    return rule_line.read(line, lambda symbol: Instrument(token=1, symbol=symbol), id="r", user="u")


def variants(*lines: str) -> list[Variant]:
    return [Variant(line, (a_rule(line),)) for line in lines]


def waves(symbol: str, minutes: int = 120, step_e4: int = 7_300) -> list[Price]:
    """Up and down, each wave a bit longer than the one before."""
    closes = [10_000_000 + step_e4 * abs((minute * minute // 40) % 30 - 15) for minute in range(minutes + 1)]
    bars = [
        Bar(BEGAN_MS + place * MINUTE_MS, before, max(before, now) + 500, min(before, now) - 500, now)
        for place, (before, now) in enumerate(pairwise(closes))
    ]
    return list(prices_of(symbol, bars))


def read(prices: Iterable[Price]) -> trial.ReadPrices:
    return lambda tell: prices


def finished(it: Trial) -> Trial:
    deadline = time.monotonic() + PATIENCE_S
    while not it.state.is_over:
        assert time.monotonic() < deadline, it.state
        time.sleep(0.02)
    return it


def tried(user: str, *given: object, **more: object) -> Trial:
    it = Trial(*given, told="", **more)  # type: ignore[arg-type]
    trial.start(user, it)
    return finished(it)


def children() -> list[str]:
    """Command lines of this process's own, and of theirs."""
    found = []
    for place in Path("/proc").iterdir():
        try:
            line = (place / "cmdline").read_bytes() if place.name.isdigit() else b""
            if b"replay" in line and int((place / "stat").read_text().rpartition(")")[2].split()[1]) == os.getpid():
                found.append(line.decode())
        except OSError:
            continue
    return found


@pytest.fixture(autouse=True)
def no_trace(processes: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever became of the test's backtests."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    yield
    deadline = time.monotonic() + PATIENCE_S
    while children() or list(tmp_path.iterdir()):
        assert time.monotonic() < deadline, (children(), list(tmp_path.iterdir()))
        time.sleep(0.05)


def test_the_alerts_are_those_that_the_rules_mean() -> None:
    lines = [
        "NSE:INFY rolling 0.3% 5m",
        "NSE:INFY trailing down 0.5% cooldown 3m",
        "NSE:INFY level 1003",
        "watchlist rolling up 0.2% 2m",
    ]
    prices = waves("NSE:INFY") + waves("NSE:TCS", step_e4=9_100)
    done = tried("u", variants(*lines), read(prices))
    assert (done.state, done.reason, done.prices, done.symbols) == (State.DONE, "", 960, ("NSE:INFY", "NSE:TCS"))
    for number, line in enumerate(lines):
        for symbol in ("NSE:INFY", "NSE:TCS"):
            if "INFY" in line and symbol == "NSE:TCS":
                continue
            ticks = [Tick(1, it.price_e4, it.time_ms) for it in prices if it.symbol == symbol]
            rule = a_rule(line).model_copy(update={"token": 1, "symbol": symbol})
            expected = [(it.time_ms, it.direction, it.price_e4, it.reference_e4) for it in expected_alerts(ticks, [rule])]
            found = [
                (it.time_ms, it.fired.direction, it.fired.price_e4, it.fired.reference_e4)
                for it in done.found
                if it.variant == number and it.symbol == symbol
            ]
            assert found == expected and found
    assert done.found == sorted(done.found, key=lambda it: it.time_ms)
    assert sum(done.count(number) for number in range(len(lines))) == len(done.found)
    assert [it.time_ms for it in done.bars("NSE:TCS")] == [BEGAN_MS + minute * MINUTE_MS for minute in range(120)]


def test_a_watchlists_rule_is_for_what_is_watched_and_what_has_no_prices_is_named() -> None:
    prices = waves("NSE:INFY") + waves("NSE:TCS")
    lines = variants("watchlist rolling up 0.2% 2m", "NSE:SBIN rolling up 0.2% 2m")
    done = tried("u", lines, read(prices), watched=frozenset({"NSE:TCS"}))
    assert {it.symbol for it in done.found} == {"NSE:TCS"}
    assert done.left_out == "1 rule was left out, because there are no prices of NSE:SBIN."
    none = tried("u", lines[1:], read(prices))
    assert (none.state, none.reason) == (State.FAILED, done.left_out)


def test_rules_are_armed_when_it_is_said_so() -> None:
    prices = waves("NSE:INFY")
    late_ms = BEGAN_MS + 60 * MINUTE_MS
    whole, half = (tried("u", variants("NSE:INFY rolling 0.2% 2m"), read(prices), armed_at_ms=at_ms) for at_ms in (0, late_ms))
    assert whole.found[0].time_ms < late_ms <= half.found[0].time_ms
    assert len(half.found) > 0


def test_one_a_user_and_it_can_be_cancelled_while_it_runs() -> None:
    long = [Price(BEGAN_MS + n * 1_000, "NSE:INFY", 10_000_000 + n % 700 * 100) for n in range(60_000)]
    first = Trial(variants("NSE:INFY rolling up 90% 24h"), read(long), told="")
    trial.start("u", first)
    with pytest.raises(InputError, match="A backtest of yours is under way"):
        trial.start("u", Trial(variants("NSE:INFY level 1"), read(long), told=""))
    deadline = time.monotonic() + PATIENCE_S
    while not (first.state is State.RUNNING and 0 < first.share < 1):
        assert time.monotonic() < deadline and not first.state.is_over, (first.state, first.reason)
        time.sleep(0.01)
    first.cancel()
    assert finished(first).state is State.CANCELLED
    assert tried("u", variants("NSE:INFY level 1005"), read(waves("NSE:INFY"))).state is State.DONE


def test_only_so_many_run_at_once_and_who_waits_can_leave() -> None:
    go = threading.Event()

    def held(tell: Tell) -> Iterator[Price]:
        assert go.wait(PATIENCE_S)
        yield from waves("NSE:INFY", 3)

    running = [Trial(variants("NSE:INFY level 1"), held, told="") for _ in range(trial.AT_ONCE)]
    waiting = [Trial(variants("NSE:INFY level 1"), held, told="") for _ in range(2)]
    try:
        for number, it in enumerate(running):
            trial.start(f"r{number}", it)
        deadline = time.monotonic() + PATIENCE_S
        while {it.state for it in running} != {State.READING}:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        for number, it in enumerate(waiting):
            trial.start(f"w{number}", it)
        waiting[0].cancel()
        assert finished(waiting[0]).state is State.CANCELLED
        assert waiting[1].state is State.WAITING
    finally:
        go.set()
    assert {finished(it).state for it in [*running, waiting[1]]} == {State.DONE}


def test_bounds_are_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    prices, lines = waves("NSE:INFY"), variants("NSE:INFY rolling 0.01% 5m cooldown 0s")
    monkeypatch.setattr(trial, "ALERTS_MAX", 20)
    assert tried("u", lines, read(prices)).reason.startswith("There are more than 20 alerts; choose a larger percent")
    monkeypatch.setattr(trial, "LASTS_MAX_S", 0)
    assert tried("u", lines, read(prices)).reason == "It was stopped: it took longer than 0 s."
    monkeypatch.setattr(trial, "PRICES_MAX", 100)
    assert tried("u", lines, read(prices)).reason == "There are more than 100 prices; choose fewer days or instruments."
    monkeypatch.setattr(trial, "RULES_MAX", 0)
    assert "at most 0 can be tried at once" in tried("u", lines, read(prices[:50])).reason
    assert tried("u", lines, read([])).reason == "There are no prices in this time."


def test_results_are_kept_for_the_last_few_users_only() -> None:
    done = [
        tried(f"kept-{number}", variants("NSE:INFY level 1"), read(waves("NSE:INFY", 2))) for number in range(trial.KEPT + 1)
    ]
    assert trial.of("kept-0") is None
    assert [trial.of(f"kept-{number}") for number in range(1, trial.KEPT + 1)] == done[1:]
