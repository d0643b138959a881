"""The history of alerts and one alert as a whole, in a real browser; the screenshots are in build/screenshots."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from stormalert.model import (
    Alert,
    Channel,
    ChannelKind,
    Delivery,
    DeliveryState,
    Direction,
    Kind,
    MuteScope,
    Rule,
    RuleState,
)
from stormalert.units import DAY_MS, HOUR_MS, MINUTE_MS, now_ms
from tests.browser.running import INFY, USER, Running, wait_until
from tests.browser.test_instrument import add_bars
from tests.browser.watching import PHONE, Watched

pytestmark = pytest.mark.browser

PAGE = 25
MANY = 60


def an_alert(alert_id: str, **fields: object) -> Alert:
    usual: dict[str, object] = {
        "id": alert_id, "rule": "falls", "user": USER, "token": INFY.token, "symbol": INFY.symbol, "kind": Kind.ROLLING,
        "direction": Direction.DOWN, "price_e4": 13_845_500, "reference_e4": 14_140_000, "percent_e2": 200,
        "window_ms": 5 * MINUTE_MS, "time_ms": now_ms(),
    }  # fmt: skip
    return Alert.model_validate(usual | fields)


def a_delivery(alert: Alert, channel: Channel, state: DeliveryState, **fields: object) -> Delivery:
    usual: dict[str, object] = {
        "id": f"{alert.id}-{channel.id}", "alert": alert.id, "user": alert.user, "channel": channel.id,
        "channel_kind": channel.kind, "state": state, "queued_ms": alert.time_ms + 200, "updated_ms": alert.time_ms + 900,
    }  # fmt: skip
    return Delivery.model_validate(usual | fields)


@pytest.fixture(scope="module")
def history(product: Running) -> Iterator[Alert]:
    """The newest alert of many: what it was, with messages that fared differently; its minutes are there."""
    store, now = product.store, now_ms()
    store.save_rule(
        Rule(id="falls", user=USER, token=INFY.token, symbol=INFY.symbol, kind=Kind.ROLLING, direction=Direction.DOWN,
             percent_e2=200, window_ms=5 * MINUTE_MS)
    )  # fmt: skip
    hook = Channel(id="c-hook", user=USER, kind=ChannelKind.WEBHOOK, address="https://example.com/hook")
    mail = Channel(id="c-mail", user=USER, kind=ChannelKind.EMAIL, address="asha@example.com")
    chat = Channel(id="c-chat", user=USER, kind=ChannelKind.TELEGRAM, address="42", is_verified=False)
    for channel in (hook, mail, chat):
        store.save_channel(channel)
    for place in range(MANY):
        is_up = place % 2
        old = an_alert(
            f"old-{place}", rule="other", token=1001 + place % 2, symbol=f"NSE:STOCK00{1 + is_up}", kind=Kind.DAY,
            direction=Direction.UP if is_up else Direction.DOWN, window_ms=0, time_ms=now - 5 * DAY_MS - place * MINUTE_MS,
        )  # fmt: skip
        store.record_alert(old)
    newest = an_alert("falls-1", time_ms=now - 30 * MINUTE_MS)
    store.record_alert(newest)
    store.record_alert(an_alert("secret-1", user="u-other", symbol="NSE:SECRET"))
    store.save_delivery(a_delivery(newest, hook, DeliveryState.FAILED, reason="gave up: connection refused", attempts=3))
    store.save_delivery(a_delivery(newest, mail, DeliveryState.SENT))
    add_bars(product, now)
    yield newest
    for each in (hook, mail, chat):
        store.delete_channel(each.id)


def rows(page: Page) -> Locator:
    return page.locator(".alerts tbody tr")


def test_the_history_is_paged_and_the_page_is_in_the_address(signed_in: Watched, history: Alert) -> None:
    page = signed_in.open("/alerts")
    expect(rows(page)).to_have_count(PAGE)
    expect(rows(page).first).to_contain_text("NSE:INFY")
    expect(rows(page).first).to_contain_text("Webhook failed")
    expect(rows(page).first).to_contain_text("Telegram not sent: it is not verified")
    assert page.get_by_text("NSE:SECRET").count() == 0
    signed_in.settle()
    signed_in.screenshot("alerts")
    page.get_by_role("button", name="Older").click()
    expect(rows(page).first).to_contain_text("NSE:STOCK001")
    page.wait_for_url(re.compile(r"after=\d+~old-23|after=\d+%7Eold-23"))
    older = page.url
    seen = rows(page).all_inner_texts()
    page.get_by_role("button", name="Older").click()
    expect(rows(page)).to_have_count(MANY + 1 - 2 * PAGE)
    expect(page.get_by_role("button", name="Older")).to_be_disabled()
    page.get_by_role("button", name="Newer").click()
    expect(rows(page)).to_have_count(PAGE)
    signed_in.settle()
    assert rows(page).all_inner_texts() == seen
    # A bookmark opens the same page.
    page.goto(older)
    expect(rows(page)).to_have_count(PAGE)
    assert rows(page).all_inner_texts() == seen


def test_what_is_looked_for_is_in_the_address(signed_in: Watched, history: Alert) -> None:
    page = signed_in.open("/alerts")
    expect(rows(page)).to_have_count(PAGE)
    page.get_by_role("searchbox", name="Find").fill("infosys")
    expect(rows(page)).to_have_count(1)
    page.wait_for_url(re.compile("find=infosys"))
    page.get_by_role("searchbox", name="Find").fill("no such thing")
    expect(page.get_by_text("No alert is like that.")).to_be_visible()
    for query, count in (
        ("?failed=true", 1),
        ("?direction=Rose", PAGE),
        ("?kind=Move+within+a+time", 1),
        ("?rule=falls", 1),
        ("?find=STOCK001&direction=Rose", 0),
        ("?rule=<b>&kind=nonsense&from=never&after=x", PAGE),
    ):
        signed_in.open(f"/alerts{query}")
        signed_in.settle()
        expect(rows(page)).to_have_count(count)
    signed_in.open("/alerts?rule=falls")
    page.get_by_role("button", name="Of any rule").click()
    expect(rows(page)).to_have_count(PAGE)


def test_alerts_can_be_narrowed_to_a_time_in_india(signed_in: Watched, history: Alert) -> None:
    page = signed_in.open("/alerts?from=2020-01-01T09:15&to=2020-01-02T09:15")
    expect(page.get_by_text("No alert is like that.")).to_be_visible()
    signed_in.open("/alerts?from=2020-01-01T09:15")
    expect(rows(page)).to_have_count(PAGE)


def test_an_alert_opens_to_its_chart_its_rule_and_what_became_of_each_message(
    product: Running, signed_in: Watched, history: Alert
) -> None:
    page = signed_in.open("/alerts")
    page.get_by_role("link", name="NSE:INFY").first.click()
    page.wait_for_url(re.compile("alert=falls-1"))
    expect(page.get_by_role("heading", name="NSE:INFY")).to_be_visible()
    chart = page.get_by_role("figure", name=re.compile("^Chart "))
    expect(chart.locator("canvas").first).to_be_visible()
    for line in ("Fired at 1,384.55", "Threshold at 1,385.72", "High of 5 min at 1,414.00", "Fell 2.08 % within 5 min"):
        expect(chart).to_have_attribute("aria-label", re.compile(re.escape(line)))
    for text in ("₹1,414.00", "₹1,385.72", "₹1,384.55", "-2.08 %", "It went out by E-mail. 2 others did not send it."):
        expect(page.get_by_text(text, exact=True)).to_be_visible()
    history_rows = page.locator(".history > li")
    expect(history_rows.filter(has_text="Webhook")).to_contain_text("failed: gave up: connection refused")
    expect(history_rows.filter(has_text="E-mail")).to_contain_text("sent, 0.9 s after the tick")
    expect(history_rows.filter(has_text="Telegram")).to_contain_text("not sent: it is not verified")
    expect(page.get_by_text("Falls 2 % within 5 min on NSE:INFY. Every time, pause 5 min.")).to_be_visible()
    expect(page.get_by_text("NSE:INFY rolling down 2% 5m")).to_be_visible()
    signed_in.settle()
    signed_in.screenshot("alert")
    signed_in.show_as("dark")
    signed_in.settle()
    signed_in.screenshot("alert-dark")
    signed_in.show_as("dark", PHONE)
    signed_in.settle()
    signed_in.screenshot("alert-phone")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]


def test_the_rule_of_an_alert_is_paused_resumed_and_snoozed_from_it(
    product: Running, signed_in: Watched, history: Alert
) -> None:
    page = signed_in.open(f"/alerts?alert={history.id}")

    def state() -> RuleState | None:
        rule = product.store.rule("falls")
        return rule.state if rule else None

    page.get_by_role("button", name="Pause rule").click()
    wait_until(lambda: state() is RuleState.PAUSED)
    signed_in.settle()
    page.get_by_role("button", name="Resume rule").click()
    wait_until(lambda: state() is RuleState.ACTIVE)
    expect(page.get_by_role("button", name="Pause rule")).to_be_visible()
    signed_in.settle()
    page.get_by_role("button", name="Snooze").click()
    page.get_by_role("dialog").get_by_role("button", name="1 hour").click()
    wait_until(lambda: [it.scope for it in product.store.mutes_of(USER, now_ms())] == [MuteScope.RULE])
    signed_in.settle()
    page.get_by_role("button", name="Unmute").click()
    wait_until(lambda: product.store.mutes_of(USER, now_ms()) == [])


def test_an_alert_whose_minutes_are_gone_says_so(product: Running, signed_in: Watched, history: Alert) -> None:
    product.end_ingest()
    page = signed_in.open("/alerts?alert=old-1")
    expect(page.get_by_text("The minutes around it are not kept any more")).to_be_visible()
    expect(page.get_by_text("The rule is not there any more.")).to_be_visible()
    assert page.locator("canvas").count() == 0
    signed_in.settle()
    signed_in.screenshot("alert-old")
    page.get_by_role("button", name="Ask Kite for them").click()
    expect(page.get_by_text("Ingest is not running")).to_be_visible()
    product.report_feed()


@pytest.mark.parametrize("alert", ["secret-1", "no-such-1", "<b>x</b>"])
def test_another_users_alert_is_not_there(signed_in: Watched, history: Alert, alert: str) -> None:
    page = signed_in.open(f"/alerts?alert={alert}")
    expect(page.get_by_text("There is no such alert among yours.")).to_be_visible()
    assert "SECRET" not in page.get_by_test_id("stMain").inner_text()


def test_what_failed_is_sent_again_from_the_alert(product: Running, signed_in: Watched, history: Alert) -> None:
    page = signed_in.open(f"/alerts?alert={history.id}")
    page.get_by_role("button", name="Send the message that failed again").click()
    expect(page.get_by_text("asked for again")).to_be_visible()
    saved = product.store.delivery(f"{history.id}-c-hook")
    assert saved and saved.state is DeliveryState.QUEUED


def test_what_is_no_news_any_more_is_not_offered_to_be_sent_again(product: Running, signed_in: Watched, history: Alert) -> None:
    stale = an_alert("stale-1", time_ms=now_ms() - 2 * HOUR_MS)
    hook = Channel(id="c-hook", user=USER, kind=ChannelKind.WEBHOOK, address="https://example.com/hook")
    product.store.record_fired([stale], [a_delivery(stale, hook, DeliveryState.FAILED, reason="gave up: connection refused")])
    page = signed_in.open(f"/alerts?alert={stale.id}")
    expect(page.get_by_text("What failed is more than an hour old")).to_be_visible()
    assert page.get_by_role("button", name=re.compile("failed again")).count() == 0
