"""Which rules a backtest tries: typed for it, some that its user has, or all of them."""

from typing import NamedTuple

import streamlit as st

from dashboard import resources, texts
from dashboard.backtest import recording
from dashboard.backtest.trial import RULES_MAX, Variant
from stormalert import words
from stormalert.errors import InputError
from stormalert.model import Instrument, Kind, Rule, RuleFilter, RuleState
from stormalert.rules import line as rule_line

COMPARED_MAX = 6
OFFERED_MAX = 500
_TYPED, _MINE, _ALL = "Typed here", "Some of my rules", "All my rules"


class RulesChoice(NamedTuple):
    choice: str
    chosen: list[Rule]
    # A rule a line.
    text: str


def ask(user: str) -> RulesChoice:
    choice = st.radio("Rules", [_TYPED, _MINE, _ALL], horizontal=True)
    if choice == _TYPED:
        return RulesChoice(
            choice, [], _ask_lines("Rules, one a line", f"{rule_line.EXAMPLE}\nNSE:INFY rolling up 1% 3m", "typed")
        )
    count = resources.store().count_rules(user)
    if not count:
        st.info("You have no rules yet. Type one here, or make some under **Rules**.")
        return RulesChoice(choice, [], "")
    if choice == _ALL:
        paused = resources.store().count_rules(user, RuleFilter(state=RuleState.PAUSED))
        st.caption(
            words.count_of(count - paused, "rule") + (f", without {words.grouped(paused)} that are paused" if paused else "")
        )
        return RulesChoice(choice, [], "")
    chosen = st.multiselect(
        "My rules",
        resources.store().rules_by_symbol(user, limit=OFFERED_MAX),
        format_func=_name,
        max_selections=COMPARED_MAX,
        placeholder="Choose up to six",
    )
    if count > OFFERED_MAX:
        st.caption(f"The first {OFFERED_MAX} of {words.count_of(count, 'rule')} are offered; others can be typed.")
    return RulesChoice(choice, chosen, _ask_lines("Compare with, one rule a line", rule_line.EXAMPLE, "beside"))


def variants(wanted: RulesChoice, user: str, *, is_file: bool) -> list[Variant]:
    """Raises InputError with every line that is wrong."""
    if wanted.choice == _ALL:
        return _all(user)
    found = [Variant(_name(rule, is_file), (rule,)) for rule in [*wanted.chosen, *_typed(wanted.text, user, is_file)]]
    if not found:
        raise InputError(f"Write a rule first, such as: {rule_line.EXAMPLE}")
    if len(found) > COMPARED_MAX:
        raise InputError(f"Found {len(found)} rules, expected at most {COMPARED_MAX} to compare.")
    return found


def _all(user: str) -> list[Variant]:
    known = resources.store().rules_by_symbol(user, limit=RULES_MAX + 1)
    if len(known) > RULES_MAX:
        raise InputError(f"You have more than {words.grouped(RULES_MAX)} rules; choose some of them, or type them.")
    rules = tuple(rule for rule in known if rule.state is not RuleState.PAUSED)
    if not rules:
        raise InputError("All your rules are paused, or there is none.")
    return [Variant(f"All my rules ({words.grouped(len(rules))})", rules)]


def _typed(text: str, user: str, is_file: bool) -> list[Rule]:
    rules, problems = [], []
    find = _of_file if is_file else resources.store().instrument_by_symbol
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        # A condition alone is for all that there is.
        is_bare = line.split()[0].lower() in tuple(Kind)
        try:
            whole = f"{rule_line.WATCHLIST_WORD} {line}" if is_bare else line
            rules.append(rule_line.read(whole, find, id=f"line-{number}", user=user))
        except InputError as error:
            problems.append(f"Line {number}: {error}.")
    if problems:
        raise InputError("\n".join(problems))
    return rules


def _of_file(symbol: str) -> Instrument:
    """A file's instruments are known by their symbols only."""
    return Instrument(token=1, symbol=recording.symbol_of(symbol))


def _ask_lines(label: str, example: str, key: str) -> str:
    help_text = (
        "Instrument, kind, percent, and how fast; several lines are compared. `watchlist` in the place of the instrument is "
        "all of your watchlist, or of a file all that is in it."
    )
    return st.text_area(label, placeholder=example, key=f"backtest-{key}", height=110, help=help_text)


def _name(rule: Rule, is_file: bool = False) -> str:
    subject = "All in the file" if is_file and rule.is_on_watchlist else rule.symbol
    return f"{subject}: {texts.condition(rule)}"
