"""Backtest: which alerts would rules have given over prices that were recorded?"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import partial

import streamlit as st

from dashboard import backtest_result, instruments, prices, recording, resources, texts, trial, viewer
from dashboard.portable import rules_of
from dashboard.recording import Tell
from dashboard.trial import State, Trial, Variant
from stormalert import rule_line, words
from stormalert.bars import day_began_ms
from stormalert.errors import InputError
from stormalert.model import Instrument, Kind, Rule, RuleState
from stormalert.process import REDIS_ERRORS
from stormalert.units import DAY_MS, IST, MINUTE_MS, now_ms

COMPARED_MAX = 6
_TYPED, _MINE, _ALL = "Typed here", "Some of my rules", "All my rules"
_TODAY, _FILE, _KITE = "Today's minutes", "A file", "Kite's candles"
_LOOK_EVERY_S = 0.5
_USUAL_DAYS = 30
_DOING = {
    State.WAITING: "Waits until another backtest is over",
    State.READING: "Reading the prices",
    State.RUNNING: "Trying the rules",
}


def show() -> None:
    who = viewer.required()
    st.title("Backtest", anchor=False)
    st.caption("Which alerts would these rules have given? The engine that runs live says it, over recorded prices.")
    left, right = st.columns(2, gap="large")
    with left:
        asked_rules = _ask_rules(who.user.id)
    with right:
        asked_prices = _ask_prices()
    if st.button("Run", type="primary", icon=":material/play_arrow:"):
        _run(who.user.id, asked_rules, asked_prices)
    newest = trial.of(who.user.id)
    if newest is None:
        return
    if not newest.state.is_over:
        _progress(who.user.id)
    elif newest.state is State.FAILED:
        st.error(newest.reason.replace("\n", "  \n"), icon=":material/error:")
    elif newest.state is State.CANCELLED:
        st.info("The backtest was cancelled.")
    else:
        backtest_result.show(newest)


# --- what is tried --------------------------------------------------------------------------------------------------------------

# Rules to be compared, and lines of them as they were typed.
AskedRules = tuple[list[Variant], str]


def _ask_rules(user: str) -> AskedRules:
    choice = st.radio("Rules", [_TYPED, _MINE, _ALL], horizontal=True)
    if choice == _TYPED:
        return [], _ask_lines("Rules, one a line", f"{rule_line.EXAMPLE}\nNSE:INFY rolling up 1% 3m", "typed")
    rules = [rule for rule in rules_of(resources.store(), user) if rule.state is not RuleState.DELETED]
    if not rules:
        st.info("You have no rules yet. Type one here, or make some under **Rules**.")
        return [], ""
    if choice == _ALL:
        tried = tuple(rule for rule in rules if rule.state is not RuleState.PAUSED)
        paused = len(rules) - len(tried)
        st.caption(
            f"{_counted(len(tried))}." + (f" {_counted(paused)} more, paused, {_is_or_are(paused)} left out." if paused else "")
        )
        return ([Variant(f"All my rules ({words.grouped(len(tried))})", tried)] if tried else []), ""
    rules.sort(key=lambda rule: (rule.symbol, rule.id))
    chosen = st.multiselect("My rules", rules, format_func=_name, max_selections=COMPARED_MAX, placeholder="Choose up to six")
    lines = _ask_lines("Compare with, one rule a line", rule_line.EXAMPLE, "beside")
    return [Variant(_name(rule), (rule,)) for rule in chosen], lines


def _ask_lines(label: str, example: str, key: str) -> str:
    help_text = (
        "Instrument, kind, percent, and how fast; several lines are compared. `watchlist` in the place of the instrument is all of "
        "your watchlist, or of a file all that is in it."
    )
    return st.text_area(label, placeholder=example, key=f"backtest-{key}", height=110, help=help_text)


def _variants(asked: AskedRules, user: str, is_file: bool) -> list[Variant]:
    """Raises InputError with every line that is wrong."""
    chosen, text = asked
    typed, problems = [], []
    for number, line in enumerate(filter(None, map(str.strip, text.splitlines())), 1):
        try:
            # A condition alone is for all that there is.
            line = f"{rule_line.WATCHLIST_WORD} {line}" if line.split()[0].lower() in tuple(Kind) else line
            rule = rule_line.read(
                line, _in_file if is_file else resources.store().instrument_by_symbol, id=f"line-{number}", user=user
            )
            typed.append(Variant(_name(rule), (rule,)))
        except InputError as error:
            problems.append(f"Line {number}: {error}.")
    if problems:
        raise InputError("  \n".join(problems))
    variants = chosen + typed
    if not variants:
        raise InputError(f"Write a rule first, such as: {rule_line.EXAMPLE}")
    if len(variants) > COMPARED_MAX:
        raise InputError(f"Found {len(variants)} settings, expected at most {COMPARED_MAX} to compare.")
    return variants


def _in_file(symbol: str) -> Instrument:
    """A file's instruments are known by their symbols only."""
    return Instrument(token=1, symbol=recording.symbol_of(symbol))


# --- on which prices ------------------------------------------------------------------------------------------------------------

# Which of them; a file's name and content; the first and the last day.
AskedPrices = tuple[str, tuple[str, bytes] | None, tuple[date, date]]


def _ask_prices() -> AskedPrices:
    choice = st.radio("Prices", [_TODAY, _FILE, _KITE], horizontal=True)
    today = datetime.now(IST).date()
    file, days = None, (today - timedelta(days=_USUAL_DAYS), today)
    if choice == _FILE:
        uploaded = st.file_uploader("CSV file", type=["csv", "txt"], max_upload_size=prices.FILE_MAX_MB)
        st.caption(
            "Ticks: the header `time,symbol,price`, time in epoch milliseconds. Or minutes: "
            "`symbol,YYYYMMDD,HH:MM,open,high,low,close`, HH:MM in IST, when the minute ends. A symbol without an exchange is NSE's."
        )
        file = (uploaded.name, uploaded.getvalue()) if uploaded else None
    elif choice == _KITE:
        first, last = st.columns(2)
        days = (
            first.date_input("From", days[0], max_value=today, format="DD/MM/YYYY"),
            last.date_input("To", days[1], max_value=today, format="DD/MM/YYYY"),
        )
    if choice != _FILE:
        st.caption(
            "A minute is tried as four prices: open, low and high, close. What was between them nobody knows, so live there may be "
            "some more alerts."
        )
    return choice, file, days


def _run(user: str, asked_rules: AskedRules, asked_prices: AskedPrices) -> None:
    choice, file, days = asked_prices
    viewer.required()
    try:
        variants = _variants(asked_rules, user, choice == _FILE)
        made = _of_file(variants, file) if choice == _FILE else _of_instruments(variants, user, choice, days)
        trial.start(user, made)
    except InputError as error:
        st.error(str(error), icon=":material/error:")
        st.stop()
    except REDIS_ERRORS:
        st.error("Redis does not answer; try again in a moment.")
        st.stop()


def _of_file(variants: list[Variant], file: tuple[str, bytes] | None) -> Trial:
    if file is None:
        raise InputError("Choose a file with prices first.")
    name, content = file
    return Trial(variants, partial(prices.of_file, content, name), told=f"the prices of {name}")


def _of_instruments(variants: list[Variant], user: str, choice: str, days: tuple[date, date]) -> Trial:
    rules = [rule for variant in variants for rule in variant.rules]
    watched = instruments.symbols(resources.store().watchlist(user)) if any(rule.is_on_watchlist for rule in rules) else {}
    symbols = watched | {rule.token: rule.symbol for rule in rules if not rule.is_on_watchlist}
    if not symbols:
        raise InputError("Your watchlist is empty; add instruments under Settings, Watchlist.")
    wanted = [Instrument(token=token, symbol=symbol) for token, symbol in symbols.items()]
    if choice == _KITE:
        return _of_candles(variants, wanted, frozenset(watched.values()), days)
    day_ms = prices.newest_day_ms(wanted)
    if day_ms is None:
        raise InputError("There are no minutes of these instruments yet; they come with the feed, while the market is open.")
    return Trial(
        variants,
        partial(prices.of_day, wanted, day_ms),
        told="the minutes of today" if day_ms == day_began_ms() else f"the minutes of {_day(day_ms)}, the last day there is",
        watched=frozenset(watched.values()),
        armed_at_ms=day_ms,
    )


def _of_candles(
    variants: list[Variant], wanted: Sequence[Instrument], watched: frozenset[str], days: tuple[date, date]
) -> Trial:
    first_ms, last_ms = (int(datetime(it.year, it.month, it.day, tzinfo=IST).timestamp()) * 1_000 for it in days)
    if first_ms > last_ms:
        raise InputError(f"The first day must not be after the last; found {_day(first_ms)} and {_day(last_ms)}.")
    to_ms = min(last_ms + DAY_MS - MINUTE_MS, now_ms())
    prices.check_candles(len(wanted), first_ms, to_ms)
    told = f"Kite's minutes from {_day(first_ms)} to {_day(last_ms)}"
    return Trial(variants, partial(prices.of_candles, wanted, first_ms, to_ms), told=told, watched=watched)


# --- how far it is --------------------------------------------------------------------------------------------------------------


@st.fragment(run_every=_LOOK_EVERY_S)
def _progress(user: str) -> None:
    running = trial.of(user)
    if running is None or running.state.is_over:
        st.rerun()
    st.progress(min(running.share, 1.0), text=f"{_DOING[running.state]} · {running.share:.0%}")
    if st.button("Cancel", icon=":material/close:"):
        running.cancel()


def _name(rule: Rule) -> str:
    return f"{rule.symbol}: {texts.condition(rule)}"


def _day(day_ms: int) -> str:
    return f"{datetime.fromtimestamp(day_ms / 1_000, IST):%-d %b %Y}"


def _counted(count: int) -> str:
    return "1 rule" if count == 1 else f"{words.grouped(count)} rules"


def _is_or_are(count: int) -> str:
    return "is" if count == 1 else "are"
