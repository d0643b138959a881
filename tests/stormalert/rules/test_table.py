import csv
import io
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormalert.model import Instrument, Kind, Rule, RuleState
from stormalert.rules import table as rule_table
from stormalert.rules.condition import STATES, listed
from stormalert.rules.kinds.fields import COOLDOWN
from stormalert.rules.table import COLUMNS, BadRow, BadTable
from stormalert.store import open_store
from stormalert.units import HOUR_MS, MINUTE_MS

from .conditions import conditions

LISTED = {
    it.symbol.casefold(): it
    for it in (
        Instrument(token=408065, symbol="NSE:INFY"),
        Instrument(token=256265, symbol="NSE:NIFTY 50"),
        Instrument(token=519937, symbol="NSE:M&M"),
        Instrument(token=78, symbol='NSE:A,"B" 5'),
    )
}
HEADER = ",".join(COLUMNS)
LIMIT = 10_000


def find(symbol: str) -> Instrument | None:
    return LISTED.get(symbol.casefold())


def export(rules: list[Rule]) -> str:
    return "".join(rule_table.write(rules))


def read(text: str | bytes, known: Mapping[str, Rule] | None = None, limit: int = LIMIT) -> list[Rule]:
    return rule_table.read(text, find, known or {}, "u1", limit)


def refused(text: str | bytes, **options: Any) -> list[BadRow]:
    with pytest.raises(BadTable) as raised:
        read(text, **options)
    assert str(raised.value).startswith(f"line {raised.value.rows[0].line}")
    return raised.value.rows


def a_rule(rule_id: str = "r1", **fields: Any) -> Rule:
    usual = {"id": rule_id, "user": "u1", "token": 408065, "symbol": "NSE:INFY", "kind": "rolling", "direction": "up"}
    return Rule.model_validate(usual | {"percent_e2": 250, "window_ms": 5 * MINUTE_MS} | fields)


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    return Rule(
        id=draw(st.from_regex(r"[A-Za-z0-9_-]{0,63}[A-Za-z_-]", fullmatch=True)),
        user="u1",
        cooldown_ms=draw(st.integers(0, COOLDOWN.most)),
        armed_at_ms=draw(st.just(0) | st.integers(1, 10**14 - 1)),
        state=draw(st.sampled_from(STATES)),
        revision=draw(st.integers(1, 9)),
        updated_ms=draw(st.integers(0, 10**13)),
        **draw(conditions(list(LISTED.values()))),
    )


TABLES = st.lists(rules(), max_size=8, unique_by=lambda rule: rule.id)


def test_a_table_is_what_a_person_would_write() -> None:
    level = {"kind": "level", "price_e4": 14_505_000, "percent_e2": 0, "window_ms": 0}
    table = export(
        [
            a_rule(),
            a_rule("r2", **level, direction="both", repeat="once", armed_at_ms=7, state="paused"),
            a_rule("r3", token=0, symbol="My watchlist", kind="day", window_ms=0, percent_e2=300),
        ]
    )
    assert table == (
        f"{HEADER}\r\n"
        "r1,NSE:INFY,rolling,up,2.5,,5m,every,5m,,active\r\n"
        "r2,NSE:INFY,level,both,,1450.50,,once,1m,7,paused\r\n"
        "r3,watchlist,day,up,3,,,every,8h,,active\r\n"
    )


def test_a_deleted_rule_is_not_written() -> None:
    assert export([a_rule(state="deleted")]) == f"{HEADER}\r\n"


@given(TABLES)
def test_an_export_over_the_same_rules_changes_nothing(exported: list[Rule]) -> None:
    assert read(export(exported), {rule.id: rule for rule in exported}) == []


@given(TABLES, st.booleans())
def test_an_export_into_an_empty_account_makes_rules_of_the_same_export(exported: list[Rule], is_bytes: bool) -> None:
    text = export(exported)
    made = read(text.encode() if is_bytes else text)
    assert made == [rule.model_copy(update={"revision": 0, "updated_ms": 0}) for rule in exported]
    assert export(made) == text


@given(st.lists(st.tuples(rules(), rules()), max_size=5, unique_by=lambda pair: pair[0].id))
def test_a_changed_row_is_the_next_version_of_the_rule_it_names(pairs: list[tuple[Rule, Rule]]) -> None:
    known = {rule.id: rule for rule, _ in pairs}
    stored = ("id", "revision", "updated_ms")
    changed = [new.model_copy(update={name: getattr(old, name) for name in stored}) for old, new in pairs]
    assert read(export(changed), known) == [rule for rule in changed if rule != known[rule.id]]


@given(st.text(st.sampled_from("=+-@'\t\r\na \",;"), max_size=6))
def test_no_cell_begins_as_a_formula_and_each_is_told_from_every_other(cell: str) -> None:
    written = rule_table.defused(cell)
    assert not written.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert rule_table._plain(written) == cell


def test_an_id_that_looks_like_a_formula_is_written_as_text() -> None:
    rule = a_rule("-1-1")
    (_, row) = csv.reader(io.StringIO(export([rule]), newline=""))
    assert row[0] == "'-1-1"
    assert read(export([rule]), {rule.id: rule}) == []


def test_a_symbol_that_looks_like_a_formula_is_written_as_text() -> None:
    rules = [a_rule("a", symbol='=HYPERLINK("x")'), a_rule("b", symbol="'@x"), a_rule("c", symbol="\t=1")]
    table = list(csv.reader(io.StringIO(export(rules), newline="")))
    assert [row[1] for row in table[1:]] == ['\'=HYPERLINK("x")', "''@x", "'\t=1"]
    assert read(export(rules), {rule.id: rule for rule in rules}) == []


def test_only_symbol_kind_and_amount_have_to_be_there() -> None:
    (rolling, level) = read('Kind, symbol ,percent,price,window\nrolling,nse:infy,2%,,300 s\nLEVEL,NSE:M&M,,"₹12,500.05",\n')
    usual = {"direction": "both", "repeat": "every", "state": "active", "armed_at_ms": 0, "revision": 0, "updated_ms": 0}
    assert usual.items() <= rolling.model_dump().items()
    assert (rolling.symbol, rolling.percent_e2, rolling.window_ms, rolling.cooldown_ms) == ("NSE:INFY", 200, 300_000, 300_000)
    assert (level.token, level.price_e4, level.cooldown_ms) == (519937, 125_000_500, MINUTE_MS)
    assert len({rolling.id, level.id, ""}) == 3
    (day,) = read("symbol,kind,percent,cooldown\nwatchlist,day,1,\n")
    assert (day.token, day.symbol, day.cooldown_ms) == (0, "My watchlist", 8 * HOUR_MS)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_what_spreadsheets_save_is_read(end: str, mark: str) -> None:
    text = mark + end.join(["symbol,kind,percent", "NSE:INFY,day,1", "", ",,", "watchlist,day,2"])
    for table in (text, text.encode()):
        assert [rule.percent_e2 for rule in read(table)] == [100, 200]


def test_a_deleted_rule_comes_back_by_its_row() -> None:
    rule = a_rule(revision=4, state="deleted")
    assert read(export([a_rule()]), {"r1": rule}) == [rule.model_copy(update={"state": RuleState.ACTIVE})]


def test_an_export_restores_what_was_changed_and_deleted_since(tmp_path: Path) -> None:
    store = open_store("", tmp_path / "store.sqlite3")
    saved = store.save_rules([a_rule(f"r{number}") for number in range(4)])
    table = export(saved)
    store.save_rules(
        [saved[1].model_copy(update={"state": RuleState.DELETED}), saved[2].model_copy(update={"percent_e2": 900})]
    )
    restored = store.save_rules(read(table, {rule.id: rule for rule in store.rules_changed(0)}))
    assert [rule.id for rule in restored] == ["r1", "r2"]
    assert export(sorted(store.rules_of("u1"), key=lambda rule: rule.id)) == table
    store.close()


def test_a_refused_table_is_said_in_one_sentence() -> None:
    with pytest.raises(BadTable) as raised:
        read("symbol,kind,percent\nNSE:INFY,day,0\nNSE:INFY,,1\nNSE:INFI,day,1\n")
    expected = "expected above 0 and at most 1000"
    assert str(raised.value) == f"line 2, percent: found '0', {expected}; and 2 more"
    assert str(raised.value.rows[1]) == f"line 3, kind: found nothing, expected {listed(tuple(Kind))}"


def test_a_known_rule_on_what_kite_lists_no_more_is_still_known() -> None:
    rule = a_rule(symbol="NFO:INFY25FEBFUT", token=9, revision=2)
    assert read(export([rule]), {"r1": rule}) == []
    (paused,) = read(export([rule.model_copy(update={"state": RuleState.PAUSED})]), {"r1": rule})
    assert (paused.token, paused.symbol, paused.revision) == (9, "NFO:INFY25FEBFUT", 2)
    assert [bad.column for bad in refused(export([rule]))] == ["symbol"]


GOOD = ("r1", "NSE:INFY", "rolling", "up", "2", "", "5m", "every", "", "", "active")
LEVEL = {"kind": "level", "percent": "", "price": "1500", "window": ""}


@pytest.mark.parametrize(
    ("cells", "column", "expected"),
    [
        ({"id": "a b"}, "id", "letters, digits"),
        ({"id": "x" * 65}, "id", "at most 64"),
        ({"id": "ok"}, "id", "line 2 has it already"),
        ({"symbol": ""}, "symbol", "that Kite lists"),
        ({"symbol": "INFY"}, "symbol", "such as NSE:INFY"),
        ({"symbol": "NSE:INFI"}, "symbol", "that Kite lists"),
        ({"symbol": "NSE:\0"}, "symbol", "NUL"),
        ({"symbol": "NSE:" + "x" * 200}, "symbol", "at most 128 characters, not 204"),
        ({"kind": ""}, "kind", "rolling, trailing, "),
        ({"kind": "falling"}, "kind", "rolling, trailing, "),
        ({"direction": "left"}, "direction", "up, down or both"),
        ({"percent": "'-2"}, "percent", "above 0"),
        ({"percent": "1e3"}, "percent", "a decimal number"),
        ({"percent": "٢"}, "percent", "a decimal number"),
        ({"window": "soon"}, "window", "such as 300s, 5m"),
        (LEVEL | {"price": "1500,50"}, "price", "such as 1500.50"),
        (LEVEL | {"symbol": "Watchlist"}, "symbol", "not on a watchlist"),
        ({"repeat": "twice"}, "repeat", "once or every"),
        ({"armed_at": "noon"}, "armed_at", "epoch milliseconds"),
        ({"armed_at": "1" * 15}, "armed_at", "epoch milliseconds"),
        ({"state": "deleted"}, "state", "active, paused or spent"),
    ],
)
def test_a_bad_cell_is_told_with_its_line_what_was_found_and_what_was_expected(
    cells: dict[str, str], column: str, expected: str
) -> None:
    table = io.StringIO()
    row = dict(zip(COLUMNS, GOOD, strict=True)) | cells
    csv.writer(table).writerows([COLUMNS, ("ok", *GOOD[1:]), [row[name] for name in COLUMNS]])
    (bad,) = refused(table.getvalue())
    assert (bad.line, bad.column) == (3, column)
    assert bad.found == (row[column].removeprefix("'") if len(row[column]) <= 80 else row[column][:79] + "…")
    assert expected in bad.expected


def test_each_bad_cell_of_a_row_is_told() -> None:
    bad = refused(f"{HEADER}\n*,X,rolling,left,x,5,5,twice,x,x,x\n")
    assert [row.column for row in bad] == [column for column in COLUMNS if column != "kind"]
    assert {row.line for row in bad} == {2}
    bad = refused(f"{HEADER}\n,NSE:INFY,falls,,x,y,z,,,,\n")
    assert [row.column for row in bad] == ["kind", "percent", "price", "window"]


def test_lines_are_those_of_the_file() -> None:
    text = 'symbol,kind,percent\n\n"NSE:\nINFY",day,1\r\nNSE:INFY,day,0\n,,\nNSE:INFY,"day\n\n\n",1\nNSE:INFI,day,1'
    assert [(bad.line, bad.column) for bad in refused(text)] == [(3, "symbol"), (5, "percent"), (11, "symbol")]


@pytest.mark.parametrize(
    ("text", "bad"),
    [
        ("", [("symbol", ""), ("kind", "")]),
        ("symbol,percent\n", [("kind", "")]),
        ("symbol,kind,colour,Symbol\n", [("colour", "colour"), ("symbol", "symbol")]),
        ("symbol;kind;percent\nx", [("symbol;kind;percent",) * 2, ("symbol", ""), ("kind", "")]),
    ],
)
def test_a_wrong_header_is_told_column_by_column(text: str, bad: list[tuple[str, str]]) -> None:
    assert [(row.line, row.column, row.found) for row in refused(text)] == [(1, *each) for each in bad]


@pytest.mark.parametrize(
    ("text", "line", "found"),
    [
        ("symbol,kind\nNSE:INFY,day,1\nNSE:INFI\n", 2, "3 cells"),
        ('symbol,kind\n"NSE:INFY"x,day\n', 2, '"NSE:INFY"x,day'),
        ('symbol,kind\n"NSE:INFY,day\nNSE:INFY,day\n', 2, '"NSE:INFY,day'),
        (f"symbol,kind\n{'x' * 131_073},day\n", 2, "x" * 79 + "…"),
        (b"symbol,kind\nNSE:\xff,day\n", 2, r"b'\xff'"),
        (b"\xef\xbb\xbfsymbol,kind\n\nNSE:\xe2\x82", 3, r"b'\xe2\x82'"),
        ("symbol,kind\nNSE:\ud800,day\n", 2, r"b'\xed'"),
        ("symbol,kind\n".encode("utf-16"), 1, r"b'\xff'"),
    ],
)
def test_a_row_that_is_none_is_told_with_its_line(text: str | bytes, line: int, found: str) -> None:
    bad = refused(text)[0]
    assert (bad.line, bad.column, bad.found) == (line, "", found)


def test_rows_behind_a_broken_one_are_read() -> None:
    bad = refused(f'symbol,kind\n"NSE:INFY"x,day\n{"x" * 131_073},day\nNSE:INFI,falls\n')
    assert [(row.line, row.column) for row in bad] == [(2, ""), (3, ""), (4, "symbol"), (4, "kind")]


def test_more_rows_than_the_limit_are_refused() -> None:
    text = "symbol,kind,percent\n" + "NSE:INFY,day,1\n\n" * 3
    assert len(read(text, limit=3)) == 3
    assert refused(text, limit=2) == [BadRow(6, "", "more than 2 rows", "at most 2")]


def test_all_bad_rows_of_ten_thousand_are_told_and_each_symbol_is_looked_up_once() -> None:
    asked: Counter[str] = Counter()

    def counted(symbol: str) -> Instrument | None:
        asked[symbol] += 1
        return None if symbol.endswith("7") else Instrument(token=1 + int(symbol[4:]), symbol=symbol)

    rows = [f"NSE:{place % 500},day,{'much' if place % 100 == 99 else 1}" for place in range(10_000)]
    with pytest.raises(BadTable) as raised:
        rule_table.read("\n".join(["symbol,kind,percent", *rows]), counted, {}, "u1", LIMIT)
    columns = Counter(bad.column for bad in raised.value.rows)
    assert columns == {"percent": 100, "symbol": 1_000}
    assert [bad.line for bad in raised.value.rows if bad.column == "percent"] == list(range(101, 10_002, 100))
    assert asked == Counter(f"NSE:{number}" for number in range(500))


@given(st.binary(max_size=200) | st.text(max_size=200) | st.text(st.sampled_from("symbolkind,\r\n\"'=x"), max_size=60))
def test_whatever_is_sent_is_read_or_refused(sent: str | bytes) -> None:
    for text in (sent, (HEADER.encode() + b"\n" + sent) if isinstance(sent, bytes) else f"{HEADER}\n{sent}"):
        try:
            assert all(isinstance(rule, Rule) for rule in read(text))
        except BadTable as error:
            assert all(len(bad.found) <= 80 and len(bad.column) <= 80 for bad in error.rows)


def test_a_new_rule_cannot_be_called_as_a_part_of_a_watchlists_rule() -> None:
    table = "id,symbol,kind,percent\nr1_408065,NSE:INFY,trailing,1\n"
    with pytest.raises(BadTable) as refused:
        rule_table.read(table, find, {}, "u1", 10)
    assert [(row.line, row.column, row.found) for row in refused.value.rows] == [(2, "id", "r1_408065")]
    known = a_rule("r1_408065")
    assert [rule.id for rule in rule_table.read(table, find, {known.id: known}, "u1", 10)] == [known.id]
