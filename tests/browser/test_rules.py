"""Rules by the line, by the form and by the thousand, in a real browser; the screenshots are in build/screenshots."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from stormalert import wishes
from stormalert.model import Direction, Kind, Repeat, Rule, RuleFilter, RuleState
from stormalert.security import hash_password
from stormalert.units import now_ms
from stormalert.wishes import Loudness
from tests.browser.running import INFY, USER, Running, wait_until
from tests.browser.watching import DESK, PHONE, Watched

pytestmark = pytest.mark.browser

MANY = 3_000


def a_rule(rule_id: str, **fields: object) -> Rule:
    usual = {"user": USER, "token": INFY.token, "symbol": INFY.symbol, "kind": Kind.ROLLING, "direction": Direction.UP}
    return Rule.model_validate({"id": rule_id, "percent_e2": 200, "window_ms": 300_000} | usual | fields)


@pytest.fixture(autouse=True)
def no_rules(product: Running) -> Iterator[None]:
    """Every test begins and ends without a rule of the user's."""
    yield
    rules = product.store.rules_of(USER, limit=MANY * 3)
    product.store.save_rules([rule.model_copy(update={"state": RuleState.DELETED}) for rule in rules])


@pytest.fixture
def page(signed_in: Watched) -> Page:
    return open_rules(signed_in)


def open_rules(watched: Watched, query: str = "") -> Page:
    page = watched.open(f"/rules{query}")
    watched.settle()
    expect(page.get_by_role("heading", name="Rules", exact=True)).to_be_visible()
    return page


def line(page: Page) -> Locator:
    return page.get_by_role("textbox", name="New rule in one line")


def rows(page: Page) -> Locator:
    return page.get_by_role("table", name="Rules").locator("tbody tr")


def mark(page: Page, *texts: str) -> None:
    for text in texts:
        rows(page).filter(has_text=text).get_by_role("checkbox").click()
    expect(page.get_by_text("1 rule marked" if len(texts) == 1 else f"{len(texts)} rules marked")).to_be_visible()


def act(watched: Watched, name: str) -> Locator:
    watched.page.get_by_role("button", name=name, exact=True).click()
    return watched.page.get_by_role("dialog")


def saved(product: Running) -> list[Rule]:
    return product.store.rules_by_symbol(USER, limit=MANY * 3)


def test_a_line_says_what_it_means_and_makes_the_rule(product: Running, signed_in: Watched, page: Page) -> None:
    expect(page.get_by_text("No rules yet.")).to_be_visible()
    signed_in.screenshot("rules-empty")
    line(page).press_sequentially("NSE:INFY rolling up 2% 5m")
    expect(page.get_by_role("status").filter(has_text="Rises 2 % within 5 min on NSE:INFY.")).to_be_visible()
    signed_in.screenshot("rules-line")
    page.get_by_role("button", name="Make rule").click()
    expect(rows(page)).to_have_count(1)
    expect(line(page)).to_have_value("")
    (rule,) = saved(product)
    assert (rule.symbol, rule.direction, rule.percent_e2, rule.window_ms) == ("NSE:INFY", Direction.UP, 200, 300_000)
