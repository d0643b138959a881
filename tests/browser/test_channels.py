"""How an address is proven in the browser, with the bot's process and the sandbox's providers behind it."""

import contextlib
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from stormalert.model import Channel, ChannelKind, Kind, QuietHours, Rule, RuleState
from stormalert.notify.linking import link_chat
from tests.browser.running import NAME, PASSWORD, USER, Running, running, wait_until
from tests.browser.watching import DESK, PHONE, Visitor, Watched, chromium
from tests.workers.conftest import sandbox_server  # noqa: F401 - a fixture
from tests.workers.fixtures import TOKEN, Sandbox
from workers.bot.buttons import Press, Verb, under
from workers.channels.telegram import keyboard

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def linked_product(
    redis_server: str,
    tmp_path_factory: pytest.TempPathFactory,
    sandbox_server: Sandbox,  # noqa: F811
) -> Iterator[Running]:
    chromium()
    directory = tmp_path_factory.mktemp("channels")
    with running(redis_server, directory, "workers bot", **sandbox_server.environment()) as product:
        yield product


@pytest.fixture
def channels_page(linked_product: Running, visitor: Visitor) -> Iterator[Watched]:
    with visitor.page(linked_product.url) as watched:
        watched.let_in(NAME, PASSWORD)
        watched.open("/channels")
        watched.settle()
        yield watched


def only_channel(product: Running, kind: ChannelKind) -> Channel | None:
    return next((it for it in product.store.channels_of(USER) if it.kind is kind), None)


def test_an_address_is_verified_by_the_code_that_was_sent_to_it(
    linked_product: Running,
    channels_page: Watched,
    sandbox_server: Sandbox,  # noqa: F811
) -> None:
    page = channels_page.page
    page.get_by_role("combobox", name="Channel").click()
    page.get_by_role("option", name="E-mail").click()
    # Its fields are drawn anew.
    channels_page.settle()
    page.get_by_role("textbox", name="Address").fill("asha@storm.example")
    page.get_by_role("button", name="Add channel").click()
    expect(page.get_by_text("Not verified")).to_be_visible()
    expect(page.get_by_text("The code was sent.")).to_be_visible()
    channels_page.settle()
    (mail,) = sandbox_server.outbox("email")
    code = mail["subject"].rpartition(" ")[2]
    channels_page.screenshot("channel-code")
    page.get_by_role("textbox", name="Code").fill("12345")
    page.get_by_role("button", name="Verify", exact=True).click()
    expect(page.get_by_text("A code has six digits, was '12345'.")).to_be_visible()
    channel = only_channel(linked_product, ChannelKind.EMAIL)
    assert channel is not None
    assert not channel.takes_alerts
    page.get_by_role("textbox", name="Code").fill(code)
    page.get_by_role("button", name="Verify", exact=True).click()
    wait_until(lambda: (it := only_channel(linked_product, ChannelKind.EMAIL)) and it.takes_alerts)
    expect(page.get_by_text("Not verified")).to_have_count(0)
    channels_page.settle()
    page.get_by_role("button", name="Test").click()
    expect(page.get_by_text("The test message was sent.")).to_be_visible()
    assert [it["subject"] for it in sandbox_server.outbox("email")][1:] == ["This is a test."]
    channels_page.screenshot("channel-verified")


def test_telegram_is_linked_by_a_link_that_is_waited_for(
    linked_product: Running,
    channels_page: Watched,
    sandbox_server: Sandbox,  # noqa: F811
) -> None:
    page = channels_page.page
    page.get_by_role("button", name="Link Telegram").click()
    link = page.get_by_role("link", name="Open Telegram")
    expect(link).to_have_attribute("href", re.compile(r"^https://t\.me/stormalert_sandbox_bot\?start=[\w-]{32}$"))
    channels_page.screenshot("channel-link")
    token = (link.get_attribute("href") or "").rpartition("=")[2]
    sandbox_server.client.post("/control/telegram", json={"chat_id": 4242, "text": f"/start {token}"}).raise_for_status()
    wait_until(lambda: only_channel(linked_product, ChannelKind.TELEGRAM))
    expect(page.get_by_text("4242", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Link Telegram")).to_be_visible()


def test_in_the_outbox_a_person_writes_to_the_bot_and_presses_its_buttons(
    linked_product: Running,
    visitor: Visitor,
    sandbox_server: Sandbox,  # noqa: F811
) -> None:
    chat = link_chat(linked_product.store, USER, "515151").address
    rule = Rule(id="pressed", user=USER, token=408065, symbol="NSE:INFY", kind=Kind.DAY, direction="up", percent_e2=200)
    linked_product.store.save_rule(rule)
    row = keyboard(under(Press.of(Verb.PAUSE, rule.token, rule.id), rule.symbol)).to_json()
    sent = {"chat_id": chat, "text": "an alert", "reply_markup": row}
    sandbox_server.client.post(f"/bot{TOKEN}/sendMessage", data=sent).raise_for_status()
    with visitor.page(sandbox_server.http) as watched:
        page = watched.open("/outbox")
        page.get_by_role("button", name="Pause rule").click()
        expect(page.get_by_text("Paused: NSE:INFY day up 2%.")).to_be_visible()
        paused = linked_product.store.rule(rule.id)
        assert paused is not None
        assert paused.state is RuleState.PAUSED
        page.get_by_label("Text").fill("/status")
        page.get_by_role("button", name="Say").click()
        expect(page.get_by_text("Rules: 0 active, 1 paused")).to_be_visible()
        watched.screenshot("outbox")


def choose(page: Page, label: str, name: str) -> None:
    """In a list that may be drawn anew, and so be closed, while it is opened."""
    option = page.get_by_role("option", name=name)
    for _ in range(5):
        page.get_by_role("combobox", name=label).click()
        with contextlib.suppress(PlaywrightTimeoutError):
            return option.click(timeout=10_000)
    raise AssertionError(f"{name} cannot be chosen")


def test_a_channel_has_quiet_hours_and_stands_in_for_another(linked_product: Running, channels_page: Watched) -> None:
    chat = link_chat(linked_product.store, USER, "616161")
    mail = Channel(id="fallback", user=USER, kind=ChannelKind.EMAIL, address="later@storm.example")
    linked_product.store.save_channel(mail)
    page = channels_page.open("/channels")
    channels_page.settle()

    def row(address: str) -> Locator:
        return page.locator("[class*=st-key-channel-]").filter(has=page.get_by_text(address, exact=True))

    def stored(channel: Channel) -> Channel:
        found = linked_product.store.channel(channel.id)
        assert found is not None
        return found

    row("616161").get_by_role("radio", name="Silent").click()
    # What the script shows when it runs anew: one that still runs would close what is opened meanwhile.
    expect(page.get_by_text("Telegram is silent now.")).to_be_visible()
    assert stored(chat).is_silent
    channels_page.settle()
    row("later@storm.example").get_by_role("button", name="When").click()
    page.get_by_text("Quiet hours", exact=True).click()
    expect(page.get_by_role("combobox", name="Time zone")).to_be_visible()
    channels_page.settle()
    choose(page, "Gets alerts", "Only if Telegram 616161 fails")
    expect(page.get_by_role("spinbutton", name="After minutes")).to_be_visible()
    channels_page.settle()
    channels_page.screenshot("channel-when")
    page.get_by_test_id("stPopoverBody").get_by_role("button", name="Save").click()
    wait_until(lambda: stored(mail).stands_in_for == chat.id)
    assert stored(mail).quiet == QuietHours(from_min=22 * 60, to_min=7 * 60)
    expect(page.get_by_text("Only if an alert is not sent on Telegram 616161 after 5 min")).to_be_visible()
    expect(page.get_by_text("Quiet from 22:00 to 07:00 (Asia/Kolkata): what fires then")).to_be_visible()
    expect(
        page.get_by_text("2. E-mail later@storm.example is the fallback when it is not sent on Telegram 616161 after 5 min.")
    ).to_be_visible()
    channels_page.screenshot("channel-wishes")
    # The other way round, without a word about ids.
    channels_page.settle()
    row("later@storm.example").get_by_role("button", name="Earlier").click()
    expect(page.get_by_text("E-mail comes earlier now.")).to_be_visible()
    assert (stored(mail).stands_in_for, stored(chat).stands_in_for) == ("", mail.id)
    expect(page.get_by_text("Only if an alert is not sent on E-mail later@storm.example after 5 min")).to_be_visible()
    channels_page.settle()
    expect(row("later@storm.example").get_by_role("button", name="Earlier")).to_be_disabled()
    row("later@storm.example").get_by_role("button", name="Later").click()
    wait_until(lambda: stored(mail).stands_in_for == chat.id)
    for channel in (chat, mail):
        linked_product.store.delete_channel(channel.id)


def test_a_channel_that_was_switched_off_says_why_and_what_to_do(linked_product: Running, channels_page: Watched) -> None:
    broken = Channel(
        id="broken",
        user=USER,
        kind=ChannelKind.WHATSAPP,
        address="+919812345678",
        is_on=False,
        reason="blocked by the recipient <b>x</b>",
    )
    others = (
        Channel(id="first", user=USER, kind=ChannelKind.TELEGRAM, address="700000001", is_silent=True),
        Channel(id="second", user=USER, kind=ChannelKind.EMAIL, address="asha@storm.example", stands_in_for="first"),
    )
    for channel in (broken, *others):
        linked_product.store.save_channel(channel)
    page = channels_page.open("/channels")
    channels_page.settle()
    expect(page.get_by_text("Switched off: blocked by the recipient <b>x</b>. See that the number is right")).to_be_visible()
    for colours, size, name in (("light", DESK, ""), ("dark", DESK, "-dark"), ("light", PHONE, "-phone")):
        channels_page.show_as(colours, size)  # type: ignore[arg-type]
        channels_page.settle()
        channels_page.screenshot(f"channels{name}")
        page.get_by_role("heading", name="Many at once").scroll_into_view_if_needed()
        channels_page.screenshot(f"channels-wording{name}")
        page.get_by_role("heading", name="Channels", exact=True).scroll_into_view_if_needed()
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    for channel in (broken, *others):
        linked_product.store.delete_channel(channel.id)
