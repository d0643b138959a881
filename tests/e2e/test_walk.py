"""A trader's and an admin's first day in a real browser, with the whole product behind it: `make run`, nothing else."""

import json
import re
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest
from playwright.sync_api import expect

from stormalert.model import ChannelKind, Rule, RuleState
from stormalert.redis import keys
from stormalert.store import Store
from tests.browser.watching import DESK, PHONE, Watched, chromium, watched_page
from tests.e2e.accounts import SHARD, stream_alerts
from tests.e2e.product import Product, product

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

USER = "demo"
# Of no rule of the demo.
SYMBOL = "NSE:ONGC"
LINE = f"{SYMBOL} rolling up 2% 5m cooldown 0s"
# Above the rule's percent, below what ingest takes for a misprint.
JUMP = 1.03
PAGES = {
    "/": "Live",
    "/rules": "Rules",
    "/alerts": "Alerts",
    f"/instrument?symbol={SYMBOL}": SYMBOL,
    "/backtest": "Backtest",
    "/channels": "Channels",
    "/settings": "Settings",
    "/admin": "Admin",
}
LOOKS = {"light": ("light", DESK), "dark": ("dark", DESK), "phone": ("light", PHONE)}
WITHIN_S = 180

Found = TypeVar("Found")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    chromium()
    with product(tmp_path_factory.mktemp("walk")) as started:
        started.start("run")
        started.wait_for("Ctrl-C stops everything")
        yield started


@pytest.fixture
def trader(run: Product) -> Iterator[Watched]:
    found = re.search(r"Sign in as +(\S+), password (\S+)", run.output)
    assert found
    with watched_page(run.dashboard_url) as watched:
        watched.sign_in(*found.groups())
        yield watched


def test_a_day_from_the_first_sign_in_to_the_backtest(run: Product, trader: Watched) -> None:
    log_in_to_kite(run, trader)
    rule = make_the_rule(run, trader)
    trader.open("/")
    jump(run)
    alert = trader.page.get_by_role("listitem").filter(has_text=SYMBOL).filter(has_text="within 5 min").first
    expect(alert).to_be_visible()
    run.wait_until(lambda: channels_told(run) == set(ChannelKind), WITHIN_S, "the alert is not in the outbox of every channel")
    trader.screenshot("walk-live")

    alert.get_by_role("button", name="Snooze").click()
    expect(alert.get_by_text("Snoozed until")).to_be_visible()
    told = len(messages(run))
    run.wait_until(lambda: fires_again(run, rule), WITHIN_S, "the rule does not fire again")
    # A chart is drawn of minutes that are over.
    run.wait_until(lambda: minutes(run) > 0, 2 * WITHIN_S, "no minute of the instrument is over")
    look_at_the_history(trader)
    assert len(messages(run)) == told, "there was a message of a snoozed rule"

    look_at_the_instrument(trader)
    run_a_backtest(trader)
    look_at_the_system(trader)


def test_every_page_is_well_in_light_in_dark_and_on_a_phone(run: Product, trader: Watched) -> None:
    for path, heading in PAGES.items():
        trader.open(path)
        trader.settle()
        expect(trader.page.get_by_role("heading", name=heading, exact=True).first).to_be_visible()
        # What lies behind the page's own script: a chart, the map of a table.
        trader.page.wait_for_load_state("networkidle")
        for look, (colours, size) in LOOKS.items():
            trader.show_as(colours, size)  # type: ignore[arg-type]
            trader.settle()
            trader.screenshot(f"page-{'instrument' if path.startswith('/instrument') else heading.lower()}-{look}")
            assert trader.page.evaluate("document.documentElement.scrollWidth") <= size[0], f"{path} is wider than the screen"
        trader.show_as("light")


def test_who_is_not_signed_in_gets_no_page_no_socket_and_no_price(run: Product) -> None:
    with watched_page(run.dashboard_url) as stranger:
        for path in PAGES:
            stranger.open(path)
            expect(stranger.page.get_by_role("button", name="Sign in")).to_be_visible()
        # A document of the same origin that may ask for anything, which the page for signing in may not.
        stranger.open("/favicon.png")
        inside = ("/api/watchlists", "/api/alerts", "/_stcore/host-config")
        stranger.expected |= {f"401 {path}" for path in inside}
        for path in inside:
            assert stranger.page.evaluate("async (path) => (await fetch(path)).status", path) == 401, path
        # What is no page and no route is not told apart from what is.
        assert "Sign in" in stranger.page.evaluate("async () => (await fetch('/assets/relay.mjs')).text()")
        pages = run.dashboard_url.replace("http", "ws") + "/_stcore/stream"
        relay = f"ws://127.0.0.1:{run.ports['STORM_RELAY_PORT']}/ws"
        for address in (pages, relay):
            assert stranger.page.evaluate(OPENED, address) == "refused", address
        # As it should.
        stranger.complaints = [it for it in stranger.complaints if "WebSocket connection to" not in it]


# What becomes of a socket.
OPENED = """(address) => new Promise((tell) => {
  const socket = new WebSocket(address);
  socket.onmessage = () => tell("heard");
  socket.onerror = () => tell("refused");
})"""


def log_in_to_kite(run: Product, trader: Watched) -> None:
    logins = kite_logins(run)
    page = trader.open("/admin")
    trader.settle()
    page.get_by_role("tab", name="Kite").click()
    with page.expect_navigation():
        page.get_by_role("link", name="Log in to Kite").first.click()
    page.get_by_role("button", name="Log in").click()
    trader.settle()
    expect(page.get_by_text("Kite feed")).to_be_visible()
    assert kite_logins(run) == logins + 1
    with run.redis() as client:
        run.wait_until(lambda: client.hget(keys.FEED, "state") == "streaming", WITHIN_S, "no ticks after the login")


def make_the_rule(run: Product, trader: Watched) -> Rule:
    page = trader.open("/rules")
    trader.settle()
    page.get_by_role("textbox", name="A rule in one line").press_sequentially(LINE)
    expect(page.get_by_role("status").filter(has_text="Rises 2 % within 5 min")).to_be_visible()
    page.get_by_role("button", name="Make rule").click()
    expect(page.get_by_text(f"{SYMBOL}: Rises 2 % within 5 min – saved.")).to_be_visible()
    trader.screenshot("walk-rule")
    rules: list[Rule] = with_store(run, lambda store: store.rules_of(USER, limit=1_000))
    (rule,) = [it for it in rules if it.symbol == SYMBOL and it.percent_e2 == 200]
    assert rule.state is RuleState.ACTIVE
    with run.redis() as client:
        # From then on it sees a jump, and not before.
        run.wait_until(lambda: client.hexists(SHARD.rule(rule.id), "armed"), WITHIN_S, "the rule is not armed")
    return rule


def look_at_the_history(trader: Watched) -> None:
    page = trader.open("/alerts")
    trader.settle()
    newest = page.get_by_role("row").filter(has_text=SYMBOL).first
    expect(newest).to_contain_text("Rose")
    # Who reads along sees it when the dispatcher has.
    while "snoozed" not in newest.inner_text():
        page.reload()
        trader.settle()
    trader.screenshot("walk-history")
    newest.get_by_role("link").click()
    expect(page.get_by_text("Rises 2 % within 5 min").first).to_be_visible()
    expect(page.get_by_role("figure", name=re.compile("^Chart "))).to_be_visible()
    trader.screenshot("walk-alert")


def look_at_the_instrument(trader: Watched) -> None:
    page = trader.open(f"/instrument?symbol={SYMBOL}")
    trader.settle()
    expect(page.locator("canvas").first).to_be_visible()
    expect(page.get_by_text("Rises 2 % within 5 min").first).to_be_visible()
    trader.screenshot("walk-instrument")


def run_a_backtest(trader: Watched) -> None:
    page = trader.open("/backtest")
    trader.settle()
    lines = page.get_by_role("textbox", name=re.compile("one a line|one rule a line"))
    lines.fill(f"{SYMBOL} rolling up 1% 5m")
    lines.press("Control+Enter")
    trader.settle()
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator(".tried div", has_text=f"{SYMBOL}: Rises 1 % within 5 min")).to_be_visible(timeout=120_000)
    trader.screenshot("walk-backtest")


def look_at_the_system(trader: Watched) -> None:
    page = trader.open("/admin")
    trader.settle()
    for process in ("ingest", "evaluator", "dispatch", "worker", "relay"):
        expect(page.get_by_text(process).first).to_be_visible()
    trader.screenshot("walk-system")


def jump(run: Product) -> None:
    """A trade at the exchange, well above the last one."""
    with run.redis() as client:
        price = float(client.hget(SHARD.quote(token_of(run)), "last") or 0)
    body = json.dumps({"symbol": SYMBOL, "price": round(price * JUMP, 1)}).encode()
    url = f"http://127.0.0.1:{run.ports['STORM_SANDBOX_HTTP_PORT']}/control/print"
    with urllib.request.urlopen(urllib.request.Request(url, body), timeout=60) as answer:
        assert answer.status == 200


def kite_logins(run: Product) -> int:
    return len([it for it in with_store(run, lambda store: store.audit()) if it.action == "logged in to Kite"])


def token_of(run: Product) -> int:
    found = with_store(run, lambda store: store.instrument_by_symbol(SYMBOL))
    assert found is not None
    return found.token


def minutes(run: Product) -> int:
    with run.redis() as client:
        return int(client.xlen(SHARD.bars(token_of(run))))


def fires_again(run: Product, rule: Rule) -> bool:
    """Prints until it has: one print may be a misprint to ingest, when the market moved on meanwhile."""
    before = fired(run, rule)
    jump(run)
    deadline_s = time.monotonic() + 20
    while fired(run, rule) == before and time.monotonic() < deadline_s:
        time.sleep(0.1)
    return fired(run, rule) > before


def fired(run: Product, rule: Rule) -> int:
    return len([alert for alert in stream_alerts(run) if alert.rule == rule.id])


def messages(run: Product) -> list[dict[str, Any]]:
    """Of the rule: the demo has none that tells of a move of 2 % on this instrument."""
    return [it for it in run.outbox() if SYMBOL in it["text"]]


def channels_told(run: Product) -> set[str]:
    return {it["channel"] for it in messages(run)}


def with_store(run: Product, look: Callable[[Store], Found]) -> Found:
    store = run.store()
    try:
        return look(store)
    finally:
        store.close()
