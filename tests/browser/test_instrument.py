"""The page of one instrument, in a real browser; the screenshots are in build/screenshots."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from stormalert.model import Alert, Direction, Instrument, Kind, Rule, RuleState
from stormalert.redis import keys
from stormalert.units import MINUTE_MS, format_price, now_ms
from tests.browser.running import INFY, USER, Running, wait_until
from tests.browser.watching import PHONE, Watched

pytestmark = pytest.mark.browser

MINUTES = 120
SHARD = keys.Shard("s0")
QUIET = Instrument(token=42, symbol="NSE:QUIET", name="QUIET LIMITED")
QUOTE = {
    "last": "1400.00", "change": "1.25", "open": "1385.00", "high": "1412.35", "low": "1380.05", "close": "1382.70",
    "volume": "1234567",
}  # fmt: skip


def add_bars(product: Running, until_ms: int, count: int = MINUTES) -> None:
    """Minutes up to the one before that moment, as ingest writes them."""
    first_ms = (until_ms // MINUTE_MS - count) * MINUTE_MS
    for place in range(count):
        open_e4 = 13_900_000 + (place * 37 % 50) * 4_000
        close_e4 = open_e4 + (place * 53 % 9 - 4) * 3_000
        high_e4, low_e4 = max(open_e4, close_e4) + 4_000, min(open_e4, close_e4) - 3_500
        prices = {"open": open_e4, "high": high_e4, "low": low_e4, "close": close_e4}
        texts = {name: format_price(price_e4) for name, price_e4 in prices.items()}
        product.redis.xadd(SHARD.bars(INFY.token), texts, id=f"{first_ms + place * MINUTE_MS}-0")


@pytest.fixture
def market(product: Running) -> Iterator[Rule]:
    """Minutes, a quote, a rule of the user's that is armed, and one of somebody else's that is nearer."""
    add_bars(product, now_ms())
    product.quote({INFY.token: (QUOTE["last"], QUOTE["change"])})
    product.redis.hset(SHARD.quote(INFY.token), mapping=QUOTE)
    both = {"token": INFY.token, "symbol": INFY.symbol, "kind": Kind.ROLLING, "window_ms": 5 * MINUTE_MS}
    at = now_ms()
    mine = product.store.save_rule(Rule(id=f"mine-{at}", user=USER, direction=Direction.UP, percent_e2=200, **both))
    theirs = product.store.save_rule(Rule(id=f"theirs-{at}", user="u-other", direction=Direction.DOWN, percent_e2=75, **both))
    product.tick("1400.00")
    wait_until(lambda: [product.engine_state(it.id) for it in (mine, theirs)] == ["armed", "armed"])
    yield mine
    for rule in (mine, theirs):
        product.store.save_rule(rule.model_copy(update={"state": RuleState.DELETED}))
    product.redis.delete(SHARD.bars(INFY.token))
    wait_until(lambda: not product.engine_state(mine.id))


def chart_of(page: Page) -> Locator:
    return page.get_by_role("figure", name=re.compile("^Chart "))


def test_an_instrument_is_shown_with_what_ones_own_rules_look_at(product: Running, signed_in: Watched, market: Rule) -> None:
    fired = Alert(id=f"{market.id}-5", rule=market.id, user=USER, token=INFY.token, symbol=INFY.symbol, kind=Kind.ROLLING,
                  direction=Direction.UP, price_e4=14_000_000, reference_e4=13_700_000, percent_e2=219,
                  window_ms=5 * MINUTE_MS, time_ms=now_ms() - 40 * MINUTE_MS)  # fmt: skip
    product.store.record_alert(fired)
    page = signed_in.open("/instrument?symbol=NSE:INFY")
    expect(page.get_by_role("heading", name="NSE:INFY")).to_be_visible()
    chart = chart_of(page)
    expect(chart.locator("canvas").first).to_be_visible()
    # The lines may come after the minutes.
    expect(chart).to_have_attribute("aria-label", re.compile("Lines: .*mark, at "))
    told = chart.get_attribute("aria-label") or ""
    assert told.startswith(f"Chart of {MINUTES} minutes, from ")
    assert "Lines: Low of 5 min at 1,400.00; Rises 2 % within 5 min at 1,428.00." in told
    assert "1 marks" not in told and "1 mark, at " in told and "Rose 2.19 % within 5 min" in told
    # The other user's rule is nearer, and is nobody else's business.
    assert "0.75" not in page.get_by_test_id("stMain").inner_text() + told
    for text in ("₹1,400.00", "▲ +1.25 %", "₹1,412.35", "₹1,380.05", "₹1,382.70", "12,34,567"):
        expect(page.get_by_text(text, exact=True)).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="Rises 2 % within 5 min")).to_contain_text("▲ 2.00 % to ₹1,428.00")
    expect(page.get_by_role("link", name="Rose 2.19 % within 5 min")).to_have_attribute("href", f"/alerts?alert={fired.id}")
    signed_in.settle()
    signed_in.screenshot("instrument")
    light = chart.get_attribute("data-ground") or ""
    signed_in.show_as("dark")
    # It follows the change, without a rerun.
    expect(chart).not_to_have_attribute("data-ground", light)
    signed_in.screenshot("instrument-dark")
    signed_in.show_as("dark", PHONE)
    signed_in.settle()
    signed_in.screenshot("instrument-phone")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]


def test_the_newest_minute_follows_the_market_and_what_one_zoomed_to_stays(
    product: Running, signed_in: Watched, market: Rule
) -> None:
    page = signed_in.open("/instrument?symbol=nse:infy")
    chart = chart_of(page)
    expect(chart.locator("canvas").first).to_be_visible()
    product.quote({INFY.token: ("1405.05", "1.62")})
    expect(chart).to_have_attribute("aria-label", re.compile(r" Now 1,405\.05\.$"))
    expect(page.locator(".said")).to_contain_text("Close 1,405.05")
    chart.focus()
    for _ in range(6):
        page.keyboard.press("+", delay=60)
    # It zooms with the next frames.
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    seen = chart.get_attribute("data-bars")
    assert seen and float(seen) < MINUTES / 2
    # The whole page is drawn anew; meanwhile the oldest minute is not kept any more.
    product.redis.xtrim(SHARD.bars(INFY.token), maxlen=MINUTES - 1, approximate=False)
    page.get_by_role("textbox", name="Find an instrument").fill("no such one")
    page.get_by_role("textbox", name="Find an instrument").press("Enter")
    expect(page.get_by_text("No instrument matches")).to_be_visible()
    signed_in.settle()
    assert chart.get_attribute("data-bars") == seen


def test_an_instrument_is_found_by_name_watched_and_given_a_rule(product: Running, signed_in: Watched) -> None:
    page = signed_in.open("/instrument")
    expect(page.get_by_text("Find an instrument above")).to_be_visible()
    expect(page.get_by_role("link", name="NSE:STOCK001")).to_be_visible()
    product.store.save_instruments([QUIET])
    page.get_by_role("textbox", name="Find an instrument").fill("quiet lim")
    page.get_by_role("textbox", name="Find an instrument").press("Enter")
    expect(page.get_by_role("heading", name="NSE:QUIET")).to_be_visible()
    page.wait_for_url(re.compile(r"symbol=NSE(:|%3A)QUIET"))
    expect(page.get_by_text("No prices yet.")).to_be_visible()
    expect(page.get_by_text("No price yet.")).to_be_visible()
    expect(page.get_by_text("None of your rules is on it.")).to_be_visible()
    expect(page.get_by_text("None of your rules has fired on it yet.")).to_be_visible()
    signed_in.settle()
    signed_in.screenshot("instrument-new")
    page.get_by_role("button", name="Add to watchlist").click()
    expect(page.get_by_role("button", name="Remove from watchlist")).to_be_visible()
    assert product.store.watchlist(USER)[-1] == QUIET.token
    signed_in.settle()
    page.get_by_role("button", name="Remove from watchlist").click()
    expect(page.get_by_role("button", name="Add to watchlist")).to_be_visible()
    assert QUIET.token not in product.store.watchlist(USER)
    signed_in.settle()
    page.get_by_role("button", name="New rule").click()
    expect(page.get_by_role("dialog").get_by_role("combobox", name="Instrument")).to_have_value(re.compile("NSE:QUIET"))


def test_an_instrument_that_is_not_there_is_said_and_not_shown(signed_in: Watched) -> None:
    page = signed_in.open("/instrument?symbol=<b>NSE:NOTHING")
    expect(page.get_by_text("Kite lists no such instrument.")).to_be_visible()
    assert page.locator("canvas").count() == 0
