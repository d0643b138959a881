"""Lists of symbols as people paste them, and what a line is on."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dashboard.rules import entry, subjects
from dashboard.rules.subjects import Subjects, find_all, new_rules, refusal, split
from stormalert.errors import InputError
from stormalert.model import Direction, Instrument, Kind, Repeat
from stormalert.rules.line import UnknownInstrument
from stormalert.store import Store, open_store
from tests.store.records import a_rule, an_instrument

LISTED = {it.symbol: it for it in (an_instrument(1, "NSE:INFY"), an_instrument(2, "NSE:TCS"), an_instrument(3, "NSE:NIFTY 50"))}
CONDITION = {"kind": Kind.DAY, "direction": Direction.UP, "percent_e2": 300, "repeat": Repeat.EVERY}


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        ("", []),
        (" ,;\n", []),
        ("NSE:INFY", ["NSE:INFY"]),
        ("nse:infy, tcs;BSE:M&M\n\nNSE:TCS", ["NSE:INFY", "NSE:TCS", "BSE:M&M"]),
        ("NSE:INFY NSE:NIFTY 50 NSE:TCS", ["NSE:INFY", "NSE:NIFTY 50", "NSE:TCS"]),
        ("NIFTY  50\r\n'TCS'\t\"INFY\"", ["NSE:NIFTY 50", "NSE:TCS", "NSE:INFY"]),
    ],
)
def test_a_pasted_text_is_a_list_of_symbols(text: str, symbols: list[str]) -> None:
    assert split(text) == symbols


def test_each_unknown_symbol_is_named_and_each_instrument_is_there_once() -> None:
    found, unknown = find_all(["NSE:TCS", "NSE:X", "NSE:INFY", "NSE:TCS", "NSE:Y"], LISTED.get)
    assert [it.symbol for it in found] == ["NSE:TCS", "NSE:INFY"]
    assert refusal(unknown) == "Kite lists no instruments NSE:X, NSE:Y; expected exchange and symbol such as NSE:INFY."
    assert refusal([f"NSE:{n}" for n in range(13)]).startswith("Kite lists no instruments NSE:0, NSE:1, ")
    assert "NSE:9 and 3 more;" in refusal([f"NSE:{n}" for n in range(13)])


def test_a_rule_is_made_for_each_instrument_or_one_for_the_watchlist() -> None:
    made = new_rules("u1", Subjects(list(LISTED.values()), []), CONDITION)
    assert [it.symbol for it in made] == list(LISTED) and len({it.id for it in made}) == 3
    (rule,) = new_rules("u1", Subjects([], [], is_watchlist=True), CONDITION)
    assert rule.is_on_watchlist


@pytest.mark.parametrize(
    ("subjects", "said"),
    [
        (Subjects([], []), "Choose an instrument first"),
        (Subjects([LISTED["NSE:TCS"]], ["NSE:X"]), "no instrument NSE:X"),
        (Subjects([LISTED["NSE:TCS"]] * (subjects.MOST + 1), []), "Found 1,001 instruments, expected at most 1,000"),
    ],
)
def test_a_list_that_cannot_be_taken_is_refused(subjects: Subjects, said: str) -> None:
    with pytest.raises(InputError, match=said):
        new_rules("u1", subjects, CONDITION)


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Store]:
    with closing(open_store("", tmp_path / "store.sqlite3")) as store:
        store.save_instruments([*LISTED.values(), Instrument(token=4, symbol="BSE:INFY", name="INFOSYS")])
        yield store


def test_a_line_may_name_several_instruments_and_each_once(market: Store) -> None:
    rules = entry.read("NSE:INFY, nse:nifty 50 day down 3%", market, "u1")
    assert [(it.symbol, it.user, it.kind, it.percent_e2) for it in rules] == [
        ("NSE:INFY", "u1", "day", 300),
        ("NSE:NIFTY 50", "u1", "day", 300),
    ]
    with pytest.raises(InputError, match="found NSE:INFY twice"):
        entry.read("NSE:INFY, NSE:TCS, nse:infy day down 3%", market, "u1")
    with pytest.raises(UnknownInstrument, match="found nothing in the place of an instrument"):
        entry.read("NSE:INFY, day down 3%", market, "u1")


@pytest.mark.parametrize(
    ("symbols", "where"),
    [
        (["NSE:INFY"], "on NSE:INFY. Once."),
        (["NSE:A", "NSE:B"], "on NSE:A, NSE:B. Once. 2 rules."),
        (list("ABCDEFG"), "on A, B, C, D, E and 2 more. Once. 7 rules."),
    ],
)
def test_a_line_is_told_in_words(symbols: list[str], where: str) -> None:
    assert entry.meaning([a_rule(symbol=symbol) for symbol in symbols]) == ("Moves 1.5 % within 5 min", where)


def test_a_line_on_the_watchlist_is_told_in_words() -> None:
    assert entry.meaning([a_rule(token=0)])[1] == "on every instrument of your watchlist. Once."


@pytest.mark.parametrize(
    ("typed", "suggested"),
    [
        ("INFY", ["BSE:INFY", "NSE:INFY"]),
        ("NSE:INFYS", ["BSE:INFY", "NSE:INFY"]),
        ("tc", ["NSE:TCS"]),
        ("QQQ", []),
        ("", []),
    ],
)
def test_what_may_be_meant_begins_as_what_was_typed(market: Store, typed: str, suggested: list[str]) -> None:
    assert entry.suggestions(typed, market) == suggested


def test_examples_are_lines_that_can_be_made(market: Store) -> None:
    for watched in ([], ["NSE:TCS"]):
        for line in entry.examples(watched):
            assert entry.read(line, market, "u1")
