"""From a print at the stand-in exchange to the frame in which a browser shows it, while the whole watchlist is trading.

Sandbox, ingest, evaluator, relay and dashboard are processes of their own, and the page is the live one in a real browser. A
print's price is its own, far from the trading around it, and its time is taken before we ask the sandbox for it. One that was
followed by a newer price so soon that both were sent to the page together is not shown, and counted as such: the stream of
ticks says so. All clocks are this machine's.
"""

import http.client
import json
import shutil
import time
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from bench.fixtures import NO_LIMITS, Setup, free_ports, set_up
from bench.phone import SHARD, Row, listed, log_in_and_follow, percentile
from bench.sizes import Sizes
from stormalert.access.security import hash_password
from stormalert.model import Role
from stormalert.units import now_ms
from tests.browser.watching import CHROMIUM, Watched, watched_page

PASSWORD = "a long password to measure with"
MODULES = {"relay": "dashboard.relay"}
# Below what ingest takes for a misprint.
JUMP = 1.035
# Prices that come within it may go to the page together.
TOGETHER_MS = 150
# Before the first print: the page has drawn itself and the browser has compiled what it runs.
WARM_UP_S = 5
LAST_FRAMES_S = 2

# `storm.prices()`: what the cells in sight show; `storm.seen`: each change of one, and when the frame with it was begun.
WATCH = """() => {
  const below = (root) => {
    const inside = [...root.querySelectorAll("*")].map((it) => it.shadowRoot).filter(Boolean);
    return [root, ...inside.flatMap(below)];
  };
  const scroll = below(document).map((root) => root.querySelector(".prices .scroll")).find(Boolean);
  const shown = (cell) => Number(cell.textContent.replaceAll(",", ""));
  const seen = [];
  const prices = () => {
    const frame = scroll.getBoundingClientRect(), bottom = Math.min(frame.bottom, innerHeight);
    const rows = [...scroll.querySelectorAll("tbody tr")].filter((row) => {
      const { top, bottom: end } = row.getBoundingClientRect();
      return top > frame.top + 40 && end < bottom;
    });
    return rows.map((row) => [row.firstChild.textContent, shown(row.querySelector(".last"))]).filter(([, price]) => price > 0);
  };
  new MutationObserver((changes) => {
    const cells = new Set(changes.map(({ target }) => (target.closest ? target : target.parentElement)?.closest("td.last")));
    requestAnimationFrame(() => {
      const at = Date.now();
      for (const cell of cells) if (cell) seen.push([cell.parentElement.firstChild.textContent, shown(cell), at]);
    });
  }).observe(scroll, { childList: true, characterData: true, subtree: true });
  window.storm = { prices, seen };
}"""


def run(sizes: Sizes) -> dict[str, list[Row]]:
    if shutil.which(CHROMIUM) is None:
        print(f"\npixels: left out, Chromium is not installed (Debian or Ubuntu: apt-get install {CHROMIUM})")
        return {}
    market = (f"--instruments={sizes.pixels_instruments}", f"--tick-rate={sizes.pixels_rate}")
    with set_up(1, NO_LIMITS, (), market) as setup:
        access = log_in_and_follow(setup)
        instruments = listed(setup, access)[: sizes.pixels_instruments]
        setup.store.save_watchlist(setup.users[0], [it.token for it in instruments])
        url = start_dashboard(setup, "ingest", "evaluator", "relay", "dashboard")
        with watched_page(url) as watched:
            watched.sign_in(setup.users[0], PASSWORD)
            row = _measure(setup, watched, sizes)
    row = {"instruments": len(instruments), "packets a second": sizes.pixels_rate, **row}
    return {"pixels: print at the exchange to the frame that shows it": [row]}


def start_dashboard(setup: Setup, *names: str) -> str:
    """With these processes; the first user can sign in, as an admin. Gives the dashboard's address."""
    user = setup.store.user(setup.users[0])
    assert user is not None
    setup.store.save_user(user.model_copy(update={"password_hash": hash_password(PASSWORD), "role": Role.ADMIN}))
    port, relay_port = free_ports(2)
    setup.environment |= {"STORM_PORT": str(port), "STORM_RELAY_PORT": str(relay_port), "JWT_SECRET": "j" * 32}
    setup.environment |= {"STORM_MASTER_SECRET": "m" * 32}
    processes = {name: setup.run(MODULES.get(name, name)) for name in names}
    for name, process in processes.items():
        setup.wait_for_heartbeat(name, process)
    return f"http://127.0.0.1:{port}"


def _measure(setup: Setup, watched: Watched, sizes: Sizes) -> Row:
    page = watched.page
    page.wait_for_timeout(WARM_UP_S * 1_000)
    page.evaluate(WATCH)
    started_s = time.monotonic()
    prints = _print(setup, watched, sizes)
    page.wait_for_timeout(LAST_FRAMES_S * 1_000)
    took_s = time.monotonic() - started_s
    frames: list[tuple[str, float, int]] = page.evaluate("() => storm.seen")
    waits_ms = sorted(wait_ms for it in prints if (wait_ms := _waited_ms(it, frames)) is not None)
    replaced = sum(_waited_ms(it, frames) is None and _was_replaced(setup, it) for it in prints)
    return {
        "prints": len(prints),
        "replaced": replaced,
        "missing": len(prints) - len(waits_ms) - replaced,
        "p50 ms": percentile(waits_ms, 50),
        "p95 ms": percentile(waits_ms, 95),
        "longest ms": waits_ms[-1],
        "cells drawn a second": round(len(frames) / took_s),
    }


class Print(NamedTuple):
    symbol: str
    price: float
    at_ms: int


def _waited_ms(it: Print, frames: Sequence[tuple[str, float, int]]) -> int | None:
    return next((when - it.at_ms for name, price, when in frames if (name, price) == (it.symbol, it.price)), None)


def _was_replaced(setup: Setup, it: Print) -> bool:
    entries: Any = setup.redis.xrange(SHARD.ticks, it.at_ms, it.at_ms + 1_000)
    own = next(
        ((int(entry.partition("-")[0]), tick["token"]) for entry, tick in entries if float(tick["price"]) == it.price), None
    )
    if own is None:
        return False
    at_ms, token = own
    return any(
        tick["token"] == token and float(tick["price"]) != it.price and 0 <= int(entry.partition("-")[0]) - at_ms < TOGETHER_MS
        for entry, tick in entries
    )


def _print(setup: Setup, watched: Watched, sizes: Sizes) -> list[Print]:
    """One after the other on the rows in sight, over and over; each goes up from what the page shows."""
    connection = http.client.HTTPConnection(urlsplit(setup.sandbox_url).netloc, timeout=30)
    prints: list[Print] = []
    for number in range(sizes.pixels_prints):
        prices = watched.page.evaluate("() => storm.prices()")
        symbol, price = prices[number % len(prices)]
        # No two prints have the same price.
        jumped = round(price * JUMP + number / 100, 2)
        body = json.dumps({"symbol": symbol, "price": jumped})
        prints.append(Print(symbol, jumped, now_ms()))
        connection.request("POST", "/control/print", body)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"the sandbox did not print {symbol}: {text.decode()}")
        # The browser's own events are handled meanwhile.
        watched.page.wait_for_timeout(1_000 / sizes.pixels_prints_a_second)
    connection.close()
    return prints
