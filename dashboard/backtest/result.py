"""What a backtest found: counts side by side, alerts by day, each alert, and where they lie on an instrument's chart."""

import csv
import io
from collections import Counter
from collections.abc import Callable
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import texts
from dashboard.backtest.trial import FoundAlert, Trial
from dashboard.chart import Mark, chart
from dashboard.web.html import render
from stormalert import words
from stormalert.market.bars import Bar
from stormalert.market.days import day_began_ms, ist
from stormalert.model import Direction
from stormalert.rules.table import defused
from stormalert.units import DAY_MS, HOUR_MS, format_price

ROWS_SHOWN = 1_000
MARKS_SHOWN = 500
# Okabe-Ito, for as many as are compared.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9")
# What is made of a finished trial stays the same.
_BY_ID: dict[str | type[Any], Callable[[Any], Any]] = {Trial: lambda trial: trial.id}
_COLUMNS = ("time_ist", "rule", "instrument", "direction", "price", "reference")


def show(trial: Trial) -> None:
    names = _names(trial)
    instruments = words.count_of(len(trial.symbols), "instrument")
    over = f"Over {trial.told}: {words.grouped(trial.prices)} prices of {instruments}."
    st.html(render("backtest/counts.html", cards=_cards(trial, names), over=over))
    if trial.left_out:
        st.warning(trial.left_out, icon=":material/info:")
    if not trial.found:
        st.info("No alert. Try a smaller percent, a longer time, or more days.")
    else:
        _by_time(trial, names)
    _chart(trial, names)
    if trial.found:
        _table(trial, names)


def _names(trial: Trial) -> list[str]:
    """Numbered where several are compared, which also tells two of the same words apart."""
    names = [variant.name for variant in trial.variants]
    return [f"{number} · {name}" for number, name in enumerate(names, 1)] if len(names) > 1 else names


def _cards(trial: Trial, names: list[str]) -> list[dict[str, object]]:
    """As backtest/counts.html shows them."""
    counts = [trial.count(number) for number in range(len(names))]
    return [
        {"count": count, "noun": _noun(count), "name": name, "colour": colour}
        for count, name, colour in zip(counts, names, _COLOURS, strict=False)
    ]


def _by_time(trial: Trial, names: list[str]) -> None:
    """By day, or by hour when it was one day."""
    starts = sorted(trial.days_ms)
    step_ms, form = DAY_MS, "%-d %b" if _year(starts[0]) == _year(starts[-1]) else "%-d %b %Y"
    if len(starts) == 1:
        step_ms, form = HOUR_MS, "%H:%M"
        began = {_began_ms(it.time_ms, step_ms) for it in trial.found}
        starts = list(range(min(began), max(began) + 1, step_ms))
    counts = Counter((it.variant, _began_ms(it.time_ms, step_ms)) for it in trial.found)
    # By number only, as on the cards above: a legend has no room for more.
    labels = [str(number) for number in range(1, len(names) + 1)] if len(names) > 1 else ["Alerts"]
    columns = {label: [counts[number, start] for start in starts] for number, label in enumerate(labels)}
    rows = pd.DataFrame(columns, index=[_written(start, form) for start in starts])
    unit = "day" if step_ms == DAY_MS else "hour"
    st.markdown(f"**Alerts by {unit}**")
    st.bar_chart(rows, color=[*_COLOURS[: len(names)]], stack=False, sort=False, x_label="", y_label="Alerts", height=220)


def _chart(trial: Trial, names: list[str]) -> None:
    """One instrument's prices with its alerts, a day at a time where there are several."""
    fired = Counter(it.symbol for it in trial.found)
    symbols = sorted(trial.symbols, key=lambda symbol: (-fired[symbol], symbol))
    left, right = st.columns(2)
    symbol = left.selectbox("Chart of", symbols, format_func=lambda symbol: _counted(symbol, fired[symbol]))
    found = [it for it in trial.found if it.symbol == symbol]
    by_day = Counter(day_began_ms(it.time_ms) for it in found)
    days = sorted(trial.days_ms)
    busiest = max(days, key=lambda day_ms: by_day[day_ms])
    day_ms = busiest
    if len(days) > 1:
        day_ms = right.selectbox(
            "Day",
            days,
            index=days.index(busiest),
            format_func=lambda day_ms: _counted(_written(day_ms, "%a %-d %b %Y"), by_day[day_ms]),
            # Another instrument has another busiest day.
            key=f"backtest-day-{symbol}",
        )
    bars = [bar for bar in _bars(trial, symbol) if day_ms <= bar.time_ms < day_ms + DAY_MS]
    marks = [Mark(it.time_ms, it.fired.direction, _rule(it, names)) for it in found if day_ms <= it.time_ms < day_ms + DAY_MS]
    if bars:
        chart("backtest-chart", bars, marks=marks[:MARKS_SHOWN])
    else:
        st.caption(f"There are no prices of {symbol} on this day.")
    if len(marks) > MARKS_SHOWN:
        st.caption(f"The first {MARKS_SHOWN} of {words.grouped(len(marks))} alerts are marked.")


@st.cache_data(max_entries=8, show_spinner=False, hash_funcs=_BY_ID)
def _bars(trial: Trial, symbol: str) -> list[Bar]:
    return trial.bars(symbol)


def _counted(name: str, count: int) -> str:
    return f"{name} · {words.count_of(count, 'alert')}" if count else name


def _table(trial: Trial, names: list[str]) -> None:
    heading, button = st.columns([3, 1], vertical_alignment="bottom")
    shown = trial.found[:ROWS_SHOWN]
    first = f"The first {words.grouped(ROWS_SHOWN)} of " if len(trial.found) > ROWS_SHOWN else ""
    heading.markdown(f"**{first}{words.count_of(len(trial.found), 'alert')}**")
    button.download_button(
        "CSV",
        _csv(trial),
        file_name="backtest.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        width="stretch",
        help="All of them",
    )
    rows = pd.DataFrame(
        {
            "Time (IST)": [_written(it.time_ms, "%-d %b %Y %H:%M:%S") for it in shown],
            "Instrument": [it.symbol for it in shown],
            "Direction": ["▼ down" if it.fired.direction is Direction.DOWN else "▲ up" for it in shown],
            "Price": [texts.rupees(it.fired.price_e4) for it in shown],
            "Reference": [texts.rupees(it.fired.reference_e4) for it in shown],
            "Rule": [_rule(it, names) for it in shown],
        }
    )
    right = {name: st.column_config.TextColumn(alignment="right") for name in ("Price", "Reference")}
    st.dataframe(rows, hide_index=True, height=min(36 * (len(rows) + 1) + 2, 480), column_config=right)


def _rule(it: FoundAlert, names: list[str]) -> str:
    """With the number of what it is compared with."""
    number = f"{it.variant + 1} · " if len(names) > 1 else ""
    return f"{number}{texts.condition(it.rule)}"


@st.cache_data(max_entries=4, show_spinner=False, hash_funcs=_BY_ID)
def _csv(trial: Trial) -> bytes:
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(_COLUMNS)
    for it in trial.found:
        rows.writerow(
            (
                _written(it.time_ms, "%Y-%m-%d %H:%M:%S"),
                f"{it.variant + 1}: {texts.condition(it.rule)}",
                defused(it.symbol),
                it.fired.direction,
                format_price(it.fired.price_e4),
                format_price(it.fired.reference_e4),
            )
        )
    return text.getvalue().encode()


def _began_ms(time_ms: int, step_ms: int) -> int:
    day_ms = day_began_ms(time_ms)
    return day_ms + (time_ms - day_ms) // step_ms * step_ms


def _written(time_ms: int, form: str) -> str:
    return ist(time_ms).strftime(form)


def _year(time_ms: int) -> str:
    return _written(time_ms, "%Y")


def _noun(count: int) -> str:
    return "alert" if count == 1 else "alerts"
