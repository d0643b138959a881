"""`python -m evaluator show NSE:INFY`: where an instrument stands, and which rules are nearest to firing."""

from datetime import datetime
from typing import NamedTuple

from redis.asyncio import Redis

from stormalert.errors import InputError
from stormalert.keys import shard_of
from stormalert.model import Instrument
from stormalert.scripts import script
from stormalert.store import Store
from stormalert.units import IST, parse_price_e4

RULES_SHOWN = 20


class Nearest(NamedTuple):
    """An armed rule: `reference` and `trigger`, the first price at which it fires, in rupees."""

    rule: str
    text: str
    side: str
    reference: str
    trigger: str


async def show(redis: Redis, store: Store, shards: int, symbol: str) -> str:
    """The explanation as lines of text. Raises InputError for a symbol that is not known."""
    instrument = store.instrument_by_symbol(symbol.upper())
    if instrument is None:
        raise InputError(f"no instrument {symbol!r}: a symbol is exchange and name, such as NSE:INFY, from the daily list")
    key = shard_of(instrument.token, shards).instrument(instrument.token)
    pairs, nearest, waiting, next_ms = await script("inspect").call(
        redis, instrument=key, token=instrument.token, count=RULES_SHOWN
    )
    fields = dict(zip(pairs[::2], pairs[1::2], strict=True))
    return "\n".join(_lines(instrument, fields, [Nearest(*row) for row in nearest], waiting, next_ms))


def _lines(instrument: Instrument, fields: dict[str, str], nearest: list[Nearest], waiting: int, next_ms: str) -> list[str]:
    lines = [f"{instrument.symbol}  {instrument.name}  token {instrument.token}"]
    if "price" not in fields:
        return [*lines, "  No tick of it was evaluated yet."]
    lines.append(f"  last price    {fields['price']} at {_moment(fields['time'])}")
    above, below = fields.get("above") or "no rule", fields.get("below") or "no rule"
    lines.append(f"  nearest       above {above}, below {below}")
    for name, extremes in sorted(fields.items()):
        if name.startswith("window "):
            lines.append(f"  {name:13} {extremes}")
    if waiting:
        lines.append(f"  waiting       {waiting} rules, the next is armed at {_moment(next_ms)}")
    if not nearest:
        return [*lines, "  No rule is armed on it."]
    lines += ["", "  fires at      away     from          rule"]
    return lines + [_row(fields["price"], each) for each in nearest]


def _row(price: str, each: Nearest) -> str:
    price_e4 = parse_price_e4(price)
    away = (parse_price_e4(each.trigger) - price_e4) * 100 / price_e4
    # The instrument is the heading, user and revision are nobody's question here.
    condition = " ".join(each.text.split()[1:-2])
    return f"  {each.trigger:13} {away:+6.2f} % {each.reference:13} {each.side}: {condition}  ({each.rule})"


def _moment(time_ms: str) -> str:
    return f"{datetime.fromtimestamp(float(time_ms) / 1_000, IST):%d %b %H:%M:%S}"
