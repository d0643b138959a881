"""Rules by the line, by the form and by the thousand, in a real browser; the screenshots are in build/screenshots."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from stormalert.access.security import new_id
from stormalert.market.days import day_began_ms
from stormalert.model import Direction, Kind, Mute, MuteScope, Repeat, Rule, RuleState
from stormalert.notify import preferences
from stormalert.notify.preferences import Loudness
from stormalert.redis import keys
from stormalert.units import HOUR_MS, MINUTE_MS, now_ms
from tests.browser.running import INFY, USER, Running, wait_until
from tests.browser.watching import DESK, PHONE, Watched

pytestmark = pytest.mark.browser

MANY = 3_000


def a_rule(name: str = "", **fields: object) -> Rule:
    """An id of its own each time: those of deleted rules are taken."""
    usual = {"user": USER, "token": INFY.token, "symbol": INFY.symbol, "kind": Kind.ROLLING, "direction": Direction.UP}
    return Rule.model_validate({"id": f"{name}{new_id()}", "percent_e2": 200, "window_ms": 300_000} | usual | fields)


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
    return page.get_by_role("textbox", name="A rule in one line")


def rows(page: Page) -> Locator:
    return page.get_by_role("table", name="Rules").locator("tbody tr")


def mark(page: Page, *texts: str) -> None:
    for text in texts:
        rows(page).filter(has_text=text).get_by_role("checkbox").check()
    expect(page.get_by_text("1 rule marked" if len(texts) == 1 else f"{len(texts)} rules marked")).to_be_visible()


def act(watched: Watched, name: str) -> Locator:
    # A script that still runs would close what is opened meanwhile.
    watched.settle()
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


def test_how_often_a_line_or_a_form_would_have_fired_is_said_before_it_is_made(
    product: Running, signed_in: Watched, page: Page
) -> None:
    for minute, price in enumerate(("1400.00", "1400.00", "1435.00", "1440.00")):
        prices = {"open": "1400.00", "high": price, "low": "1400.00", "close": price}
        at_ms = day_began_ms() + minute * MINUTE_MS
        product.redis.xadd(keys.Shard("s0").bars(INFY.token), prices, id=f"{at_ms}-1")  # type: ignore[arg-type]
    line(page).fill("NSE:INFY rolling up 2% 5m once")
    expect(page.get_by_role("status").filter(has_text="Would have fired once today, at 00:02.")).to_be_visible()
    signed_in.settle()
    signed_in.screenshot("rules-preview")
    dialog = act(signed_in, "New rule")
    dialog.get_by_role("textbox", name="Find an instrument").fill("INFY")
    dialog.get_by_role("textbox", name="Find an instrument").press("Enter")
    expect(dialog.get_by_role("status")).to_contain_text("Would have fired")
    dialog.get_by_role("textbox", name="Percent").fill("50")
    dialog.get_by_role("textbox", name="Percent").press("Enter")
    expect(dialog.get_by_role("status")).to_have_text("Would not have fired today.")
    signed_in.screenshot("rules-form-preview")
    product.redis.delete(keys.Shard("s0").bars(INFY.token))


def test_a_line_that_does_not_fit_is_told_in_a_sentence_with_what_may_be_meant(
    product: Running, signed_in: Watched, page: Page
) -> None:
    line(page).fill("INFI rolling up 2% 5m")
    told = page.get_by_role("status")
    expect(told.filter(has_text="Found 'INFI' in the place of an instrument, expected exchange and symbol")).to_be_visible()
    signed_in.screenshot("rules-line-refused")
    page.get_by_role("button", name="NSE:INFY", exact=True).click()
    expect(told.filter(has_text="Rises 2 % within 5 min on NSE:INFY.")).to_be_visible()
    line(page).fill("NSE:INFY, NSE:STOCK007 rolling up 2%")
    expect(told.filter(has_text="Found no window, expected one such as 5m")).to_be_visible()
    line(page).fill("<img src=x> rolling up 2% 5m")
    expect(told.filter(has_text="Found '<img src=x>'")).to_be_visible()
    line(page).fill("")
    page.get_by_role("button", name="watchlist rolling down 2% 10m").click()
    expect(told.filter(has_text="Falls 2 % within 10 min on every instrument of your watchlist.")).to_be_visible()
    assert saved(product) == []


def test_a_row_shows_the_state_and_the_distance_and_keeps_its_mark_while_they_change(
    product: Running, signed_in: Watched
) -> None:
    move, _ = product.store.save_rules([a_rule(), a_rule(state=RuleState.PAUSED, percent_e2=300)])
    wait_until(lambda: product.engine_state(move.id) == "armed")
    product.tick("1400.00")
    page = open_rules(signed_in)
    moving = rows(page).filter(has_text="Rises 2 %")
    expect(moving).to_contain_text("Armed")
    expect(moving).to_contain_text("2.00 % to ₹1,428.00")
    expect(rows(page).filter(has_text="Rises 3 %")).to_contain_text("Paused")
    mark(page, "Rises 2 %")
    product.tick("1414.00")
    expect(moving).to_contain_text("0.99 % to ₹1,428.00")
    expect(moving.get_by_role("checkbox")).to_be_checked()
    expect(page.get_by_text("1 rule marked")).to_be_visible()
    product.tick("1428.00")
    expect(moving).to_contain_text("Cooling down until")
    signed_in.screenshot("rules-states")
    signed_in.show_as("dark")
    signed_in.screenshot("rules-states-dark")
    signed_in.show_as("dark", PHONE)
    signed_in.settle()
    signed_in.screenshot("rules-states-phone")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]


def test_the_form_makes_rules_on_a_list_and_names_what_is_unknown(product: Running, signed_in: Watched, page: Page) -> None:
    dialog = act(signed_in, "New rule")
    dialog.get_by_role("radio", name="Several").click()
    area = dialog.get_by_role("textbox", name="Or paste symbols")
    area.fill("NSE:STOCK001, stock002\nNSE:NOTHING NSE:STOCK003")
    area.press("Control+Enter")
    expect(dialog.get_by_text("3 instruments, unknown: NSE:NOTHING")).to_be_visible()
    signed_in.settle()
    dialog.get_by_role("button", name="Save rule").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Kite lists no instrument NSE:NOTHING")
    signed_in.screenshot("rules-form-list")
    signed_in.show_as("dark", PHONE)
    signed_in.screenshot("rules-form-phone")
    signed_in.show_as("light", DESK)
    assert saved(product) == []
    area.fill("NSE:STOCK001, stock002\nNSE:STOCK003")
    area.press("Control+Enter")
    expect(dialog.get_by_text("3 instruments", exact=True)).to_be_visible()
    signed_in.settle()
    dialog.get_by_role("button", name="Save rule").click()
    expect(dialog).to_have_count(0)
    assert [rule.symbol for rule in saved(product)] == ["NSE:STOCK001", "NSE:STOCK002", "NSE:STOCK003"]


def test_many_are_edited_at_once_or_none_and_what_does_not_fit_is_named(product: Running, signed_in: Watched) -> None:
    fitting = [a_rule("a"), a_rule("b", percent_e2=300, state=RuleState.PAUSED, direction=Direction.BOTH)]
    level = a_rule("c", kind=Kind.LEVEL, percent_e2=0, price_e4=15_000_000, window_ms=0)
    before = product.store.save_rules([*fitting, level])
    page = open_rules(signed_in)
    mark(page, "Rises 2 %", "Moves 3 %", "Rises to")
    dialog = act(signed_in, "Edit")
    dialog.get_by_role("button", name="Percent").click()
    dialog.get_by_role("button", name="Within").click()
    dialog.get_by_role("textbox", name="Percent").fill("0.75")
    signed_in.settle()
    dialog.get_by_role("button", name="Save rules").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Nothing was changed: it does not fit 1 of 3.")
    expect(dialog.get_by_text("percent must be empty for a level rule, was '0.75%'")).to_be_visible()
    signed_in.screenshot("rules-bulk-edit")
    signed_in.show_as("dark", PHONE)
    signed_in.screenshot("rules-bulk-edit-phone")
    signed_in.show_as("light", DESK)
    assert saved(product) == before
    dialog.get_by_text("Leave out those that it does not fit").click()
    signed_in.settle()
    dialog.get_by_role("button", name="Save rules").click()
    expect(page.get_by_text("2 rules changed. 1 left out.")).to_be_visible()
    assert [(it.percent_e2, it.window_ms, it.cooldown_ms, it.direction, it.state) for it in saved(product)] == [
        (75, 300_000, 300_000, "up", "active"),
        (75, 300_000, 300_000, "both", "paused"),
        (0, 0, 60_000, "up", "active"),
    ]


def test_rules_are_duplicated_onto_other_instruments_and_onto_their_own_as_paused_ones(
    product: Running, signed_in: Watched
) -> None:
    product.store.save_rules([a_rule("a"), a_rule("b", percent_e2=300, repeat=Repeat.ONCE)])
    page = open_rules(signed_in)
    mark(page, "Rises 2 %", "Rises 3 %")
    dialog = act(signed_in, "Duplicate")
    dialog.get_by_role("radio", name="Other instruments").click()
    dialog.get_by_role("textbox", name="Or paste symbols").fill("NSE:STOCK001, NSE:STOCK002")
    dialog.get_by_role("textbox", name="Or paste symbols").press("Control+Enter")
    expect(dialog.get_by_text("2 instruments")).to_be_visible()
    signed_in.screenshot("rules-duplicate")
    signed_in.settle()
    dialog.locator(".st-key-confirm-duplication button").click()
    expect(page.get_by_text("4 rules made.")).to_be_visible()
    expect(rows(page)).to_have_count(6)
    # A table that is still drawn anew would not hear a click.
    signed_in.settle()
    # They are still marked.
    rows(page).filter(has_text="NSE:INFYRises 3 %").get_by_role("checkbox").uncheck()
    expect(page.get_by_text("1 rule marked")).to_be_visible()
    dialog = act(signed_in, "Duplicate")
    expect(dialog).to_be_visible()
    signed_in.settle()
    dialog.locator(".st-key-confirm-duplication button").click()
    expect(page.get_by_text("1 rule made, paused.")).to_be_visible()
    assert sorted((it.symbol, it.percent_e2, str(it.repeat), str(it.state)) for it in saved(product)) == [
        ("NSE:INFY", 200, "every", "active"),
        ("NSE:INFY", 200, "every", "paused"),
        ("NSE:INFY", 300, "once", "active"),
        ("NSE:STOCK001", 200, "every", "active"),
        ("NSE:STOCK001", 300, "once", "active"),
        ("NSE:STOCK002", 200, "every", "active"),
        ("NSE:STOCK002", 300, "once", "active"),
    ]


def test_thousands_are_paged_found_and_taken_all_at_once(product: Running, signed_in: Watched) -> None:
    rules = [
        a_rule(
            f"many{number:04d}-", token=1001 + number % 300, symbol=f"NSE:STOCK{1 + number % 300:03d}", percent_e2=100 + number
        )
        for number in range(MANY)
    ]
    product.store.save_rules(rules)
    page = open_rules(signed_in)
    expect(page.get_by_text("3,000 rules", exact=False).first).to_be_visible()
    expect(rows(page)).to_have_count(50)
    in_order = [rule.symbol for rule in saved(product)]
    signed_in.screenshot("rules-many")
    page.get_by_role("button", name="Next").click()
    expect(rows(page).nth(0)).to_contain_text(in_order[50])
    expect(page).to_have_url(re.compile("after="))
    # As from a bookmark.
    page.reload()
    signed_in.settle()
    expect(rows(page).nth(0)).to_contain_text(in_order[50])
    page.get_by_role("button", name="Previous").click()
    expect(rows(page).nth(0)).to_contain_text(in_order[0])
    page.get_by_role("searchbox", name="Find").press_sequentially("stock01")
    expect(page.get_by_text("100 rules match")).to_be_visible()
    expect(page).to_have_url(re.compile("find=stock01"))
    signed_in.settle()
    page.get_by_role("button", name="Take all 100 that match").click()
    expect(page.get_by_text("All 100 rules that match")).to_be_visible()
    signed_in.settle()
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(page.get_by_text("100 rules paused.")).to_be_visible()
    assert {it.symbol[:11] for it in saved(product) if it.state is RuleState.PAUSED} == {"NSE:STOCK01"}
    page = open_rules(signed_in, "?state=Watching")
    expect(page.get_by_text("2,900 rules match")).to_be_visible()
    signed_in.settle()
    page.get_by_role("button", name="Take all 2,900 that match").click()
    expect(page.get_by_text("All 2,900 rules that match")).to_be_visible()
    signed_in.settle()
    page.get_by_role("button", name="Re-arm").click()
    expect(page.get_by_text("2,900 rules re-armed.")).to_be_visible()
    # Whoever takes so many says so each time.
    expect(page.get_by_text("All 2,900 rules that match")).to_have_count(0)
    signed_in.settle()
    page.get_by_role("button", name="Take all 2,900 that match").click()
    dialog = act(signed_in, "Delete")
    expect(dialog.get_by_text("And 2,890 more.")).to_be_visible()
    signed_in.screenshot("rules-delete")
    dialog.get_by_role("button", name="Delete 2,900 rules").click()
    expect(page.get_by_text("2,900 rules deleted.")).to_be_visible()
    assert product.store.count_rules(USER) == 100


def test_keys_alone_mark_open_and_change_rules(product: Running, signed_in: Watched) -> None:
    product.store.save_rules([a_rule(percent_e2=percent_e2) for percent_e2 in (300, 200, 100)])
    page = open_rules(signed_in, "?order=Newest+change")
    boxes = rows(page).get_by_role("checkbox")
    boxes.first.focus()
    page.keyboard.press("ArrowDown")
    expect(boxes.nth(1)).to_be_focused()
    page.keyboard.press("Shift+ArrowDown")
    expect(page.get_by_text("2 rules marked")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Space")
    expect(page.get_by_text("1 rule marked")).to_be_visible()
    signed_in.settle()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("textbox", name="Percent")).to_have_value("3%")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page.get_by_text("1 rule marked")).to_be_visible()


def test_rules_of_others_are_never_shown_nor_changed(product: Running, signed_in: Watched) -> None:
    theirs = product.store.save_rule(a_rule("theirs", user="u-ravi", symbol="NSE:SECRET"))
    mine = product.store.save_rule(a_rule("mine"))
    page = open_rules(signed_in, f"?find=secret&after=NSE:AAA~{theirs.id}")
    expect(page.get_by_text("No rule is here.")).to_be_visible()
    expect(page.get_by_text("NSE:SECRET")).to_have_count(0)
    page = open_rules(signed_in)
    expect(rows(page)).to_have_count(1)
    page.get_by_role("checkbox", name="Mark all on this page").click()
    expect(page.get_by_text("1 rule marked")).to_be_visible()
    signed_in.settle()
    dialog = act(signed_in, "Delete")
    dialog.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("1 rule deleted.")).to_be_visible()
    assert product.store.rule(theirs.id) == theirs
    now = product.store.rule(mine.id)
    assert now and now.state is RuleState.DELETED


def test_messages_and_snooze_are_for_all_that_are_marked(product: Running, signed_in: Watched) -> None:
    first, second = product.store.save_rules([a_rule(), a_rule(percent_e2=300)])
    page = open_rules(signed_in)
    mark(page, "Rises 2 %", "Rises 3 %")
    signed_in.settle()
    dialog = act(signed_in, "Messages")
    dialog.get_by_text("None, history only").click()
    signed_in.settle()
    dialog.get_by_role("button", name="Save messages").click()
    expect(page.get_by_text("Messages of 2 rules saved.")).to_be_visible()
    assert {preferences.of_rule(product.store, it.id).loudness for it in (first, second)} == {Loudness.OFF}
    expect(rows(page).filter(has_text="no messages")).to_have_count(2)
    signed_in.settle()
    act(signed_in, "Snooze").get_by_role("button", name="1 hour").click()
    expect(rows(page).filter(has_text="snoozed until")).to_have_count(2)
    assert len(product.store.mutes_of(USER, now_ms())) == 2
    signed_in.settle()
    page.locator(".st-key-unmute-marked button").click()
    wait_until(lambda: product.store.mutes_of(USER, now_ms()) == [])
    # Nothing of it armed them anew.
    assert {it.revision for it in saved(product)} == {1}


def test_a_snooze_from_elsewhere_appears_on_the_open_page_and_goes_with_its_end(product: Running, signed_in: Watched) -> None:
    product.store.save_rule(a_rule())
    page = open_rules(signed_in)
    expect(rows(page)).to_have_count(1)
    # As the bot does for /snooze.
    mute = Mute.of(USER, MuteScope.ALL, until_ms=now_ms() + HOUR_MS)
    product.store.save_mute(mute)
    expect(page.get_by_text("You snoozed all alerts until")).to_be_visible()
    expect(rows(page).filter(has_text="snoozed until")).to_have_count(1)
    product.store.delete_mute(mute.id)
    expect(page.get_by_text("You snoozed all alerts until")).to_have_count(0)
    expect(rows(page).filter(has_text="snoozed until")).to_have_count(0)
