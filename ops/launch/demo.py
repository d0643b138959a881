"""What the demo puts into an empty store: a user, a channel of each kind, a watchlist, rules. All of it can be done twice."""

from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from ops.launch.plan import LOOPBACK
from stormalert import channels
from stormalert.config.settings import Settings
from stormalert.model import Channel, ChannelKind, Direction, Instrument, Kind, Rule, User
from stormalert.store import Store
from stormalert.units import MINUTE_MS

USER = "demo"
# Large caps that move at any hour of the sandbox's market.
SYMBOLS = (
    "RELIANCE", "TCS", "HDFCBANK", "ICICIBANK", "INFY", "SBIN", "BHARTIARTL", "ITC", "LT", "AXISBANK",
    "KOTAKBANK", "HINDUNILVR", "BAJFINANCE", "MARUTI", "TITAN", "SUNPHARMA", "ASIANPAINT", "WIPRO", "TATASTEEL", "ADANIENT",
)  # fmt: skip
MOST_WATCHED = 9_000


def is_stand_in(url: str) -> bool:
    """Whether it leads to the sandbox: of `make run`, or the service of that name in docker compose."""
    return urlsplit(url).hostname in (LOOPBACK, "sandbox")


def ensure_channels(store: Store, user: User, config: Settings) -> int:
    """One for each stand-in; a channel with an account of its own would write to real people."""
    found = {kind: channels.of(kind).demo(config) for kind in ChannelKind}
    played = {kind: it.address for kind, it in found.items() if is_stand_in(it.root)}
    for kind, address in played.items():
        channel = Channel(id=f"{user.id}-{kind}", user=user.id, kind=kind, address=address)
        if store.channel(channel.id) is None:
            store.save_channel(channel)
    return len(played)


def listed(store: Store) -> list[Instrument]:
    """What ingest put into the store: NSE's equities and indices."""
    return [it for it in store.search_instruments("NSE:", MOST_WATCHED) if it.symbol.startswith("NSE:")]


def ensure_watchlist(store: Store, user: User, instruments: Sequence[Instrument]) -> int:
    watched = store.watchlist(user.id)
    if not watched:
        watched = [instrument.token for instrument in instruments]
        store.save_watchlist(user.id, watched)
    return len(watched)


def ensure_rules(store: Store, rules: Iterator[Rule]) -> int:
    """One that its owner changed or deleted stays as it is."""
    count = 0
    for rule in rules:
        count += 1
        if store.rule(rule.id) is None:
            store.save_rule(rule)
    return count


def demo_rules(user: User, instruments: Sequence[Instrument]) -> Iterator[Rule]:
    """Two on each well-known stock: alerts within the first minute, and a few a minute after it."""
    by_symbol = {it.symbol: it for it in instruments}
    for number, symbol in enumerate(SYMBOLS):
        if instrument := by_symbol.get(f"NSE:{symbol}"):
            yield _rule(user, instrument, "quick", Kind.ROLLING, 15, MINUTE_MS, cooldown_ms=10 * MINUTE_MS)
            if number % 2:
                yield _rule(user, instrument, "swing", Kind.ROLLING, 50, 5 * MINUTE_MS, cooldown_ms=15 * MINUTE_MS)
            else:
                yield _rule(user, instrument, "trail", Kind.TRAILING, 50, 0, cooldown_ms=15 * MINUTE_MS)


def replay_rules(user: User, instruments: Sequence[Instrument]) -> Iterator[Rule]:
    """On everything that a recording holds, armed at its first tick."""
    for instrument in instruments:
        yield _rule(user, instrument, "r25", Kind.ROLLING, 25, 5 * MINUTE_MS)
        yield _rule(user, instrument, "r50", Kind.ROLLING, 50, 15 * MINUTE_MS)
        yield _rule(user, instrument, "t50", Kind.TRAILING, 50, 0)
        yield _rule(user, instrument, "t100", Kind.TRAILING, 100, 0, cooldown_ms=30 * MINUTE_MS)


def _rule(
    user: User, on: Instrument, name: str, kind: Kind, percent_e2: int, window_ms: int, cooldown_ms: int | None = None
) -> Rule:
    fields = {
        "id": f"{user.id}-{on.token}-{name}",
        "user": user.id,
        "token": on.token,
        "symbol": on.symbol,
        "kind": kind,
        "direction": Direction.BOTH,
        "percent_e2": percent_e2,
        "window_ms": window_ms,
        "cooldown_ms": cooldown_ms,
    }
    return Rule.model_validate(fields)
