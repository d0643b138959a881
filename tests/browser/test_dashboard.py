"""What a trader sees and does, in a real browser; the screenshots are in build/screenshots."""

import re

import pytest
from playwright.sync_api import Locator, Page, WebSocketRoute, expect

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
from stormalert.notify import preferences, templates
from stormalert.notify.preferences import Burst, Loudness
from stormalert.redis import keys
from stormalert.units import now_ms
from tests.browser.running import NAME, PASSWORD, USER, Running, wait_until
from tests.browser.watching import Watched

pytestmark = pytest.mark.browser


def row(page: Page, symbol: str) -> Locator:
    return page.locator("tr", has=page.get_by_text(symbol, exact=True))


def test_a_wrong_password_is_refused_in_one_sentence_and_the_right_one_opens_the_live_page(browser: Watched) -> None:
    browser.expected.add("401 /login")
    page = browser.open("/")
    expect(page).to_have_title(re.compile("Sign in"))
    browser.screenshot("sign-in")
    browser.send_sign_in(NAME, "wrong password")
    expect(page.get_by_role("alert")).to_have_text("The name or the password is wrong.")
    browser.send_sign_in(NAME, PASSWORD)
    expect(page.get_by_role("heading", name="Live")).to_be_visible()


def test_prices_and_alerts_arrive_without_a_rerun(product: Running, live: Watched) -> None:
    page = live.page
    expect(page.get_by_text("Streaming")).to_be_visible()
    expect(page.get_by_text("500 instruments", exact=False)).to_be_visible()
    opened = len(live.sockets)
    product.quote({408065: ("123456.75", "-1.25")})
    expect(page.get_by_text("1,23,456.75")).to_be_visible()
    expect(row(page, "NSE:INFY")).to_contain_text("-1.25 %")
    product.fire(price="1384.55")
    alert = page.get_by_role("listitem").filter(has_text="₹1,384.55 from ₹1,412.81")
    expect(alert).to_contain_text("NSE:INFY Fell 2 % within 5 min")
    live.screenshot("live")
    assert len(live.sockets) == opened


def test_what_comes_from_outside_is_text(product: Running, live: Watched) -> None:
    product.fire(symbol="<img src=x onerror=alert(1)>")
    expect(live.page.get_by_text("<img src=x onerror=alert(1)>")).to_be_visible()
    assert live.page.locator('img[src="x"]').count() == 0


def test_alerts_of_others_are_not_shown(product: Running, live: Watched) -> None:
    product.fire(symbol="NSE:SECRET", user="u-somebody")
    product.fire(symbol="NSE:MINE")
    expect(live.page.get_by_text("NSE:MINE")).to_be_visible()
    expect(live.page.get_by_text("NSE:SECRET")).to_have_count(0)


def test_prices_can_be_filtered_and_sorted(product: Running, live: Watched) -> None:
    page = live.page
    page.get_by_label("Filter instruments").fill("infy")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_label("Filter instruments").fill("")
    expect(page.locator("tbody tr")).to_have_count(len(product.tokens))
    product.quote({1007: ("10.00", "19.99")})
    expect(page.get_by_text("+19.99 %")).to_be_attached()
    page.get_by_role("button", name="Change").click()
    expect(page.locator("tbody tr").first).to_contain_text("NSE:STOCK007")


def test_a_feed_that_needs_a_login_says_so(product: Running, live: Watched) -> None:
    product.report_feed("login_needed", "the access token has expired")
    expect(live.page.get_by_text("Login needed ·")).to_be_visible()
    expect(live.page.get_by_text("the access token has expired")).to_be_visible()
    product.report_feed()
    expect(live.page.get_by_text("Streaming")).to_be_visible()


def test_a_feed_that_no_ingest_tells_of_is_not_said_to_stream(product: Running, signed_in: Watched) -> None:
    page = signed_in.open("/admin?part=Kite")
    expect(page.get_by_text("900 ticks/s", exact=False)).to_be_visible()
    product.end_ingest()
    expect(page.get_by_text("ingest is not running", exact=True)).to_be_visible()
    expect(page.get_by_text("Streaming")).to_have_count(0)
    expect(page.get_by_text("ticks/s", exact=False)).to_have_count(0)
    signed_in.open("/")
    expect(page.get_by_text("ingest is not running: no prices come.")).to_be_visible()
    expect(page.get_by_text("Streaming")).to_have_count(0)
    product.report_feed()
    expect(page.get_by_text("Streaming")).to_be_visible()


def test_the_feeds_page_shows_gaps_troubles_and_refused_packets(product: Running, signed_in: Watched) -> None:
    product.redis.hset(keys.FEED, mapping={"trouble": "3 instruments are left out", "refused_repeat": 1_200})
    product.redis.xadd(keys.GAPS, {"from": now_ms() - 6_000, "to": now_ms(), "reason": "mute <b>", "lost": 40})
    page = signed_in.open("/admin?part=Kite")
    expect(page.get_by_text("3 instruments are left out")).to_be_visible()
    expect(page.get_by_text("Packets that are no ticks: 1,200 repeats.")).to_be_visible()
    signed_in.settle()
    page.get_by_text("Gaps: newest").click()
    expect(page.get_by_role("listitem").filter(has_text="(6 s): mute <b>, 40 prices lost")).to_be_visible()
    product.redis.hdel(keys.FEED, "trouble", "refused_repeat")


def test_a_rule_made_in_the_form_fires(product: Running, signed_in: Watched) -> None:
    page = signed_in.open("/rules")
    signed_in.settle()
    page.get_by_role("button", name="New rule").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Find an instrument").fill("INFY")
    dialog.get_by_role("textbox", name="Find an instrument").press("Enter")
    expect(dialog.get_by_role("combobox", name="Instrument")).to_have_value("NSE:INFY · INFOSYS")
    signed_in.settle()
    dialog.get_by_role("textbox", name="Percent").fill("two")
    dialog.get_by_role("button", name="Save rule").click()
    expect(dialog.get_by_role("alert")).to_contain_text("was 'two'")
    signed_in.screenshot("rule-refused")
    dialog.get_by_role("textbox", name="Percent").fill("1.5")
    dialog.get_by_role("button", name="Save rule").click()
    expect(dialog).to_have_count(0)
    signed_in.settle()
    (rule,) = product.store.rules_of(USER)
    assert (rule.symbol, rule.kind, rule.direction) == ("NSE:INFY", Kind.ROLLING, Direction.BOTH)
    assert (rule.percent_e2, rule.window_ms) == (150, 300_000)
    wait_until(lambda: product.engine_state(rule.id) == "armed")
    product.tick("1400.00")
    signed_in.open("/")
    signed_in.settle()
    product.tick("1379.00")
    expect(signed_in.page.get_by_role("listitem").filter(has_text="Fell 1.5 % within 5 min")).to_be_visible()
    signed_in.open("/rules")
    signed_in.settle()
    signed_in.screenshot("rules")
    saved = product.store.rule(rule.id)
    assert saved is not None
    product.store.save_rule(saved.model_copy(update={"state": RuleState.DELETED}))


def test_messages_are_worded_and_signed_on_the_channels_page(product: Running, signed_in: Watched) -> None:
    channel = Channel(id="c-hook", user=USER, kind=ChannelKind.WEBHOOK, address="https://example.com/hook")
    product.store.save_channel(channel)
    page = signed_in.open("/channels")
    signed_in.settle()
    wording = page.get_by_role("textbox", name="Your own message")
    wording.fill("{prise}")
    wording.press("Control+Enter")
    expect(page.get_by_role("alert")).to_contain_text("There is no placeholder {prise}")
    wording.fill("{symbol} jetzt <{price}>\nvon {reference}")
    wording.press("Control+Enter")
    for look in ("Telegram", "WhatsApp, within", "E-mail"):
        expect(page.get_by_role("figure", name=look)).to_contain_text("NSE:INFY jetzt <1,384.55>")
    signed_in.settle()
    page.get_by_role("button", name="Save wording").click()
    wait_until(lambda: templates.template_of(product.store, USER).startswith("{symbol} jetzt"))
    signed_in.settle()
    page.get_by_role("button", name="Secret").click()
    expect(page.get_by_text("whsec_")).to_be_visible()
    signed_in.screenshot("wording")
    templates.save_template(product.store, USER, "")
    product.store.delete_channel("c-hook")


def test_signing_out_closes_the_door_and_the_live_connection(product: Running, live: Watched) -> None:
    page = live.page
    with page.context.new_page() as other:
        other.goto(product.url)
        expect(other.get_by_text("Connected")).to_be_visible()
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("button", name="Sign in")).to_be_visible()
        expect(other.get_by_text("You are signed out.")).to_be_visible()
    live.open("/rules")
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()


def test_what_was_told_some_time_ago_is_not_shown_as_if_it_were_so_now(product: Running, live: Watched) -> None:
    is_mute, is_shut, opened = False, False, []

    def between(page: WebSocketRoute) -> None:
        if is_shut:
            page.close(code=1011)
            return
        opened.append(page)
        page.connect_to_server().on_message(lambda text: None if is_mute else page.send(text))

    with live.page.context.new_page() as page:
        page.route_web_socket(re.compile("/ws"), between)
        page.goto(product.url)
        expect(page.get_by_text("Connected")).to_be_visible()
        ticks = page.locator(".facts div", has=page.get_by_text("Ticks", exact=True)).locator("dd")
        expect(ticks).to_have_text(re.compile("/s$"))
        is_mute = True
        expect(page.get_by_text("Nothing heard since")).to_be_visible()
        expect(page.get_by_text("Not known now")).to_be_visible()
        expect(ticks).to_have_text("–")
        is_mute = False
        expect(ticks).to_have_text(re.compile("/s$"))
        expect(page.get_by_text("Not known now")).to_have_count(0)
        # A browser that is refused is not told why: the page asks.
        is_shut = True
        opened[-1].close(code=1011)
        expect(page.get_by_text("Connection lost, trying again")).to_be_visible()
        expect(page.get_by_text("Not known now")).to_be_visible()
        page.context.clear_cookies()
        expect(page.get_by_role("link", name="Sign in again")).to_be_visible(timeout=60_000)


def test_an_alert_is_news_when_it_came_while_the_connection_was_lost(product: Running, live: Watched) -> None:
    opened: list[WebSocketRoute] = []

    def between(page: WebSocketRoute) -> None:
        opened.append(page)
        page.connect_to_server()

    with live.page.context.new_page() as page:
        page.route_web_socket(re.compile("/ws"), between)
        page.goto(product.url)
        expect(page.get_by_text("Connected")).to_be_visible()
        opened[-1].close(code=1011)
        symbol = f"NSE:FIRST{product.alerts}"
        product.fire(symbol)
        expect(page.locator("li.new").filter(has_text=symbol)).to_be_visible()
        page.reload()
        expect(page.locator("li").filter(has_text=symbol)).to_be_visible()
        expect(page.locator("li.new")).to_have_count(0)


def open_with_first_rule_marked(live: Watched) -> Page:
    page = live.open("/rules")
    live.settle()
    page.get_by_role("table", name="Rules").locator("tbody").get_by_role("checkbox").first.click()
    expect(page.get_by_text("1 rule marked")).to_be_visible()
    # A script that still runs would close a dialog that is opened meanwhile.
    live.settle()
    return page


def test_a_rule_on_the_watchlist_is_armed_on_all_of_it(product: Running, signed_in: Watched) -> None:
    page = signed_in.open("/rules")
    signed_in.settle()
    page.get_by_role("button", name="New rule").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("radio", name="My whole watchlist").click()
    # At once, while the page still draws anew.
    dialog.get_by_role("textbox", name="Percent").fill("0.3")
    dialog.get_by_text("Turn from the extreme").click()
    expect(dialog.get_by_role("combobox", name="Within")).to_have_count(0)
    dialog.get_by_role("button", name="Save rule").click()
    expect(dialog).to_have_count(0)
    (rule,) = product.store.rules_of(USER)
    assert (rule.is_on_watchlist, rule.kind, rule.percent_e2) == (True, Kind.TRAILING, 30)
    wait_until(lambda: product.redis.scard(keys.spread(rule.id)) == len(product.tokens))
    wait_until(lambda: product.engine_state(f"{rule.id}_{product.tokens[-1]}") == "armed")
    product.store.save_rule(rule.model_copy(update={"state": RuleState.DELETED}))


def test_everything_can_be_snoozed_and_unmuted_from_the_rules_page(product: Running, signed_in: Watched) -> None:
    rule = product.store.save_rule(
        Rule(id="quiet", user=USER, token=408065, symbol="NSE:INFY", kind=Kind.TRAILING, direction="up", percent_e2=200)
    )
    page = signed_in.open("/rules")
    signed_in.settle()
    page.get_by_role("button", name="Snooze all").click()
    page.get_by_role("button", name="1 hour").click()
    expect(page.get_by_text("You snoozed all alerts until")).to_have_count(2)
    signed_in.settle()
    signed_in.screenshot("rules-snoozed")
    (mute,) = product.store.mutes_of(USER, now_ms())
    assert (mute.scope, mute.until_ms - now_ms() > 3_500_000) == (MuteScope.ALL, True)
    page.get_by_role("button", name="Unmute").click()
    expect(page.get_by_role("button", name="Unmute")).to_have_count(0)
    wait_until(lambda: product.store.mutes_of(USER, now_ms()) == [])
    product.store.save_rule(rule.model_copy(update={"state": RuleState.DELETED}))


def test_a_marked_rule_or_its_instrument_can_be_snoozed(product: Running, signed_in: Watched) -> None:
    rule = product.store.save_rule(
        Rule(id="loud", user=USER, token=408065, symbol="NSE:INFY", kind=Kind.TRAILING, direction="up", percent_e2=200)
    )
    for what, scope in (("These rules", MuteScope.RULE), ("Their instruments", MuteScope.INSTRUMENT)):
        page = open_with_first_rule_marked(signed_in)
        page.get_by_role("button", name="Snooze", exact=True).click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_text(what).click()
        signed_in.settle()
        dialog.get_by_role("button", name="Until further notice").click()
        expect(dialog).to_have_count(0)
        wait_until(lambda scope=scope: [it.scope for it in product.store.mutes_of(USER, now_ms())] == [scope])
        signed_in.settle()
        signed_in.screenshot(f"rules-muted-{scope}")
        page.get_by_test_id("stMain").get_by_role("button", name="Unmute").first.click()
        wait_until(lambda: product.store.mutes_of(USER, now_ms()) == [])
    product.store.save_rule(rule.model_copy(update={"state": RuleState.DELETED}))


def test_what_a_rules_messages_do_is_said_without_arming_it_anew(product: Running, signed_in: Watched) -> None:
    rule = product.store.save_rule(
        Rule(id="hushed", user=USER, token=408065, symbol="NSE:INFY", kind=Kind.TRAILING, direction="up", percent_e2=200)
    )
    page = open_with_first_rule_marked(signed_in)
    page.get_by_role("button", name="Messages", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("Without a sound").click()
    signed_in.settle()
    signed_in.screenshot("rule-messages")
    dialog.get_by_role("button", name="Save messages").click()
    expect(dialog).to_have_count(0)
    wait_until(lambda: preferences.of_rule(product.store, rule.id).loudness is Loudness.SILENT)
    assert product.store.rule(rule.id) == rule
    product.store.save_rule(rule.model_copy(update={"state": RuleState.DELETED}))


def test_how_many_alerts_are_too_many_at_once_is_its_readers_to_say(product: Running, signed_in: Watched) -> None:
    page = signed_in.open("/channels")
    signed_in.settle()
    page.get_by_role("spinbutton", name="Alerts one by one, at most").fill("5")
    page.get_by_role("spinbutton", name="In any seconds").fill("30")
    page.get_by_role("button", name="Save", exact=True).click()
    wait_until(lambda: preferences.burst(product.store, USER) == Burst(most=5, within_s=30))
    preferences.save_burst(product.store, USER, None)


def test_a_message_that_failed_is_sent_again_from_the_history(product: Running, signed_in: Watched) -> None:
    fired = Alert(id="failed-1", rule="failed", user=USER, token=408065, symbol="NSE:INFY", kind=Kind.DAY, direction="up",
                  price_e4=13_845_500, reference_e4=13_557_000, percent_e2=200, window_ms=0, time_ms=now_ms())  # fmt: skip
    product.store.record_alert(fired)
    failed = Delivery(id="failed-1-c", alert=fired.id, user=USER, channel="c", channel_kind=ChannelKind.EMAIL,
                      state=DeliveryState.FAILED, reason="gave up: connection refused", queued_ms=now_ms(),
                      updated_ms=now_ms() - 60_000)  # fmt: skip
    product.store.save_delivery(failed)
    page = signed_in.open("/alerts")
    page.get_by_role("button", name="Send the message that failed again").click()
    expect(page.get_by_text("asked for again")).to_be_visible()
    signed_in.screenshot("alerts-again")
    # As the sweeper looks for what is to be done.
    assert "failed-1-c" in {it.id for it in product.store.unfinished_deliveries(now_ms() - 8_000, now_ms())}
