"""What new rules are on: one instrument, several, or the whole watchlist; and lists of symbols as people paste them."""

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import streamlit as st

from dashboard import instruments, resources
from dashboard.rules import form
from stormalert import words
from stormalert.errors import InputError
from stormalert.model import Instrument, Rule
from stormalert.rules.line import Find

ONE, SEVERAL, WATCHLIST = "One instrument", "Several", "My whole watchlist"
USUAL_EXCHANGE = "NSE"
# Of one list; more come in by CSV.
MOST = 1_000
# Offered for choosing; the rest of a longer watchlist is typed or pasted.
MOST_OFFERED = 500
_NAMED = 10
_LONGEST_TEXT = 40_000
# A symbol may hold a space, NSE:NIFTY 50, so that a space only parts when an exchange follows.
_BETWEEN = re.compile(r"[,;\n\r\t]+|\s+(?=[A-Za-z]+:)")


class Listed(NamedTuple):
    found: list[Instrument]
    unknown: list[str]


class Subjects(NamedTuple):
    """`unknown`: those of a list that no instrument has; `is_watchlist`: whatever the watchlist holds, now and later."""

    instruments: list[Instrument]
    unknown: list[str]
    is_watchlist: bool = False


def split(text: str) -> list[str]:
    """The symbols of a pasted text, each once; without an exchange NSE is meant."""
    parts = (" ".join(part.strip(" '\"").split()) for part in _BETWEEN.split(text))
    return list(dict.fromkeys((part if ":" in part else f"{USUAL_EXCHANGE}:{part}").upper() for part in parts if part))


def find_all(symbols: Iterable[str], find: Find) -> Listed:
    """Each instrument once, in the order of the list."""
    found: dict[int, Instrument] = {}
    unknown: list[str] = []
    for symbol in symbols:
        if instrument := find(symbol):
            found.setdefault(instrument.token, instrument)
        else:
            unknown.append(symbol)
    return Listed(list(found.values()), unknown)


def refusal(unknown: list[str]) -> str:
    """One sentence that names them."""
    noun = "instrument" if len(unknown) == 1 else "instruments"
    return f"Kite lists no {noun} {_named(unknown)}; expected exchange and symbol such as NSE:INFY."


def new_rules(user: str, subjects: Subjects, condition: dict[str, Any]) -> list[Rule]:
    """One for each instrument, or one for the watchlist. Raises InputError."""
    if subjects.is_watchlist:
        return [form.new_watchlist_rule(user, condition)]
    return [form.new_rule(user, each, condition) for each in chosen(subjects)]


def chosen(subjects: Subjects) -> list[Instrument]:
    """The instruments. Raises InputError when there are none, too many, or unknown ones among them."""
    if subjects.unknown:
        raise InputError(refusal(subjects.unknown))
    if not subjects.instruments:
        raise InputError("Choose an instrument first.")
    if len(subjects.instruments) > MOST:
        raise InputError(f"Found {_counted(len(subjects.instruments))}, expected at most {words.grouped(MOST)} at once.")
    return subjects.instruments


def ask(user: str, key: str, offered: tuple[str, ...] = (ONE, SEVERAL, WATCHLIST)) -> Subjects:
    """Draws the fields, and returns what is in them."""
    what = st.segmented_control("On", offered, default=offered[0], required=True, key=f"{key}-on")
    if what == WATCHLIST:
        st.caption(f"{_counted(len(resources.store().watchlist(user)))} now, and whatever you add to it later.")
        return Subjects([], [], is_watchlist=True)
    if what == ONE:
        instrument = instruments.pick(key)
        return Subjects([instrument] if instrument else [], [])
    return _several(user, key)


def _counted(number: int) -> str:
    return words.count_of(number, "instrument")


def _named(symbols: list[str]) -> str:
    more = f" and {words.grouped(len(symbols) - _NAMED)} more" if len(symbols) > _NAMED else ""
    return ", ".join(symbols[:_NAMED]) + more


def _several(user: str, key: str) -> Subjects:
    watched = instruments.symbols(resources.store().watchlist(user)[:MOST_OFFERED])
    picked = st.multiselect(
        "Instruments",
        list(watched.values()),
        key=f"{key}-picked",
        placeholder="Choose from your watchlist, or type another symbol",
        accept_new_options=True,
        select_all=True,
    )
    pasted = st.text_area(
        "Or paste symbols",
        key=f"{key}-pasted",
        max_chars=_LONGEST_TEXT,
        height=90,
        placeholder="NSE:INFY, NSE:TCS",
        help=f"By commas or one a line. Without an exchange {USUAL_EXCHANGE} is meant.",
    )
    found, unknown = find_all(split("\n".join([*picked, pasted or ""])), resources.store().instrument_by_symbol)
    if found or unknown:
        # As text: it is whatever was pasted.
        st.text(f"{_counted(len(found))}{f', unknown: {_named(unknown)}' if unknown else ''}")
    return Subjects(found, unknown)
