"""The instruments that the stand-in exchange lists: indices, the stocks of stocks.csv, and invented ones beyond.

Other segments follow from the stocks: the same stock at BSE and its futures at NFO move as it does; currencies are their own.
"""

import csv
import io
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

from sandbox.packets import SEGMENTS, divisor

STOCKS = Path(__file__).with_name("stocks.csv")
MAX_STOCKS = 9000
# Exchange tokens made up here lie above those that NSE gave to the known ones.
FIRST_INVENTED_TOKEN = 30_000
FIRST_TOKENS = {"bse": 500_000, "nfo": 40_000, "cds": 5_000, "bcd": 5_000}
FIRST_EXPIRY = (2026, 12)
FUTURES_MONTHS, CURRENCY_MONTHS = 3, 12
CARRY_A_MONTH = 0.005
CURRENCY_BASES = {"USDINR": 89.2, "EURINR": 103.4, "GBPINR": 117.6, "JPYINR": 57.4}
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
class ListedInstrument:
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
    # The token of the instrument whose moves it copies; 0: its own.
    follows: int = 0

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
    ListedInstrument(256265, "NIFTY 50", "NIFTY 50", "", 25_900.0, segment="INDICES", lot_size=0),
    ListedInstrument(260105, "NIFTY BANK", "NIFTY BANK", "Bank", 58_800.0, segment="INDICES", lot_size=0),
)
SENSEX = ListedInstrument(265, "SENSEX", "SENSEX", "", 84_600.0, exchange="BSE", segment="INDICES", lot_size=0)
# Their prices have other divisors on the wire than a stock's.
CURRENCIES = (
    ListedInstrument(
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
    ListedInstrument(
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


def listed(
    stocks: int, with_currencies: bool = False, also: Iterable[str] = (), segments: Iterable[str] = ("nse",)
) -> list[ListedInstrument]:
    """List the indices, so many others, dealt to the segments in turn, and those symbols of `also` (a recording's) that are not
    there yet.
    """
    segments = tuple(segments)
    instruments = [*INDICES, *([SENSEX] if "bse" in segments else [])]
    instruments += itertools.islice(_in_turn([_SEGMENTS[segment]() for segment in segments]), stocks)
    keys = {instrument.key for instrument in instruments}
    if with_currencies:
        instruments += [currency for currency in CURRENCIES if currency.key not in keys]
    extra = [symbol for symbol in dict.fromkeys(map(trading_symbol, also)) if f"NSE:{symbol}" not in keys]
    known = {stock.symbol: stock for stock in _known_stocks()} if extra else {}
    for number, symbol in enumerate(extra, start=MAX_STOCKS):
        instruments.append(known.get(symbol) or _stock(number, symbol, symbol, "Other", 1000.0))
    return instruments


def trading_symbol(symbol: str) -> str:
    """Translate a recording's symbol (NIFTY, NSE:INFY) into the exchange's."""
    bare = symbol.removeprefix("NSE:")
    return ALIASES.get(bare, bare)


def as_csv(instruments: Iterable[ListedInstrument], with_blanks: bool = False) -> str:
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


def _known_stocks() -> list[ListedInstrument]:
    with STOCKS.open(encoding="utf-8", newline="") as file:
        return [
            _stock(number, row["symbol"], row["name"], row["sector"], float(row["price"]), row["exchange_token"])
            for number, row in enumerate(csv.DictReader(file))
        ]


def _in_turn(segments: list[Iterator[ListedInstrument]]) -> Iterator[ListedInstrument]:
    """One of each, until all have ended."""
    while segments:
        for segment in list(segments):
            instrument = next(segment, None)
            if instrument is None:
                segments.remove(segment)
            else:
                yield instrument


def _nse() -> Iterator[ListedInstrument]:
    known = _known_stocks()
    yield from known
    yield from (_invented(number) for number in range(len(known), MAX_STOCKS))


def _bse() -> Iterator[ListedInstrument]:
    for number, stock in enumerate(_nse()):
        token = _token("bse", number)
        yield replace(stock, token=token, exchange="BSE", segment="BSE", follows=stock.token)


def _nfo() -> Iterator[ListedInstrument]:
    for number, (stock, month) in enumerate(itertools.product(_known_stocks(), range(FUTURES_MONTHS))):
        base = round(stock.base * (1 + CARRY_A_MONTH * (month + 1)), 2)
        future = _future(_token("nfo", number), stock.symbol, month, base, "NFO", lot_size=max(round(500_000 / base), 1))
        yield replace(future, sector=stock.sector, follows=stock.token)


def _currencies(segment: str) -> Iterator[ListedInstrument]:
    exchange = segment.upper()
    known = {currency.symbol: currency for currency in CURRENCIES if currency.exchange == exchange}
    for number, (month, (pair, base)) in enumerate(itertools.product(range(CURRENCY_MONTHS), CURRENCY_BASES.items())):
        future = _future(_token(segment, number), pair, month, base, exchange)
        yield known.get(future.symbol) or replace(future, sector="Currency", tick_size=0.0025)


_SEGMENTS: dict[str, Callable[[], Iterator[ListedInstrument]]] = {
    "nse": _nse,
    "bse": _bse,
    "nfo": _nfo,
    "cds": lambda: _currencies("cds"),
    "bcd": lambda: _currencies("bcd"),
}
LISTED_SEGMENTS = tuple(_SEGMENTS)


def _token(segment: str, number: int) -> int:
    return (FIRST_TOKENS[segment] + number) * 256 + SEGMENTS[segment]


def _future(token: int, name: str, month: int, base: float, exchange: str, lot_size: int = 1) -> ListedInstrument:
    """The future that expires so many months after FIRST_EXPIRY, on its month's last Tuesday."""
    months = FIRST_EXPIRY[0] * 12 + FIRST_EXPIRY[1] - 1 + month
    after = date((months + 1) // 12, (months + 1) % 12 + 1, 1)
    expiry = after - timedelta(days=(after.weekday() - 1) % 7 or 7)
    symbol = f"{name}{expiry:%y%b}FUT".upper()
    return ListedInstrument(
        token,
        symbol,
        name,
        "",
        base,
        exchange=exchange,
        segment=f"{exchange}-FUT",
        kind="FUT",
        expiry=f"{expiry}",
        lot_size=lot_size,
    )


_HOUSES = [
    f"{head}{tail}"
    for head in (
        "Aru Bhav Chand Dev Gan Hari Indra Jai Kal Laksh Mahi Nav Oj Pra Raj San Tej Uday Var Vish Yash Ama Kir Nil Sur"
    ).split()
    for tail in "ya na sha dev raj mitra pal van tra la".split()
]
# What they make, and by what the exchange would shorten it.
_TRADES = [
    *(("Textiles", "TEX"), ("Cements", "CEM"), ("Pharma", "PHAR"), ("Chemicals", "CHEM"), ("Motors", "MOT"), ("Steel", "STL")),
    *(("Foods", "FOOD"), ("Finance", "FIN"), ("Infra", "INFR"), ("Power", "POW"), ("Software", "SOFT"), ("Retail", "RET")),
    *(("Paper", "PAP"), ("Sugar", "SUG"), ("Logistics", "LOG"), ("Housing", "HOUS"), ("Media", "MED"), ("Hotels", "HOT")),
    *(("Plastics", "PLAS"), ("Tyres", "TYR"), ("Paints", "PNT"), ("Glass", "GLAS"), ("Cables", "CAB"), ("Bearings", "BEAR")),
    *(("Fertilisers", "FERT"), ("Seeds", "SEED"), ("Jewels", "JEWL"), ("Leather", "LEAT"), ("Shipping", "SHIP")),
    *(
        ("Airways", "AIR"),
        ("Mining", "MIN"),
        ("Oils", "OIL"),
        ("Gas", "GAS"),
        ("Tools", "TOOL"),
        ("Labs", "LAB"),
        ("Telecom", "TEL"),
    ),
]


def _invented(number: int) -> ListedInstrument:
    # Spread over two decades, as prices at an exchange are.
    price = round(40 * 100 ** (number * 0.618 % 1), 2)
    house, (trade, short) = _HOUSES[number % len(_HOUSES)], _TRADES[number // len(_HOUSES)]
    return _stock(number, f"{house}{short}".upper(), f"{house} {trade}", trade, price)


def _stock(number: int, symbol: str, name: str, sector: str, price: float, exchange_token: str = "") -> ListedInstrument:
    exchange = int(exchange_token or FIRST_INVENTED_TOKEN + number)
    return ListedInstrument(exchange * 256 + SEGMENTS["nse"], symbol, name, sector, price)
