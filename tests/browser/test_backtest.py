"""Rules tried over recorded prices, in a real browser; the screenshots are in build/screenshots."""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from stormalert.market.days import day_began_ms
from stormalert.model import Direction, Kind, Rule, RuleState
from stormalert.redis import keys
from stormalert.units import HOUR_MS, MINUTE_MS, format_price
from tests.browser.running import INFY, USER, Running
from tests.browser.watching import PHONE, Watched

pytestmark = pytest.mark.browser

MINUTES = 200
# 09:16, the end of the first minute.
OPENED_MIN = 9 * 60 + 16


@pytest.fixture(autouse=True)
def todays_minutes(product: Running) -> Iterator[None]:
    """Up 1 % in the third minute of every ten, and down again in the eighth; yesterday closed at 1,000."""
    opened_ms = day_began_ms() + 9 * HOUR_MS + 15 * MINUTE_MS
    key = keys.Shard("s0").bars(INFY.token)
    product.redis.delete(key)
    product.redis.hset(keys.Shard("s0").quote(INFY.token), mapping={"close": "1000", "time": opened_ms})
    for minute in range(MINUTES):
        prices = {name: price(minute)[place] for place, name in enumerate(("open", "high", "low", "close"))}
        product.redis.xadd(key, prices, id=f"{opened_ms + minute * MINUTE_MS}-0")
    yield
    product.redis.delete(key)
    for rule in product.store.rules_of(USER):
        product.store.save_rule(rule.model_copy(update={"state": RuleState.DELETED}))


def price(minute: int) -> tuple[str, str, str, str]:
    before, now = (10_100_000 if 3 <= at % 10 < 8 else 10_000_000 for at in (minute - 1, minute))
    return (format_price(before), format_price(max(before, now)), format_price(min(before, now)), format_price(now))


def minute_file(days: int = 3, symbol: str = "INFY") -> bytes:
    lines = []
    for day in range(1, days + 1):
        for minute in range(MINUTES):
            label = OPENED_MIN + minute
            row = ",".join(price(minute))
            lines.append(f"{symbol},202206{day:02d},{label // 60:02d}:{label % 60:02d},{row},0,0")
    return "\n".join(lines).encode()


def open_backtest(watched: Watched) -> Page:
    page = watched.open("/backtest")
    watched.settle()
    expect(page.get_by_role("heading", name="Backtest", exact=True)).to_be_visible()
    return page


def type_rules(page: Page, *lines: str) -> None:
    area = page.get_by_role("textbox", name=re.compile("one a line|one rule a line"))
    area.fill("\n".join(lines))
    area.press("Control+Enter")


def upload(watched: Watched, content: bytes, name: str = "june.csv") -> None:
    page = watched.page
    page.get_by_text("A file", exact=True).click()
    # Its name is shown while it is still on its way.
    with page.expect_response(lambda answer: "upload_file" in answer.url and answer.request.method == "PUT"):
        page.locator('input[type="file"]').set_input_files({"name": name, "mimeType": "text/csv", "buffer": content})
    expect(page.get_by_text(name)).to_be_visible()
    watched.settle()


def run(watched: Watched) -> None:
    # What was typed may still move the button.
    watched.settle()
    watched.page.get_by_role("button", name="Run", exact=True).click()


def card(page: Page, text: str) -> str:
    found = page.locator(".tried div", has_text=text)
    expect(found).to_be_visible(timeout=120_000)
    return found.inner_text().splitlines()[0]


def test_a_rule_over_todays_minutes(signed_in: Watched, tmp_path: Path) -> None:
    page = open_backtest(signed_in)
    signed_in.screenshot("backtest-empty")
    type_rules(page, "NSE:INFY rolling up 1% 5m cooldown 6m")
    run(signed_in)
    assert card(page, "NSE:INFY: Rises 1 % within 5 min") == "20 alerts"
    expect(page.get_by_text("Over the minutes of today: 801 prices of 1 instrument.")).to_be_visible()
    expect(page.get_by_text("20 alerts", exact=True)).to_be_visible()
    expect(page.get_by_text("Alerts by hour")).to_be_visible()
    signed_in.settle()
    signed_in.screenshot("backtest-today")
    with page.expect_download() as download:
        page.get_by_test_id("stDownloadButton").get_by_role("button").click()
    download.value.save_as(tmp_path / "backtest.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "backtest.csv").read_text())))
    assert len(rows) == 20
    assert rows[0]["time_ist"].endswith(" 09:18:30") and rows[0]["instrument"] == "NSE:INFY"
    assert (rows[0]["direction"], rows[0]["price"], rows[0]["reference"]) == ("up", "1010.00", "1000.00")


def test_settings_are_compared_over_a_file(signed_in: Watched) -> None:
    page = open_backtest(signed_in)
    upload(signed_in, minute_file() + b"\n" + minute_file(symbol="TCS"))
    type_rules(
        page, "NSE:INFY rolling up 1% 5m cooldown 6m", "rolling 0.5% 3m", "NSE:INFY day up 1%", "NSE:NOTHING trailing 1%"
    )
    run(signed_in)
    assert card(page, "1 · NSE:INFY: Rises 1 % within 5 min") == "60 alerts"
    assert card(page, "2 · All in the file: Moves 0.5 % within 3 min") == "240 alerts"
    # Of the first day nobody knows the close before; a day rule rests for eight hours.
    assert card(page, "3 · NSE:INFY: Rises 1 % from the previous close") == "2 alerts"
    assert card(page, "4 · NSE:NOTHING") == "0 alerts"
    expect(page.get_by_text("1 rule was left out, because there are no prices of NSE:NOTHING.")).to_be_visible()
    expect(page.get_by_text("Over the prices of june.csv: 4,800 prices of 2 instruments.")).to_be_visible()
    expect(page.get_by_text("Alerts by day")).to_be_visible()
    for colours in ("light", "dark"):
        signed_in.show_as(colours)
        signed_in.settle()
        tall(signed_in, f"backtest-compared-{colours}")
    signed_in.show_as("light", PHONE)
    signed_in.settle()
    tall(signed_in, "backtest-phone")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]


def tall(watched: Watched, name: str) -> None:
    """The whole page: Streamlit scrolls inside of it."""
    size = watched.page.viewport_size
    assert size
    watched.page.set_viewport_size({"width": size["width"], "height": 2600})
    watched.page.wait_for_timeout(700)
    watched.screenshot(name)
    watched.page.set_viewport_size(size)


def test_ones_own_rules_and_all_of_them(product: Running, signed_in: Watched) -> None:
    for percent_e2 in (100, 200):
        product.store.save_rule(
            Rule(id=f"mine-{percent_e2}", user=USER, token=INFY.token, symbol=INFY.symbol, kind=Kind.TRAILING,
                 direction=Direction.DOWN, percent_e2=percent_e2)
        )  # fmt: skip
    page = open_backtest(signed_in)
    page.get_by_text("Some of my rules").click()
    page.get_by_role("combobox", name="My rules").click()
    page.get_by_role("option", name="Falls 2 % from its peak").click()
    page.keyboard.press("Escape")
    type_rules(page, "NSE:INFY trailing down 0.5% cooldown 0s")
    run(signed_in)
    assert card(page, "1 · NSE:INFY: Falls 2 %") == "0 alerts"
    assert card(page, "2 · NSE:INFY: Falls 0.5 %") == "20 alerts"
    page.get_by_text("All my rules").click()
    expect(page.get_by_text("2 rules", exact=True)).to_be_visible()
    run(signed_in)
    # It rests for a minute, and falls of 0.99 % are less than 1 %.
    assert card(page, "All my rules (2)") == "0 alerts"
    expect(page.get_by_text("No alert. Try a smaller percent")).to_be_visible()
    signed_in.screenshot("backtest-none")


def test_a_long_run_shows_how_far_it_is_and_can_be_cancelled(signed_in: Watched) -> None:
    page = open_backtest(signed_in)
    rows = "".join(f"{1_700_000_000_000 + n * 1_000},INFY,{1000 + n % 7}\n" for n in range(60_000))
    upload(signed_in, b"time,symbol,price\n" + rows.encode(), "ticks.csv")
    # Long by its rules: a long file would have to be sent and read first.
    type_rules(page, *(f"NSE:INFY rolling up {5 + number}% 24h" for number in range(6)))
    run(signed_in)
    expect(page.get_by_text(re.compile(r"Trying the rules · [1-9]"))).to_be_visible(timeout=120_000)
    signed_in.screenshot("backtest-running")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("The backtest was cancelled.")).to_be_visible()
    page.get_by_text("Today's minutes").click()
    type_rules(page, "NSE:INFY rolling up 5% 24h")
    run(signed_in)
    assert card(page, "Rises 5 % within 24 h") == "0 alerts"


def test_what_cannot_be_used_is_refused_with_line_and_reason(product: Running, signed_in: Watched) -> None:
    page = open_backtest(signed_in)
    alert = page.get_by_role("alert").filter(has_text=re.compile("."))
    run(signed_in)
    expect(alert).to_contain_text("Write a rule first")
    type_rules(page, "NSE:INFY rolling up 2%", "NSE:NOBODY trailing 1%")
    run(signed_in)
    expect(alert).to_contain_text("Line 1: found no window")
    expect(alert).to_contain_text("Line 2: found no instrument 'NSE:NOBODY'")
    type_rules(page, "NSE:INFY rolling up 2% 5m")
    upload(signed_in, b"INFY,20220601,09:16,1,2,0.5,1,0,0\nINFY,20220601,09:17,1,2,1.5,1\nwhat is this?\n", "bad <b>.csv")
    run(signed_in)
    expect(alert).to_contain_text("bad <b>.csv, line 2: open and close must lie between low and high, was '1,2,1.5,1'")
    expect(alert).to_contain_text("bad <b>.csv, line 3: expected symbol,YYYYMMDD")
    signed_in.screenshot("backtest-bad-file")
    product.end_ingest()
    page.get_by_text("Kite's candles").click()
    signed_in.settle()
    run(signed_in)
    expect(alert).to_contain_text("Ingest is not running, and only it can ask Kite for candles")
    product.report_feed()
    signed_in.screenshot("backtest-kite")
    product.redis.delete(keys.Shard("s0").bars(INFY.token))
    page.get_by_text("Today's minutes").click()
    signed_in.settle()
    run(signed_in)
    expect(alert).to_contain_text("There are no minutes of these instruments yet")
