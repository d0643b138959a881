"""Kite's daily instruments dump, read row by row: the SDK's own reader gives up on the first blank column."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping

from stormalert.errors import InputError
from stormalert.model import Instrument
from stormalert.units import parse_price_e4

EXCHANGES = ("NSE", "BSE")
COLUMNS = frozenset(("instrument_token", "tradingsymbol", "name", "tick_size", "lot_size", "segment", "exchange"))


def read_dump(text: str) -> Iterator[Instrument]:
    """Raises InputError when the columns are not Kite's; a row without token or symbol is passed over."""
    rows = csv.DictReader(io.StringIO(text))
    missing = COLUMNS - set(rows.fieldnames or ())
    if missing:
        raise InputError(f"the instruments dump lacks the columns {', '.join(sorted(missing))}")
    for row in rows:
        if instrument := _instrument(row):
            yield instrument


def _instrument(row: Mapping[str, str | None]) -> Instrument | None:
    # A short row has None where its columns end.
    cells = {name: (row.get(name) or "").strip() for name in COLUMNS}
    if not cells["instrument_token"].isdecimal() or not cells["tradingsymbol"] or not cells["exchange"]:
        return None
    try:
        return Instrument(
            token=int(cells["instrument_token"]),
            symbol=f"{cells['exchange']}:{cells['tradingsymbol']}"[:64],
            name=cells["name"][:128],
            segment=cells["segment"][:32],
            tick_size_e4=_tick_size_e4(cells["tick_size"]),
            lot_size=int(cells["lot_size"]) if cells["lot_size"].isdecimal() else 1,
        )
    except ValueError:
        # Out of range: pydantic's ValidationError is one too.
        return None


def underlying_names(text: str) -> frozenset[str]:
    """Names that derivatives of a dump are written on; their stocks have a closing auction."""
    return frozenset(row["name"] for row in csv.DictReader(io.StringIO(text)) if row.get("name"))


def auctioned_tokens(instruments: Iterable[Instrument], underlyings: frozenset[str]) -> frozenset[int]:
    """Stocks of the dump whose tradingsymbol underlies a derivative."""
    return frozenset(row.token for row in instruments if row.symbol.partition(":")[2] in underlyings)


def _tick_size_e4(text: str) -> int:
    try:
        return parse_price_e4(text)
    except InputError:
        # Indices have a tick size of 0.
        return 0
