"""How often rules that are being made would have fired on the newest day, by the engine itself."""

import csv
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import streamlit as st

from dashboard import instruments, resources
from dashboard.backtest import prices
from dashboard.backtest.prices import Day
from dashboard.backtest.recording import TICK_HEADER
from dashboard.backtest.replay import Fired, Replay, Stopped, unnamed_file
from dashboard.chart import Mark, PriceLine, chart
from dashboard.web.html import render
from stormalert import words
from stormalert.errors import InputError, StormError
from stormalert.market.days import day_began_ms, ist
from stormalert.model import Instrument, Rule
from stormalert.process import REDIS_ERRORS
from stormalert.rules.kinds import KINDS
from stormalert.units import format_price

# Somebody waits for it: a day of so many is some 30,000 prices, between one and two seconds.
INSTRUMENTS_MAX = 20
_WITHIN_S = 15
_ALERTS_MAX = 5_000
_AT_ONCE = 2
_TIMES_TOLD = 8
_NAMED = 3
_MARKS_MAX = 300
_HEIGHT_PX = 220

_slots = threading.BoundedSemaphore(_AT_ONCE)


class RulePreview(NamedTuple):
    """`fired` says by their places which of the rules that were tried it was; `tried_on` is the instrument of each."""

    day_ms: int
    days: list[Day]
    fired: list[Fired]
    tried_on: list[str]


def show(rules: Sequence[Rule]) -> None:
    """Draws it, for rules on one instrument, on several, or on their user's watchlist."""
    try:
        placed, left_out = _placed(rules)
        day_ms = prices.newest_day_ms([instrument for _, instrument in placed]) if placed else None
        if day_ms is None:
            st.caption("There are no prices of it yet, so nobody can say how often it would have fired.")
            return
        found = _preview(placed, day_ms)
    except (*REDIS_ERRORS, StormError, Stopped) as error:
        st.caption(f"How often it would have fired cannot be said now: {_why(error)}.")
        return
    st.html(render("rules/preview.html", sentence=sentence(found)))
    if len(found.days) == 1:
        _chart(found, rules)
    until = max(day.bars[-1].time_ms for day in found.days)
    more = f" Tried on the first {INSTRUMENTS_MAX} instruments, without {words.grouped(left_out)} more." if left_out else ""
    st.caption(f"By minutes until {_clock(until)} IST, each taken as four prices; live there may be some more.{more}")


def sentence(found: RulePreview) -> str:
    """Would have fired 3 times today, at 09:31, 10:02 and 13:47."""
    when = "today" if found.day_ms == day_began_ms() else f"on {ist(found.day_ms):%-d %b}"
    if not found.fired:
        return f"Would not have fired {when}."
    count = len(found.fired)
    often = "once" if count == 1 else f"{words.grouped(count)} times"
    if len(found.days) > 1:
        by_symbol = Counter(found.tried_on[it.rule] for it in found.fired)
        most = _joined([f"{symbol} ({words.grouped(times)})" for symbol, times in by_symbol.most_common(_NAMED)])
        which = f"{len(by_symbol)} of {len(found.days)} instruments"
        return f"Would have fired {often} {when}, on {which}, most on {most}."
    times = [_clock(it.time_ms) for it in sorted(found.fired)]
    if count > _TIMES_TOLD:
        return f"Would have fired {often} {when}, first at {times[0]}, last at {times[-1]}."
    return f"Would have fired {often} {when}, at {_joined(times)}."


def _placed(rules: Sequence[Rule]) -> tuple[list[tuple[Rule, Instrument]], int]:
    """Each rule on each of its instruments, and how many instruments were too many."""
    placed: list[tuple[Rule, Instrument]] = []
    for rule in rules:
        if rule.is_on_watchlist:
            symbols = instruments.symbols(resources.store().watchlist(rule.user))
        else:
            symbols = {rule.token: rule.symbol}
        placed += [(rule, Instrument(token=token, symbol=symbol)) for token, symbol in symbols.items()]
    tokens = dict.fromkeys(instrument.token for _, instrument in placed)
    kept = set(list(tokens)[:INSTRUMENTS_MAX])
    return [each for each in placed if each[1].token in kept], len(tokens) - len(kept)


def _preview(placed: list[tuple[Rule, Instrument]], day_ms: int) -> RulePreview:
    """Raises InputError, StormError, Stopped and RedisError."""
    days = list(prices.days(list({instrument.token: instrument for _, instrument in placed}.values()), day_ms))
    symbols = {day.instrument.symbol for day in days}
    changes = {"armed_at_ms": day_ms, "token": 1}
    tried = [
        rule.model_copy(update=changes | {"symbol": instrument.symbol})
        for rule, instrument in placed
        if instrument.symbol in symbols
    ]
    conditions = tuple(rule.model_dump_json(exclude={"id", "user", "state", "revision", "updated_ms"}) for rule in tried)
    return RulePreview(day_ms, days, _fired(conditions, _marks(days), tried, days, day_ms), [rule.symbol for rule in tried])


# The same while the form's other fields change, and until the next minute is over.
@st.cache_data(ttl=600, max_entries=200, show_spinner=False)
def _fired(
    conditions: tuple[str, ...], marks: tuple[int, ...], _rules: list[Rule], _days: list[Day], _day_ms: int
) -> list[Fired]:
    if not _slots.acquire(timeout=_WITHIN_S):
        raise InputError("others are being tried, wait a moment")
    try:
        with unnamed_file() as ticks:
            rows = csv.writer(ticks, lineterminator="\n")
            rows.writerow(TICK_HEADER)
            for day in _days:
                for it in prices.prices_of_day(day, _day_ms):
                    rows.writerow((it.time_ms, it.symbol, format_price(it.price_e4)))
            return Replay(is_urgent=True).run(ticks, _rules, alerts_max=_ALERTS_MAX, within_s=_WITHIN_S)
    finally:
        _slots.release()


def _marks(days: Iterable[Day]) -> tuple[int, ...]:
    """What tells one state of the minutes from another."""
    return tuple(number for day in days for number in (day.instrument.token, len(day.bars), *day.bars[-1], day.close_e4 or 0))


def _chart(found: RulePreview, rules: Sequence[Rule]) -> None:
    lines = [PriceLine(rule.price_e4, str(rule.kind), "reference") for rule in rules if KINDS[rule.kind].is_at_price]
    marks = [Mark(it.time_ms, it.direction, _clock(it.time_ms)) for it in found.fired[:_MARKS_MAX]]
    chart("preview", found.days[0].bars, lines, marks, height_px=_HEIGHT_PX)


def _why(error: Exception) -> str:
    if isinstance(error, StormError | Stopped):
        text = str(error).rstrip(".")
        return text[:1].lower() + text[1:]
    return "Redis does not answer"


def _clock(time_ms: int) -> str:
    return f"{ist(time_ms):%H:%M}"


def _joined(texts: Sequence[str]) -> str:
    """a, b and c"""
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"
