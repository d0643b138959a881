"""/api/instruments and /api/watchlists: what there is, and what one watches."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from dashboard import resources, watchlists
from dashboard.api.guard import Guarded, Who, access
from dashboard.api.models import Input, InstrumentOut, Output, SymbolText, not_found
from dashboard.web.access_rules import AccessRule
from dashboard.web.problems import Found, RequestRefused, shown
from stormalert.access.sessions import SignedIn
from stormalert.model import Scope

router = APIRouter(tags=["market"], route_class=Guarded)

# A user has one; the name leaves room for more.
MAIN = "main"


class Watchlist(Output):
    id: str
    symbols: list[str]


class Symbols(Input):
    symbols: Annotated[list[SymbolText], Field(max_length=watchlists.MOST)]


@router.get("/instruments", **access(AccessRule.MEMBER, Scope.READ))
def find_instruments(
    q: Annotated[str, Query(max_length=128, description="the beginning of a symbol, or a part of symbol or name")] = "",
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> list[InstrumentOut]:
    """What Kite lists, refreshed every morning."""
    return [InstrumentOut.of(instrument) for instrument in resources.store().search_instruments(q, limit)]


@router.get("/instruments/{symbol}", **access(AccessRule.MEMBER, Scope.READ, 404))
def get_instrument(symbol: SymbolText) -> InstrumentOut:
    """By its symbol, such as NSE:INFY."""
    instrument = resources.store().instrument_by_symbol(symbol)
    if instrument is None:
        raise not_found("instrument")
    return InstrumentOut.of(instrument)


@router.get("/watchlists", **access(AccessRule.MEMBER, Scope.READ))
def list_watchlists(who: Who) -> list[Watchlist]:
    return [_watchlist(who)]


@router.get("/watchlists/{watchlist}", **access(AccessRule.MEMBER, Scope.READ, 404))
def get_watchlist(who: Who, watchlist: str) -> Watchlist:
    """One's watchlist: `main`."""
    _check(watchlist)
    return _watchlist(who)


@router.put("/watchlists/{watchlist}", **access(AccessRule.MEMBER, Scope.WRITE, 404))
def set_watchlist(who: Who, watchlist: str, asked: Symbols) -> Watchlist:
    """In the place of what was on it; rules on the watchlist follow within seconds."""
    _check(watchlist)
    store = resources.store()
    found = {symbol: store.instrument_by_symbol(symbol) for symbol in dict.fromkeys(asked.symbols)}
    if unknown := [symbol for symbol, instrument in found.items() if instrument is None]:
        errors = [Found(place="body.symbols", found=shown(symbol), expected="one that Kite lists") for symbol in unknown]
        raise RequestRefused(422, f"Nothing was changed: {len(unknown)} symbols are not listed.", errors)
    store.save_watchlist(who.user.id, list(dict.fromkeys(it.token for it in found.values() if it)))
    return _watchlist(who)


def _check(watchlist: str) -> None:
    if watchlist != MAIN:
        raise not_found("watchlist")


def _watchlist(who: SignedIn) -> Watchlist:
    store = resources.store()
    found = (store.instrument(token) for token in store.watchlist(who.user.id))
    return Watchlist(id=MAIN, symbols=[instrument.symbol for instrument in found if instrument])
