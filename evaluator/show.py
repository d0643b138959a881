"""`python -m evaluator show NSE:INFY`: where an instrument stands, and which rules are nearest to firing."""

from redis.asyncio import Redis

from stormalert.errors import InputError
from stormalert.market.days import ist
from stormalert.model import Instrument
from stormalert.redis.keys import shard_of
from stormalert.rules.engine import Inspection, Nearest, inspect
from stormalert.store import Store
from stormalert.units import parse_price_e4

RULES_SHOWN = 20


async def show(redis: Redis, store: Store, shards: int, symbol: str) -> str:
    """The explanation as lines of text. Raises InputError for a symbol that is not known."""
    instrument = store.instrument_by_symbol(symbol.upper())
    if instrument is None:
        raise InputError(f"no instrument {symbol!r}: a symbol is exchange and name, such as NSE:INFY, from the daily list")
    token = instrument.token
    return "\n".join(_lines(instrument, await inspect(shard_of(token, shards), token, RULES_SHOWN).run(redis)))


def _lines(instrument: Instrument, found: Inspection) -> list[str]:
    fields, nearest, waiting, next_ms = found
    lines = [f"{instrument.symbol}  {instrument.name}  token {instrument.token}"]
    if "price" not in fields:
        return [*lines, "  No tick of it was evaluated yet."]
    lines.append(f"  last price    {fields['price']} at {_moment(fields['time'])}")
    above, below = fields.get("above") or "no rule", fields.get("below") or "no rule"
    lines.append(f"  nearest       above {above}, below {below}")
    for name, extremes in sorted(fields.items()):
        if name.startswith("window "):
            told, _, time_ms = extremes.rpartition(" at ")
            lines.append(f"  {name:13} {told} at {_moment(time_ms)}")
    if waiting:
        lines.append(f"  waiting       {waiting} rules, the next is armed at {_moment(next_ms)}")
    if not nearest:
        return [*lines, "  No rule is armed on it."]
    lines += ["", "  fires at      away     from          rule"]
    return lines + [_row(fields["price"], each) for each in nearest]


def _row(price: str, each: Nearest) -> str:
    price_e4 = parse_price_e4(price)
    away = (parse_price_e4(each.trigger) - price_e4) * 100 / price_e4
    return f"  {each.trigger:13} {away:+6.2f} % {each.reference:13} {each.side}: {each.condition}  ({each.rule})"


def _moment(time_ms: str) -> str:
    return f"{ist(int(time_ms)):%d %b %H:%M:%S}"
