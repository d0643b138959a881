"""From nothing but an admin to the first rule, with the sandbox in the place of Kite and of the mail server."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from playwright.sync_api import expect

from stormalert.model import Kind, Rule
from stormalert.redis import keys
from tests.browser.running import NAME, PASSWORD, USER, Running, running, wait_until
from tests.browser.watching import DESK, PHONE, Visitor, Watched, chromium
from tests.conftest import free_port

pytestmark = pytest.mark.browser

PAGE = "/admin?part=First+steps"


@dataclass(frozen=True)
class Fresh:
    product: Running
    sandbox: str

    def newest_mail(self) -> str:
        with httpx.Client(base_url=self.sandbox, timeout=60, trust_env=False) as client:
            messages = client.get("/outbox.json").json()["messages"]
        return str([it["subject"] for it in messages if it["channel"] == "email"][-1])


@pytest.fixture(scope="module")
def fresh(redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fresh]:
    chromium()
    directory = tmp_path_factory.mktemp("fresh")
    http, ws, smtp = free_port(), free_port(), free_port()
    page = free_port()
    settings = {
        "STORM_PORT": str(page),
        "KITE_API_KEY": "",
        "KITE_API_SECRET": "",
        "STORM_KITE_API_ROOT": f"http://127.0.0.1:{http}",
        "STORM_KITE_WS_ROOT": f"ws://127.0.0.1:{ws}",
        "STORM_KITE_LOGIN_ROOT": f"http://127.0.0.1:{http}",
        "STORM_MARKET_HOURS": "always",
        "SMTP_URL": f"smtp://127.0.0.1:{smtp}",
    }
    options = {"http-port": http, "ws-port": ws, "smtp-port": smtp, "state-dir": directory / "sandbox", "instruments": 30}
    options |= {"kite-redirect-url": f"http://127.0.0.1:{page}/kite/callback"}
    flags = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    sandbox = subprocess.Popen([sys.executable, "-m", "sandbox", *flags])
    try:
        with running(redis_server, directory, "ingest", "workers bot", is_empty=True, **settings) as product:
            wait_until(lambda: any(":ingest:" in beat for beat in product.redis.zrange(keys.BEATS, 0, -1)))
            yield Fresh(product, f"http://127.0.0.1:{http}")
    finally:
        sandbox.terminate()
        sandbox.wait(60)


def set_key(watched: Watched, name: str, text: str) -> None:
    page = watched.page
    opens = page.get_by_test_id("stPopoverButton")
    # The innermost box that holds both.
    page.get_by_test_id("stLayoutWrapper").filter(has=page.get_by_text(name, exact=True)).filter(has=opens).last.locator(
        opens
    ).click()
    page.get_by_label(name).fill(text)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text(f"{name} is set.")).to_be_visible()
    watched.settle()


def test_it_is_closed_for_good_and_can_be_opened_again(fresh: Fresh, visitor: Visitor) -> None:
    with visitor.page(fresh.product.url) as watched:
        watched.let_in(NAME, PASSWORD)
        watched.open()
        watched.settle()
        page = watched.page
        expect(page.get_by_text("First steps. Next:")).to_be_visible()
        for button, told, count in (
            ("Close for good", "Closed; it stays here, under Admin.", 0),
            ("Lead me again", "You are led again.", 1),
        ):
            watched.open(PAGE)
            watched.settle()
            page.get_by_role("button", name=button).click()
            expect(page.get_by_text(told)).to_be_visible()
            watched.open("/")
            watched.settle()
            expect(page.get_by_text("First steps. Next:")).to_have_count(count)


def test_an_admin_is_led_from_nothing_to_the_first_rule(fresh: Fresh, visitor: Visitor) -> None:
    product = fresh.product
    with visitor.page(product.url) as watched:
        watched.let_in(NAME, PASSWORD)
        watched.open()
        watched.settle()
        page = watched.page
        expect(page.get_by_text("First steps. Next: Kite's key.")).to_be_visible()
        watched.screenshot("first-steps-hint")
        page.get_by_role("link", name="Go on").click()
        expect(page.get_by_text("0 of 5 steps are done.")).to_be_visible()
        expect(page.get_by_text(f"{product.url}/kite/callback", exact=True)).to_be_visible()
        watched.settle()
        for colours, size, kind in (("light", DESK, ""), ("dark", DESK, "-dark"), ("light", PHONE, "-phone")):
            watched.show_as(colours, size)  # type: ignore[arg-type]
            watched.screenshot(f"first-steps{kind}")
            assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        watched.show_as("light", DESK)
        set_key(watched, "KITE_API_KEY", "sandbox-key")
        set_key(watched, "KITE_API_SECRET", "sandbox-secret")
        expect(page.get_by_text("1 of 5 steps are done.")).to_be_visible()
        page.get_by_role("link", name="Log in to Kite").click()
        # Of the sandbox: the page that is left for it may not be watched for strangers.
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url("**/admin?part=Kite*")
        watched.settle()
        watched.open(PAGE)
        expect(page.get_by_role("button", name="Watch")).to_be_visible(timeout=120_000)
        expect(page.get_by_text("2 of 5 steps are done.")).to_be_visible(timeout=120_000)
        watched.settle()
        watched.screenshot("first-steps-watch")
        page.get_by_role("button", name="Watch").click()
        expect(page.get_by_text("3 of 5 steps are done.")).to_be_visible()
        assert len(product.store.watchlist(USER)) > 5
        watched.settle()
        page.get_by_role("link", name="Add one under Channels").click()
        watched.settle()
        page.get_by_role("combobox", name="Channel").click()
        page.get_by_role("option", name="E-mail").click()
        # Its fields are drawn anew.
        watched.settle()
        page.get_by_role("textbox", name="Address").fill("asha@storm.example")
        page.get_by_role("button", name="Add channel").click()
        expect(page.get_by_text("The code was sent.")).to_be_visible()
        watched.settle()
        page.get_by_role("textbox", name="Code").fill(fresh.newest_mail().rpartition(" ")[2])
        page.get_by_role("button", name="Verify", exact=True).click()
        wait_until(lambda: [it.takes_alerts for it in product.store.channels_of(USER)] == [True])
        watched.open(PAGE)
        expect(page.get_by_text("4 of 5 steps are done.")).to_be_visible()
        watched.settle()
        page.get_by_role("button", name="Send a test message").click()
        expect(page.get_by_text("The test message was sent.")).to_be_visible()
        assert fresh.newest_mail() == "This is a test."
        # A rule by whatever way: the page looks at the facts, and by itself.
        token = product.store.watchlist(USER)[0]
        rule = Rule(id="first", user=USER, token=token, symbol="NSE:X", kind=Kind.DAY, direction="up", percent_e2=200)
        product.store.save_rule(rule)
        expect(page.get_by_text("All is set up: prices come")).to_be_visible()
        watched.settle()
        watched.screenshot("first-steps-done")
        watched.open("/")
        watched.settle()
        expect(page.get_by_text("First steps.")).to_have_count(0)
