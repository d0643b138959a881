"""The board: the newest quote of every instrument, in wire form, whether a market or a recording wrote it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sandbox.instruments import ListedInstrument, trading_symbol
from sandbox.packets import QUOTE, Quotes


class Board:
    """Quotes by row; a row is the instrument's position in the list."""

    def __init__(self, instruments: Sequence[ListedInstrument]) -> None:
        self.instruments = list(instruments)
        self.quotes: Quotes = np.zeros(len(instruments), QUOTE)
        self.quotes["token"] = [instrument.token for instrument in instruments]
        self.row_of_token = {instrument.token: row for row, instrument in enumerate(instruments)}
        self.row_of_key = {instrument.key: row for row, instrument in enumerate(instruments)}
        # Rows that are traded, but no longer in the dump.
        self.unlisted: set[int] = set()

    def find(self, symbol: str) -> int | None:
        """Find the row of `INFY`, `NSE:INFY`, `NIFTY` or a token written as a number."""
        if symbol.isdigit():
            return self.row_of_token.get(int(symbol))
        return self.row_of_key.get(symbol, self.row_of_key.get(f"NSE:{trading_symbol(symbol)}"))

    def listed(self) -> Iterator[ListedInstrument]:
        return (instrument for row, instrument in enumerate(self.instruments) if row not in self.unlisted)

    def rename(self, row: int, symbol: str) -> None:
        """Give it another trading symbol, under which it is found from now on; the token stays."""
        renamed = replace(self.instruments[row], symbol=symbol)
        del self.row_of_key[self.instruments[row].key]
        self.instruments[row] = renamed
        self.row_of_key[renamed.key] = row

    def rupees(self, row: int, field: str) -> float:
        return round(int(self.quotes[row][field]) / self.instruments[row].divisor, 4)

    def ohlc(self, row: int) -> dict[str, float]:
        return {field: self.rupees(row, field) for field in ("open", "high", "low", "close")}

    def depth(self, row: int) -> dict[str, list[dict[str, Any]]]:
        divisor = self.instruments[row].divisor
        levels = [
            {"price": int(level["price"]) / divisor, "quantity": int(level["quantity"]), "orders": int(level["orders"])}
            for level in self.quotes[row]["depth"]
        ]
        return {"buy": levels[:5], "sell": levels[5:]}
