"""Which prices a backtest runs over: the minutes that ingest keeps, somebody's file, or Kite's candles."""

from collections.abc import Sequence
from datetime import date, timedelta
from functools import partial
from typing import NamedTuple

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from dashboard import instruments, resources
from dashboard.backtest import prices
from dashboard.backtest.trial import Trial, Variant
from stormalert.errors import InputError
from stormalert.market.days import date_of, day_began_ms, ist, midnight_ms
from stormalert.model import Instrument
from stormalert.units import DAY_MS, MINUTE_MS, now_ms

_TODAY, _FILE, _KITE = "Today's minutes", "A file", "Kite's candles"
_USUAL_DAYS = 30


class PricesChoice(NamedTuple):
    choice: str
    file: UploadedFile | None
    first: date
    last: date

    @property
    def is_file(self) -> bool:
        return self.choice == _FILE


def ask() -> PricesChoice:
    choice = st.radio("Prices", [_TODAY, _FILE, _KITE], horizontal=True)
    today = date_of(now_ms())
    file, first, last = None, today - timedelta(days=_USUAL_DAYS), today
    if choice == _FILE:
        file = st.file_uploader("CSV file", type=["csv", "txt"], max_upload_size=prices.FILE_MAX_MB)
        st.caption(
            "Ticks: the header `time,symbol,price`, time in epoch milliseconds. Or minutes: "
            "`symbol,YYYYMMDD,HH:MM,open,high,low,close`, HH:MM in IST, when the minute ends. A symbol without an exchange is "
            "NSE's."
        )
    if choice == _KITE:
        left, right = st.columns(2)
        first = left.date_input("From", first, max_value=today, format="DD/MM/YYYY")
        last = right.date_input("To", last, max_value=today, format="DD/MM/YYYY")
    if choice != _FILE:
        st.caption(
            "A minute is tried as four prices: open, low and high, close. What was between them nobody knows, so live there "
            "may be some more alerts."
        )
    return PricesChoice(choice, file, first, last)


def trial_over(asked: PricesChoice, variants: list[Variant], user: str) -> Trial:
    """Raises InputError when there is nothing to run over, and RedisError."""
    if asked.is_file:
        if asked.file is None:
            raise InputError("Choose a file with prices first.")
        name = asked.file.name
        return Trial(variants, partial(prices.of_file, asked.file.getvalue(), name), told=f"the prices of {name}")
    rules = [rule for variant in variants for rule in variant.rules]
    needs_watchlist = any(rule.is_on_watchlist for rule in rules)
    watched = instruments.symbols(resources.store().watchlist(user)) if needs_watchlist else {}
    symbols = watched | {rule.token: rule.symbol for rule in rules if not rule.is_on_watchlist}
    if not symbols:
        raise InputError("Your watchlist is empty; add instruments under Settings, Watchlist.")
    wanted = [Instrument(token=token, symbol=symbol) for token, symbol in symbols.items()]
    over = _over_candles if asked.choice == _KITE else _over_today
    return over(asked, variants, wanted, frozenset(watched.values()))


def _over_today(_prices: PricesChoice, variants: list[Variant], wanted: Sequence[Instrument], watched: frozenset[str]) -> Trial:
    day_ms = prices.newest_day_ms(wanted)
    if day_ms is None:
        raise InputError("There are no minutes of these instruments yet; they come with the feed, while the market is open.")
    told = "the minutes of today" if day_ms == day_began_ms() else f"the minutes of {_day(day_ms)}, the last day there is"
    return Trial(variants, partial(prices.of_day, wanted, day_ms), told=told, watched=watched, armed_at_ms=day_ms)


def _over_candles(asked: PricesChoice, variants: list[Variant], wanted: Sequence[Instrument], watched: frozenset[str]) -> Trial:
    first_ms, last_ms = (_began_ms(day) for day in (asked.first, asked.last))
    if first_ms > last_ms:
        raise InputError(f"The first day must not be after the last; found {_day(first_ms)} and {_day(last_ms)}.")
    prices.check_candles(len(wanted), first_ms, last_ms)
    read = partial(prices.of_candles, wanted, first_ms, min(last_ms + DAY_MS - MINUTE_MS, now_ms()))
    return Trial(variants, read, told=f"Kite's minutes from {_day(first_ms)} to {_day(last_ms)}", watched=watched)


def _began_ms(day: date) -> int:
    return midnight_ms(day)


def _day(day_ms: int) -> str:
    return f"{ist(day_ms):%-d %b %Y}"
