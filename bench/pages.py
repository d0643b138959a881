"""How long pages take to open in a real browser, for a user with many rules and a long history.

Each page is opened by its address, by somebody who is signed in and was there before: until the browser paints the first time,
until the page's heading is there, and until all of it is drawn.
"""

import shutil
import time
from collections.abc import Iterator
from typing import NamedTuple

from playwright.sync_api import Page

from bench.fixtures import NO_LIMITS, Setup, set_up
from bench.phone import Row, percentile
from bench.pixels import PASSWORD, start_dashboard
from bench.sizes import Sizes
from stormalert.model import Alert, Channel, ChannelKind, Delivery, DeliveryState, Direction, Instrument, Kind, Rule
from stormalert.redis.keys import Shard
from stormalert.units import DAY_MS, MINUTE_MS, now_ms
from tests.browser.watching import CHROMIUM, Watched, watched_page

INSTRUMENTS = 500
WRITTEN_AT_ONCE = 5_000
HEADINGS = {
    "/": "Live",
    "/rules": "Rules",
    "/alerts": "Alerts",
    "/instrument?symbol=NSE:S001": "NSE:S001",
    "/backtest": "Backtest",
    "/channels": "Channels",
    "/settings": "Settings",
    "/admin": "Admin",
}
FIRST_PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"


class Opening(NamedTuple):
    """ms since the address was entered."""

    painted: float
    headed: float
    drawn: float


def run(sizes: Sizes) -> dict[str, list[Row]]:
    if shutil.which(CHROMIUM) is None:
        print(f"\npages: left out, Chromium is not installed (Debian or Ubuntu: apt-get install {CHROMIUM})")
        return {}
    with set_up(1, NO_LIMITS, ()) as setup:
        _seed(setup, sizes)
        url = start_dashboard(setup, "relay", "dashboard")
        with watched_page(url) as watched:
            watched.sign_in(setup.users[0], PASSWORD)
            rows = [_row(watched, path, sizes.pages_openings) for path in HEADINGS]
    title = f"pages: until a page is there, {sizes.pages_rules:,} rules and {sizes.pages_alerts:,} alerts in the store"
    return {title: rows}


def _row(watched: Watched, path: str, count: int) -> Row:
    # The first time what is cached is read.
    _open(watched, path)
    found = [_open(watched, path) for _ in range(count)]
    row: Row = {"page": path, "openings": count}
    for name in Opening._fields:
        took_ms = sorted(round(getattr(opening, name)) for opening in found)
        row |= {f"{name} p50 ms": percentile(took_ms, 50), f"{name} longest ms": took_ms[-1]}
    return row


def _open(watched: Watched, path: str) -> Opening:
    started_s = time.monotonic()
    page: Page = watched.open(path)
    page.get_by_role("heading", name=HEADINGS[path], exact=True).first.wait_for(timeout=60_000)
    headed_ms = (time.monotonic() - started_s) * 1_000
    watched.settle()
    return Opening(page.evaluate(FIRST_PAINT), headed_ms, (time.monotonic() - started_s) * 1_000)


def _seed(setup: Setup, sizes: Sizes) -> None:
    store, (user,) = setup.store, setup.users
    instruments = [Instrument(token=1000 + n, symbol=f"NSE:S{n:03d}", name=f"STOCK {n}") for n in range(1, INSTRUMENTS + 1)]
    store.save_instruments(instruments)
    store.save_watchlist(user, [it.token for it in instruments])
    store.save_channel(Channel(id="mail", user=user, kind=ChannelKind.EMAIL, address="user@storm.example"))
    rules = [_rule(user, number, instruments) for number in range(sizes.pages_rules)]
    for first in range(0, len(rules), WRITTEN_AT_ONCE):
        store.save_rules(rules[first : first + WRITTEN_AT_ONCE])
    for alerts in _alerts(rules, sizes.pages_alerts):
        store.record_fired(alerts, [_delivery(alert) for alert in alerts])
    minute = now_ms() // MINUTE_MS * MINUTE_MS
    with setup.redis.pipeline(transaction=False) as pipe:
        for it in instruments:
            quote = {"last": "1500.50", "open": "1490", "high": "1510", "low": "1480", "close": "1495", "volume": 1_000}
            pipe.hset(Shard("s0").quote(it.token), mapping=quote | {"change": "0.37", "time": now_ms()})
            for back in range(60, 0, -1):
                bar = {"open": "1490", "high": "1510", "low": "1480", "close": f"{1490 + back % 20}"}
                pipe.xadd(Shard("s0").bars(it.token), bar, id=f"{minute - back * MINUTE_MS}-0")
        pipe.execute()


def _rule(user: str, number: int, instruments: list[Instrument]) -> Rule:
    on = instruments[number % len(instruments)]
    return Rule(
        id=f"rule{number}",
        user=user,
        token=on.token,
        symbol=on.symbol,
        kind=Kind.ROLLING,
        direction=Direction.UP,
        percent_e2=100 + number % 400,
        window_ms=5 * MINUTE_MS,
        cooldown_ms=5 * MINUTE_MS,
    )


def _alerts(rules: list[Rule], count: int) -> Iterator[list[Alert]]:
    """Spread over a month, oldest first."""
    since_ms = now_ms() - 30 * DAY_MS
    for first in range(0, count, WRITTEN_AT_ONCE):
        yield [
            _alert(rules[number % len(rules)], since_ms + number * 30 * DAY_MS // count)
            for number in range(first, min(first + WRITTEN_AT_ONCE, count))
        ]


def _alert(rule: Rule, time_ms: int) -> Alert:
    prices = {"price_e4": 15_000_000, "reference_e4": 14_700_000, "percent_e2": 204}
    fields = rule.model_dump(include={"user", "token", "symbol", "kind", "direction", "window_ms"})
    return Alert(id=f"{rule.id}-{time_ms}", rule=rule.id, time_ms=time_ms, **prices, **fields)


def _delivery(alert: Alert) -> Delivery:
    return Delivery(
        id=Delivery.id_of(alert.id, "mail"),
        alert=alert.id,
        user=alert.user,
        channel="mail",
        channel_kind=ChannelKind.EMAIL,
        state=DeliveryState.SENT,
        attempts=1,
        queued_ms=alert.time_ms,
        updated_ms=alert.time_ms,
    )
