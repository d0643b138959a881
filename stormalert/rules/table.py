"""A user's rules as a table in CSV, for spreadsheets and backups: a row for each rule, its cells in the words of a rule's line.

What is written is read back as it was. A bad cell never hides another one: all are told, and then nothing is taken over.
"""

import csv
import functools
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from stormalert.access.security import new_id
from stormalert.errors import InputError
from stormalert.model import Id, Rule, RuleState
from stormalert.rules.condition import BadCondition, made
from stormalert.rules.condition import read as read_condition
from stormalert.rules.line import WATCHLIST, WATCHLIST_WORD, Find, find_instrument, is_watchlist
from stormalert.units import format_price, short_duration, short_percent

COLUMNS = ("id", "symbol", "kind", "direction", "percent", "price", "window", "repeat", "cooldown", "armed_at", "state")
REQUIRED = ("symbol", "kind")
# Longer than any id or symbol.
CELL_MAX = 128
SHOWN_MAX = 80
# How a spreadsheet tells a formula from a text.
FORMULA = ("=", "+", "-", "@", "\t", "\r")

_ID: TypeAdapter[str] = TypeAdapter(Id)
# As Rule.on spells them: somebody else's rule could be one of them.
_PART = re.compile(r"_[0-9]+$")


class BadRow(NamedTuple):
    """`line` is the file's, from 1, where the row begins; `column` is empty when it is about the whole row or file."""

    line: int
    column: str
    found: str
    expected: str

    def __str__(self) -> str:
        place = f"line {self.line}, {self.column}" if self.column else f"line {self.line}"
        return f"{place}: found {repr(self.found) if self.found else 'nothing'}, expected {self.expected}"


class BadTable(InputError):
    """A table that was refused as a whole; `rows` has one entry for each bad cell, in the order of the file."""

    def __init__(self, rows: list[BadRow]) -> None:
        super().__init__(str(rows[0]) + (f"; and {len(rows) - 1} more" if len(rows) > 1 else ""))
        self.rows = rows


def write(rules: Iterable[Rule]) -> Iterator[str]:
    """The table in lines, the header first; deleted rules are left out. RFC 4180, to be encoded in UTF-8."""
    writer = csv.writer(_Lines(), lineterminator="\r\n")
    yield writer.writerow(COLUMNS)
    for rule in rules:
        if rule.state is not RuleState.DELETED:
            yield writer.writerow([defused(cell) for cell in _cells(rule)])


def read(text: str | bytes, find: Find, known: Mapping[str, Rule], user: str, limit: int) -> list[Rule]:
    """The rules that have to be saved, in the order of the file: new ones (revision 0) and changed versions of known ones.

    `known` has the user's own rules by id. A deleted one comes back by its row, if it is among them; else the store refuses the
    row's id, which is still taken. Columns may have any order. One that is missing, as well as an empty cell, means a default,
    also for a known rule: both, every, the usual cooldown, no armed_at, active, a new id. `find` is asked once for each symbol,
    and not for the one that a known rule has already. Raises BadTable, also when there are more than `limit` rows.
    """
    table = _TableReader(functools.cache(find), known, user)
    for row in _rows(text, limit, table.bad):
        table.take(row)
    if table.bad:
        raise BadTable(table.bad)
    return table.rules


class _Lines:
    """What the csv module takes for a file; each line goes to whoever writes it."""

    def write(self, line: str) -> str:
        return line


def _cells(rule: Rule) -> tuple[str, ...]:
    return (
        rule.id,
        _subject(rule),
        rule.kind,
        rule.direction,
        short_percent(rule.percent_e2) if rule.percent_e2 else "",
        format_price(rule.price_e4) if rule.price_e4 else "",
        short_duration(rule.window_ms) if rule.window_ms else "",
        rule.repeat,
        short_duration(rule.cooldown_ms),
        str(rule.armed_at_ms) if rule.armed_at_ms else "",
        rule.state,
    )


def _subject(rule: Rule) -> str:
    return WATCHLIST_WORD if rule.is_on_watchlist else rule.symbol


def defused(cell: str) -> str:
    """So that no spreadsheet takes it for a formula; an apostrophe of its own is doubled, to be told from this one."""
    return f"'{cell}" if cell.startswith((*FORMULA, "'")) else cell


def _plain(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith((*FORMULA, "'")) else cell


class _TableRow:
    """The cells of one row by column. A bad one is noted, and the next one is looked at all the same."""

    def __init__(self, line: int, cells: Mapping[str, str], bad: list[BadRow]) -> None:
        self.line = line
        self.cells = cells
        self._bad = bad

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "")

    def refuse(self, column: str, expected: str) -> None:
        self._bad.append(_bad(self.line, column, self[column], expected))

    def is_sound(self) -> bool:
        """Whether each cell is a text that can be looked at any further."""
        for column, cell in self.cells.items():
            if "\0" in cell:
                self.refuse(column, "a text without a NUL character")
            elif len(cell) > CELL_MAX:
                self.refuse(column, f"at most {CELL_MAX} characters, not {len(cell)}")
        return not self._bad or self._bad[-1].line != self.line


class _TableReader:
    def __init__(self, find: Find, known: Mapping[str, Rule], user: str) -> None:
        self.rules: list[Rule] = []
        self.bad: list[BadRow] = []
        self._find = find
        self._known = known
        self._user = user
        self._line_of: dict[str, int] = {}

    def take(self, row: _TableRow) -> None:
        count = len(self.bad)
        known = self._known.get(row["id"])
        self._check_id(row)
        fields = self._subject(row, known) | _condition(row)
        if len(self.bad) > count:
            return
        own = {"id": row["id"] or new_id(), "user": self._user}
        stored = {"revision": known.revision, "updated_ms": known.updated_ms} if known else {}
        try:
            rule = made(own | stored | fields)
        except InputError as error:
            # The model has the last word on what a rule is.
            self.bad.append(_bad(row.line, "", row["id"], str(error)))
            return
        if rule != known:
            self.rules.append(rule)

    def _check_id(self, row: _TableRow) -> None:
        if not row["id"]:
            return
        try:
            _ID.validate_python(row["id"])
        except ValidationError:
            row.refuse("id", "at most 64 letters, digits, _ and -, or nothing for a new rule")
            return
        if _PART.search(row["id"]) and row["id"] not in self._known:
            row.refuse("id", "no _ and digits at its end: so the parts of a watchlist's rule are called")
            return
        first = self._line_of.setdefault(row["id"], row.line)
        if first != row.line:
            row.refuse("id", f"an id of its own, line {first} has it already")

    def _subject(self, row: _TableRow, known: Rule | None) -> dict[str, Any]:
        if known and _subject(known) == row["symbol"]:
            # Kite may have ceased to list it.
            return {"token": known.token, "symbol": known.symbol}
        if is_watchlist(row["symbol"]):
            return {"token": 0, "symbol": WATCHLIST}
        try:
            instrument = find_instrument(row["symbol"], self._find)
        except InputError:
            row.refuse("symbol", f"an instrument that Kite lists, such as NSE:INFY, or {WATCHLIST_WORD}")
            return {}
        return {"token": instrument.token, "symbol": instrument.symbol}


def _condition(row: _TableRow) -> dict[str, Any]:
    try:
        return read_condition(row.cells, is_on_watchlist=is_watchlist(row["symbol"]))
    except BadCondition as bad:
        for problem in bad.problems:
            row.refuse(problem.field, problem.error.expected)
        return {}


def _rows(text: str | bytes, limit: int, bad: list[BadRow]) -> Iterator[_TableRow]:
    """Those that can be looked at; what is wrong with the others is noted."""
    header: list[str] = []
    count = 0
    for line, cells in _records(text, bad):
        if not header:
            header = [cell.strip().lower() for cell in cells]
            if problems := _header_problems(line, header):
                bad += problems
                return
            continue
        if not any(cell.strip() for cell in cells):
            # Spreadsheets leave such rows behind.
            continue
        count += 1
        if count > limit:
            bad.append(_bad(line, "", f"more than {limit} rows", f"at most {limit}"))
            return
        if len(cells) != len(header):
            bad.append(_bad(line, "", f"{len(cells)} cells", f"{len(header)}, as many as the header has"))
            continue
        row = _TableRow(line, dict(zip(header, (_plain(cell.strip()) for cell in cells), strict=True)), bad)
        if row.is_sound():
            yield row
    if not header and not bad:
        bad += _header_problems(1, header)


def _header_problems(line: int, header: list[str]) -> list[BadRow]:
    known = f"the columns {', '.join(COLUMNS)}"
    problems = [_bad(line, name, name, f"only {known}") for name in header if name not in COLUMNS]
    problems += [_bad(line, name, name, "each column once") for name in COLUMNS if header.count(name) > 1]
    return problems + [
        _bad(line, name, "", f"a header with this column, of {known}") for name in REQUIRED if name not in header
    ]


def _records(text: str | bytes, bad: list[BadRow]) -> Iterator[tuple[int, list[str]]]:
    """The rows with the line on which each begins; empty lines are left out."""
    lines = io.StringIO(_decoded(text), newline="").readlines()
    reader = csv.reader(lines, strict=True)
    while reader.line_num < len(lines):
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except csv.Error as error:
            bad.append(_bad(line, "", lines[line - 1].strip(), f"cells as CSV has them ({error})"))
            if reader.line_num > line:
                # A quote that is not closed: where the next row begins is not known any more.
                return
            continue
        if cells:
            yield line, cells


def _decoded(text: str | bytes) -> str:
    # Text that came as such may hold half a character as well.
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # The error counts from behind the byte order mark.
        line = error.object[: error.start].count(b"\n") + 1
        raise BadTable([_bad(line, "", repr(error.object[error.start : error.end]), "a file in UTF-8")]) from None


def _bad(line: int, column: str, found: str, expected: str) -> BadRow:
    return BadRow(line, _shown(column), _shown(found), expected)


def _shown(text: str) -> str:
    return text if len(text) <= SHOWN_MAX else f"{text[: SHOWN_MAX - 1]}…"
