"""An admin invites somebody, who makes an account and adds a second factor; keys, limits, the calendar, the audit log."""

import re
import time

import pyotp
from playwright.sync_api import expect

from stormalert.access.security import is_password
from stormalert.config import policy
from stormalert.config.policy import Policy
from stormalert.model import RuleState
from stormalert.redis import keys
from tests.browser.running import NAME, PASSWORD, USER, Running
from tests.browser.watching import PHONE, Watched

NEW = "a new long password"


def tab(watched: Watched, path: str, name: str) -> None:
    watched.open(path)
    watched.settle()
    watched.page.get_by_role("tab", name=name, exact=True).click()
    watched.settle()


def test_somebody_is_invited_and_comes_in_with_a_second_factor(product: Running, signed_in: Watched) -> None:
    tab(signed_in, "/admin", "Users")
    signed_in.page.get_by_role("button", name="Make an invitation").click()
    link = signed_in.page.locator("code", has_text="/join/")
    expect(link).to_be_visible()
    signed_in.screenshot("admin-users")
    with signed_in.somebody_else() as guest:
        guest.open("/join/" + link.inner_text().rpartition("/join/")[2])
        guest.page.get_by_label("Name").fill("ravi")
        guest.page.get_by_label("Password", exact=True).fill(NEW)
        guest.page.get_by_label("Password again").fill(NEW)
        guest.screenshot("join")
        guest.page.get_by_role("button", name="Make the account").click()
        expect(guest.page.get_by_text("Your account is made.")).to_be_visible()
        guest.send_sign_in("ravi", NEW)
        guest.page.wait_for_url(lambda url: url.endswith("/"))
        guest.settle()
        expect(guest.page.get_by_role("link", name="Admin")).to_have_count(0)
        guest.expected.add("403 /admin")
        guest.open("/admin")
        expect(guest.page.get_by_text("Only admins may do this.")).to_be_visible()
        tab(guest, "/settings", "Account")
        guest.page.get_by_role("button", name="Add a second factor").click()
        guest.settle()
        key = guest.page.locator("code").filter(has_text=re.compile(r"^[A-Z2-7]{32}$"))
        secret = key.inner_text()
        guest.screenshot("second-factor")
        guest.page.get_by_label("Code that the app shows").fill(used := pyotp.TOTP(secret).now())
        guest.page.get_by_role("button", name="Turn on").click()
        expect(guest.page.get_by_text("The second factor is on. These recovery codes")).to_be_visible()
        guest.page.get_by_role("button", name="Sign out").click()
        guest.page.wait_for_url("**/login")
        guest.send_sign_in("ravi", NEW)
        while (code := pyotp.TOTP(secret).now()) == used:
            time.sleep(0.5)
        guest.page.get_by_label("Code").fill(code)
        guest.screenshot("sign-in-code")
        guest.page.get_by_role("button", name="Sign in").click()
        guest.page.wait_for_url(lambda url: url.endswith("/"))
        guest.settle()
        expect(guest.page.get_by_role("heading", name="Live", exact=True)).to_be_visible()
    user = product.store.user_by_name("ravi")
    assert user and user.has_second_factor
    product.store.erase_user(user.id)


def test_a_password_that_is_asked_for_again_cannot_be_guessed(product: Running, signed_in: Watched) -> None:
    tab(signed_in, "/settings", "Account")
    signed_in.show_as("dark", PHONE)
    signed_in.screenshot("account-phone")
    assert signed_in.page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    signed_in.show_as("light")

    def change(current: str, told: str | re.Pattern[str]) -> None:
        for label, text in (("Current password", current), ("New password", NEW), ("New password again", NEW)):
            signed_in.page.get_by_label(label, exact=True).fill(text)
        signed_in.page.get_by_role("button", name="Change password").click()
        signed_in.settle()
        expect(signed_in.page.get_by_text(told)).to_be_visible()

    change("wrong", "The password is wrong.")
    assert [(it.user, it.action) for it in product.store.audit(limit=1)] == [(USER, "sign-in refused")]
    # The pause made long, so that a slow machine sees the same.
    while not [pause for pause in product.redis.scan_iter(keys.sign_in_pause.glob()) if product.redis.pexpire(pause, 60_000)]:
        # Whichever of both comes: a pause may not be over yet.
        change("wrong", re.compile("The password is wrong|Too many sign-ins were tried"))
    change(PASSWORD, "Too many sign-ins were tried.")
    product.redis.delete(
        *(key for family in (keys.sign_ins, keys.sign_in_pause) for key in product.redis.scan_iter(family.glob()))
    )
    asha = product.store.user(USER)
    assert asha and is_password(PASSWORD, asha.password_hash)


def test_a_key_is_set_and_only_its_end_is_shown(product: Running, signed_in: Watched) -> None:
    tab(signed_in, "/admin", "Keys")
    row = signed_in.page.get_by_text("TWILIO_AUTH_TOKEN", exact=True)
    expect(row).to_be_visible()
    panel = signed_in.page.get_by_role("tabpanel", name="Keys")
    texts = panel.get_by_test_id("stText").all_inner_texts()
    names = [text for text in texts if re.fullmatch(r"[A-Z_]{5,}", text)]
    panel.get_by_test_id("stPopoverButton").nth(names.index("TWILIO_AUTH_TOKEN")).click()
    signed_in.page.get_by_label("TWILIO_AUTH_TOKEN").fill("planted-twilio-token")
    signed_in.page.get_by_role("button", name="Save", exact=True).click()
    expect(signed_in.page.get_by_text("…oken")).to_be_visible()
    signed_in.screenshot("admin-keys")
    assert "planted" not in signed_in.page.content()
    tab(signed_in, "/admin", "Audit log")
    expect(signed_in.page.get_by_role("tabpanel").locator("canvas").first).to_be_visible()
    signed_in.screenshot("admin-audit")
    assert ("key set", "TWILIO_AUTH_TOKEN") in [(it.action, it.detail) for it in product.store.audit(limit=5)]


def test_the_house_decides_who_needs_a_second_factor_and_how_long_things_are_kept(product: Running, signed_in: Watched) -> None:
    tab(signed_in, "/admin", "Policy")
    signed_in.page.get_by_text("Everybody must have one").click()
    signed_in.page.get_by_label("Days that alerts are kept").fill("90")
    signed_in.screenshot("admin-policy")
    signed_in.page.get_by_role("tabpanel", name="Policy").get_by_role("button", name="Save").click()
    expect(signed_in.page.get_by_text("The policy is saved.")).to_be_visible()
    kept = policy.read(product.store)
    assert (kept.second_factor, kept.keep_days, list(kept.plans)) == ("everyone", 90, ["standard"])
    with signed_in.somebody_else() as other:
        other.open("/login")
        other.send_sign_in(NAME, PASSWORD)
        expect(other.page.get_by_text("Here everybody signs in with a second factor.")).to_be_visible()
        other.screenshot("enrolment")
    policy.save(product.store, Policy())


def test_a_calendar_that_makes_no_sense_is_refused_in_a_sentence(product: Running, signed_in: Watched) -> None:
    tab(signed_in, "/admin", "Calendar")
    signed_in.page.get_by_test_id("stExpander").get_by_text("As JSON").click()
    area = signed_in.page.get_by_label("What is added to the built-in calendar")
    area.fill('{"holidays": ["some day"]}')
    area.press("Control+Enter")
    signed_in.settle()
    signed_in.page.get_by_role("button", name="Save the calendar").click()
    expect(signed_in.page.get_by_text("expected a day such as 2027-01-26")).to_be_visible()
    assert not product.store.setting("calendar")


def test_rules_go_out_and_come_in_as_a_file(product: Running, signed_in: Watched, tmp_path: object) -> None:
    signed_in.open("/rules")
    signed_in.settle()
    signed_in.page.get_by_text("Rules out and in as a table (CSV)").click()
    chooser = signed_in.page.locator('input[type="file"]')
    rows = "symbol,kind,percent\nNSE:INFY,trailing,1\nNSE:NOTHING,trailing,1\nNSE:INFY,day,x\n"
    chooser.set_input_files({"name": "rules.csv", "mimeType": "text/csv", "buffer": rows.encode()})
    signed_in.page.get_by_role("button", name="Import", exact=True).click()
    expect(signed_in.page.get_by_text("Nothing was imported: 2 things are wrong in the table.")).to_be_visible()
    signed_in.screenshot("rules-import")
    assert product.store.count_rules("u-asha") == 0
    good = "id,symbol,kind,percent\nimported,NSE:INFY,trailing,1\n"
    chooser.set_input_files({"name": "rules.csv", "mimeType": "text/csv", "buffer": good.encode()})
    expect(signed_in.page.get_by_text("Nothing was imported")).to_have_count(0)
    signed_in.settle()
    signed_in.page.get_by_role("button", name="Import", exact=True).click()
    expect(signed_in.page.get_by_text("1 new, 0 changed.")).to_be_visible()
    rule = product.store.rule("imported")
    assert rule and rule.user == "u-asha"
    product.store.save_rule(rule.model_copy(update={"state": RuleState.DELETED}))
