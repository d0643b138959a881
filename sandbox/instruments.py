"""The instruments that the stand-in exchange lists: two indices, the stocks of stocks.csv, and invented ones beyond."""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sandbox.packets import SEGMENTS, divisor

STOCKS = Path(__file__).with_name("stocks.csv")
MAX_STOCKS = 9000
# Exchange tokens made up here lie above those that NSE gave to the known ones.
FIRST_INVENTED_TOKEN = 30_000
COLUMNS = [
    "instrument_token",
    "exchange_token",
    "tradingsymbol",
    "name",
    "last_price",
    "expiry",
    "strike",
    "tick_size",
    "lot_size",
    "instrument_type",
    "segment",
    "exchange",
]
# What recordings call an instrument, where it differs from its trading symbol.
ALIASES = {"NIFTY": "NIFTY 50", "BANKNIFTY": "NIFTY BANK"}


@dataclass(frozen=True)
class Instrument:
    """One row of the exchange's list, with what the generated market needs to know of it."""

    token: int
    symbol: str
    name: str
    sector: str
    base: float
    tick_size: float = 0.05
    exchange: str = "NSE"
    segment: str = "NSE"
    kind: str = "EQ"
    expiry: str = ""
    lot_size: int = 1

    @property
    def key(self) -> str:
        return f"{self.exchange}:{self.symbol}"

    @property
    def is_index(self) -> bool:
        return self.segment == "INDICES"

    @property
    def divisor(self) -> int:
        return divisor(self.token)


INDICES = (
    Instrument(256265, "NIFTY 50", "NIFTY 50", "", 25_900.0, segment="INDICES", lot_size=0),
    Instrument(260105, "NIFTY BANK", "NIFTY BANK", "Bank", 58_800.0, segment="INDICES", lot_size=0),
)
# Their prices have other divisors on the wire than a stock's.
CURRENCIES = (
    Instrument(
        412_675,
        "USDINR26DECFUT",
        "USDINR",
        "Currency",
        89.2,
        0.0025,
        exchange="CDS",
        segment="CDS-FUT",
        kind="FUT",
        expiry="2026-12-29",
    ),
    Instrument(
        275_206,
        "EURINR26DECFUT",
        "EURINR",
        "Currency",
        103.4,
        0.0025,
        exchange="BCD",
        segment="BCD-FUT",
        kind="FUT",
        expiry="2026-12-29",
    ),
)


def listed(stocks: int, with_currencies: bool = False, also: Iterable[str] = ()) -> list[Instrument]:
    """List the indices, so many stocks, and those symbols of `also` (a recording's) that are not there yet."""
    instruments = [*INDICES, *(_known_stocks()[:stocks])]
    instruments += [_invented(number) for number in range(len(instruments) - len(INDICES), stocks)]
    if with_currencies:
        instruments += CURRENCIES
    symbols = {instrument.symbol for instrument in instruments}
    extra = [symbol for symbol in dict.fromkeys(map(trading_symbol, also)) if symbol not in symbols]
    known = {stock.symbol: stock for stock in _known_stocks()} if extra else {}
    for number, symbol in enumerate(extra, start=MAX_STOCKS):
        instruments.append(known.get(symbol) or _stock(number, symbol, symbol, "Other", 1000.0))
    return instruments


def trading_symbol(symbol: str) -> str:
    """Translate a recording's symbol (NIFTY, NSE:INFY) into the exchange's."""
    bare = symbol.removeprefix("NSE:")
    return ALIASES.get(bare, bare)


def as_csv(instruments: Iterable[Instrument], with_blanks: bool = False) -> str:
    """Print the list as Kite's dump does; its real one now and then has rows without strike and last price."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for number, it in enumerate(instruments):
        zero = "" if with_blanks and number % 100 == 99 else "0"
        tick_size = "0" if it.is_index else f"{it.tick_size:g}"
        row = [it.token, it.token >> 8, it.symbol, it.name, zero, it.expiry, zero, tick_size, it.lot_size]
        rows.writerow([*row, it.kind, it.segment, it.exchange])
    return text.getvalue()


def _known_stocks() -> list[Instrument]:
    with STOCKS.open(encoding="utf-8", newline="") as file:
        return [
            _stock(number, row["symbol"], row["name"], row["sector"], float(row["price"]), row["exchange_token"])
            for number, row in enumerate(csv.DictReader(file))
        ]


def _invented(number: int) -> Instrument:
    # Spread over two decades, as prices at an exchange are.
    price = round(40 * 100 ** (number * 0.618 % 1), 2)
    return _stock(number, f"SBX{number:04}", f"SANDBOX INDUSTRIES {number}", f"Sector {number % 12}", price)


def _stock(number: int, symbol: str, name: str, sector: str, price: float, exchange_token: str = "") -> Instrument:
    exchange = int(exchange_token or FIRST_INVENTED_TOKEN + number)
    return Instrument(exchange * 256 + SEGMENTS["nse"], symbol, name, sector, price)
