"""The CSV files of `python -m evaluator replay`: ticks and rules in, alerts out. Pure but for the files themselves."""

import csv
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

from stormalert.errors import InputError
from stormalert.model import Kind, Rule, Tick
from stormalert.rules.condition import BadCondition, made
from stormalert.rules.condition import read as read_condition
from stormalert.units import parse_epoch_ms, parse_price_e4

TICK_COLUMNS = ("time", "symbol", "price")
RULE_COLUMNS = ("id", "symbol", "kind", "direction", "percent", "window", "repeat", "cooldown", "armed_at")
ALERT_COLUMNS = ("time", "rule", "symbol", "direction", "price", "reference")

# With this column beside them there may be rules of the other kinds too; without it the list is closed.
PRICE_COLUMN = "price"
KINDS_WITHOUT_PRICE = (Kind.ROLLING, Kind.TRAILING)

# More than this is the wrong file rather than a bad row.
PROBLEMS_MAX = 50

Row = dict[str, str]
Parsed = TypeVar("Parsed")


class BadRows(InputError):
    """Rows that were refused; `problems` has a sentence with file and line for each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))


class Market(NamedTuple):
    """Ticks in order of arrival; a symbol's token is its place in `symbols`, from 1."""

    symbols: tuple[str, ...]
    ticks: list[Tick]


def read_market(path: Path) -> Market:
    """Raises BadRows, or InputError when the file cannot be read as CSV."""
    tokens: dict[str, int] = {}

    def parse(row: Row) -> Tick:
        symbol = _symbol(row)
        return Tick(
            tokens.setdefault(symbol, len(tokens) + 1), parse_price_e4(row["price"]), parse_epoch_ms(row["time"], "time")
        )

    ticks = _parse_rows(path, TICK_COLUMNS, parse)
    return Market(tuple(tokens), ticks)


def read_rules(path: Path, symbols: Iterable[str]) -> dict[str, Rule]:
    """Rules by their id in the file. Inside they are numbered in the order of these ids, which is also the order in which the
    engine reports rules that fire on one tick. A symbol without ticks gets a token of its own.

    Raises BadRows, or InputError when the file cannot be read as CSV.
    """
    tokens = {symbol: token for token, symbol in enumerate(symbols, 1)}
    seen: set[str] = set()

    def parse(row: Row) -> tuple[str, Row]:
        name = row["id"].strip()
        if not name:
            raise InputError("id is empty")
        if name in seen:
            raise InputError(f"id {name!r} stands in an earlier row")
        seen.add(name)
        token = tokens.setdefault(_symbol(row), len(tokens) + 1)
        rule(row, "check", token)
        return name, row

    def rule(row: Row, inner_id: str, token: int) -> Rule:
        fields = read_condition(row, tuple(Kind) if PRICE_COLUMN in row else KINDS_WITHOUT_PRICE)
        own = {"id": inner_id, "user": "replay", "token": token, "symbol": row["symbol"].strip(), "revision": 1}
        return made(fields | own)

    rows = dict(_parse_rows(path, RULE_COLUMNS, parse, PRICE_COLUMN))
    return {name: rule(rows[name], f"{place:09d}", tokens[_symbol(rows[name])]) for place, name in enumerate(sorted(rows))}


def write_alerts(path: Path, rows: Iterable[tuple[str, ...]]) -> int:
    """Returns how many were written. Raises InputError when the file cannot be written."""
    count = 0
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(ALERT_COLUMNS)
            for row in rows:
                writer.writerow(row)
                count += 1
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    return count


def _parse_rows(path: Path, columns: tuple[str, ...], parse: Callable[[Row], Parsed], optional: str = "") -> list[Parsed]:
    """`optional`: a column that may be there too."""
    parsed: list[Parsed] = []
    problems: list[str] = []
    for line, row in _rows(path, columns, optional):
        try:
            parsed.append(parse(_complete(row)))
        except BadCondition as bad:
            problems.extend(f"{path}:{line}: {it.error}" for it in bad.problems)
        except InputError as error:
            problems.append(f"{path}:{line}: {error}")
        if len(problems) >= PROBLEMS_MAX:
            problems.append(f"{path}: more bad rows were not read")
            break
    if problems:
        raise BadRows(problems)
    return parsed


def _rows(path: Path, columns: tuple[str, ...], optional: str) -> Iterator[tuple[int, Row]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restkey="", strict=True)
            names = sorted(name.strip() for name in reader.fieldnames or ())
            if names != sorted(columns) and not (optional and names == sorted((*columns, optional))):
                found = ",".join(reader.fieldnames or ())
                raise InputError(f"{path}:1: the header must be {','.join(columns)}, was {found!r}")
            reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
            for row in reader:
                yield reader.line_num, row
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a CSV file in UTF-8: {error}") from None


def _complete(row: Row) -> Row:
    further = row.pop("", ())
    missing = [name for name in row if row.get(name) is None]
    if missing or further:
        raise InputError(f"a row has {len(row)} columns, this one has {len(row) - len(missing) + len(further)}")
    return row


def _symbol(row: Row) -> str:
    symbol = row["symbol"].strip()
    if not symbol:
        raise InputError("symbol is empty")
    return symbol
