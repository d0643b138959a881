"""A backtest: rules over recorded prices, in a thread of its own.

One a user, a few at once, bounded in prices, rules, alerts and time.
"""

import csv
import logging
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from dashboard.backtest.recording import TICK_HEADER, Price, Tell, bars_of
from dashboard.backtest.replay import Fired, Replay, Stopped, unnamed_file
from stormalert import words
from stormalert.access.security import new_id
from stormalert.errors import InputError, StormError
from stormalert.market.bars import Bar
from stormalert.market.days import day_began_ms
from stormalert.model import Rule
from stormalert.process import REDIS_ERRORS
from stormalert.units import DAY_MS, format_price, parse_price_e4

log = logging.getLogger(__name__)

PRICES_MAX = 1_000_000
RULES_MAX = 10_000
ALERTS_MAX = 50_000
LASTS_MAX_S = 300
AT_ONCE = 2
# Finished ones, whose results are still to be seen.
KEPT = 8
_NAMED = 3
_LOOK_EVERY_S = 0.2

ReadPrices = Callable[[Tell], Iterable[Price]]


class State(StrEnum):
    WAITING = "waiting"
    READING = "reading"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        return self in (State.DONE, State.FAILED, State.CANCELLED)


class Variant(NamedTuple):
    """What is compared with others: a rule, or several together."""

    name: str
    rules: tuple[Rule, ...]


class FoundAlert(NamedTuple):
    """One alert that would have been."""

    time_ms: int
    variant: int
    # As its owner knows it, and where it fired.
    rule: Rule
    symbol: str
    fired: Fired


class Trial:
    """`watched`: the symbols that a watchlist's rule is for; None is all that there are prices of."""

    def __init__(
        self,
        variants: Sequence[Variant],
        read: ReadPrices,
        *,
        told: str,
        watched: frozenset[str] | None = None,
        armed_at_ms: int = 0,
    ) -> None:
        self.id = new_id()
        self.variants = tuple(variants)
        # Which prices these are, in words.
        self.told = told
        self.state = State.WAITING
        self.share = 0.0
        self.reason = ""
        self.prices = 0
        self.symbols: tuple[str, ...] = ()
        # When the Indian days began that there are prices of, without a previous close.
        self.days_ms: set[int] = set()
        self.found: list[FoundAlert] = []
        # What could not be tried, in words.
        self.left_out = ""
        self._read: ReadPrices | None = read
        self._watched = watched
        self._armed_at_ms = armed_at_ms
        self._replay = Replay()
        self._is_cancelled = False
        # For the charts too; it is gone with the trial.
        self._ticks = unnamed_file()
        weakref.finalize(self, self._ticks.close)
        self._ticks_lock = threading.Lock()

    def start(self) -> None:
        threading.Thread(target=self._run, name="trial", daemon=True).start()

    def cancel(self) -> None:
        self._is_cancelled = True
        self._replay.stop()

    def count(self, variant: int) -> int:
        return sum(it.variant == variant for it in self.found)

    def bars(self, symbol: str) -> list[Bar]:
        """The minutes of one instrument's prices."""
        with self._ticks_lock:
            self._ticks.seek(0)
            rows = csv.reader(self._ticks)
            next(rows)
            return bars_of((int(time), parse_price_e4(price)) for time, of, price in rows if of == symbol)

    def _run(self) -> None:
        try:
            while not _slots.acquire(timeout=_LOOK_EVERY_S):
                self._look()
            try:
                self._try_out()
            finally:
                _slots.release()
            self.state = State.DONE
        except Stopped as stopped:
            self.reason = f"It was stopped: {stopped.reason}." if stopped.reason else ""
            self.state = State.FAILED if stopped.reason else State.CANCELLED
        except StormError as error:
            self.reason = str(error)
            self.state = State.FAILED
        except REDIS_ERRORS:
            self.reason = "Redis does not answer; try again in a moment."
            self.state = State.FAILED
        except Exception:  # boundary: whoever waits for it must hear that it ended
            log.exception("trial failed")
            self.reason = "Something went wrong on our side; an admin finds it in the log."
            self.state = State.FAILED
        finally:
            # It may hold a whole file, and the result outlives it.
            self._read = None
            if self.state is not State.DONE:
                self._ticks.close()

    def _try_out(self) -> None:
        self.state = State.READING
        self._write_prices()
        placed = self._placed()
        if not placed:
            raise InputError(self.left_out or "There is no rule to try.")
        self.state, self.share = State.RUNNING, 0.0
        fired = self._replay.run(
            self._ticks,
            [rule for _, _, rule in placed],
            alerts_max=ALERTS_MAX,
            within_s=LASTS_MAX_S,
            on_progress=self._tell,
        )
        self.found = [FoundAlert(it.time_ms, *placed[it.rule][:2], placed[it.rule][2].symbol, it) for it in fired]
        self.found.sort(key=lambda it: (it.time_ms, it.variant, it.fired.rule))

    def _write_prices(self) -> None:
        symbols: dict[str, None] = {}
        day_ms = 0
        rows = csv.writer(self._ticks, lineterminator="\n")
        rows.writerow(TICK_HEADER)
        assert self._read
        for price in self._read(self._tell):
            if self._is_cancelled:
                raise Stopped
            self.prices += 1
            if self.prices > PRICES_MAX:
                raise InputError(f"There are more than {words.grouped(PRICES_MAX)} prices; choose fewer days or instruments.")
            symbols.setdefault(price.symbol)
            if not day_ms <= price.time_ms < day_ms + DAY_MS:
                day_ms = day_began_ms(price.time_ms)
                self.days_ms.add(day_ms)
            rows.writerow((price.time_ms, price.symbol, format_price(price.price_e4)))
        if not self.prices:
            raise InputError("There are no prices in this time.")
        self.symbols = tuple(symbols)
        self.days_ms = {it for it in self.days_ms if it >= self._armed_at_ms}

    def _placed(self) -> list[tuple[int, Rule, Rule]]:
        """Variant, rule, and the rule on each instrument with prices."""
        placed: list[tuple[int, Rule, Rule]] = []
        missing: Counter[str] = Counter()
        for number, variant in enumerate(self.variants):
            for rule in variant.rules:
                on = self._on_watchlist() if rule.is_on_watchlist else [rule.symbol] * (rule.symbol in self.symbols)
                if not on:
                    missing[rule.symbol] += 1
                changes = {"armed_at_ms": self._armed_at_ms, "token": 1}
                placed += [(number, rule, rule.model_copy(update=changes | {"symbol": symbol})) for symbol in on]
        if len(placed) > RULES_MAX:
            raise InputError(
                f"These are {words.grouped(len(placed))} rules on single instruments, and at most {words.grouped(RULES_MAX)} "
                "can be tried at once."
            )
        self.left_out = _left_out(missing)
        return placed

    def _on_watchlist(self) -> list[str]:
        return [symbol for symbol in self.symbols if self._watched is None or symbol in self._watched]

    def _tell(self, share: float) -> None:
        self._look()
        self.share = share

    def _look(self) -> None:
        if self._is_cancelled:
            raise Stopped


def start(user: str, trial: Trial) -> None:
    """Raises InputError while one of the user's is under way."""
    with _lock:
        before = _of_user.get(user)
        if before and not before.state.is_over:
            raise InputError("A backtest of yours is under way; wait for it, or cancel it first.")
        # At its end: the oldest go first.
        _of_user.pop(user, None)
        over = [somebody for somebody, it in _of_user.items() if it.state.is_over]
        for somebody in over[: max(0, len(over) - KEPT + 1)]:
            del _of_user[somebody]
        _of_user[user] = trial
    trial.start()


def of(user: str) -> Trial | None:
    """The user's newest."""
    return _of_user.get(user)


_slots = threading.BoundedSemaphore(AT_ONCE)
_lock = threading.Lock()
_of_user: dict[str, Trial] = {}


def _left_out(missing: Counter[str]) -> str:
    if not missing:
        return ""
    count = missing.total()
    named = ", ".join(list(missing)[:_NAMED]) + (f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else "")
    return f"{'1 rule was' if count == 1 else f'{count} rules were'} left out, because there are no prices of {named}."
