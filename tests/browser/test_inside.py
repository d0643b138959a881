"""What an admin sees of the inside: the system in depth, Kite, the calendar as tables, the queue's board, the audit log."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from stormalert.market.calendar import read_calendar
from stormalert.model import AuditEntry
from stormalert.notify.queue_board import PATH
from stormalert.redis import keys
from stormalert.units import now_ms
from tests.browser.running import NAME, PASSWORD, USER, Running, running, wait_until
from tests.browser.watching import DESK, PHONE, Visitor, Watched, chromium
from tests.conftest import free_port

pytestmark = pytest.mark.browser

PARTS = ("System", "First steps", "Kite", "Keys", "Users", "Policy", "Calendar", "Queue", "Audit log")


@pytest.fixture(scope="module")
def inside(redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    chromium()
    port = free_port()
    with running(redis_server, tmp_path_factory.mktemp("inside"), "workers board", STORM_QUEUE_BOARD_PORT=str(port)) as product:
        wait_until(lambda: any(":board:" in beat for beat in product.redis.zrange(keys.BEATS, 0, -1)))
        yield product


@pytest.fixture
def admin(inside: Running, visitor: Visitor) -> Iterator[Watched]:
    with visitor.page(inside.url) as watched:
        watched.let_in(NAME, PASSWORD)
        yield watched


def part(watched: Watched, name: str) -> Page:
    page = watched.open(f"/admin?part={name.replace(' ', '+')}")
    watched.settle()
    expect(page.get_by_role("tab", name=name, exact=True)).to_have_attribute("aria-selected", "true")
    return page


def drawn(page: Page) -> None:
    """The board in its frame, on the screen too."""
    board = page.frame_locator("iframe")
    expect(board.get_by_text("RQ-dashboard version")).to_be_visible()
    board.locator("body").evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def test_the_system_is_seen_in_depth_and_by_itself_anew(inside: Running, admin: Watched) -> None:
    page = part(admin, "System")
    status = page.get_by_role("status")
    expect(status).to_contain_text("Something is wrong.")
    expect(page.get_by_text("worker is not running: messages are not sent.")).to_be_visible()
    row = page.locator("tr", has=page.get_by_text("evaluator", exact=True)).first
    expect(row).to_contain_text(re.compile(r"0\.1\.0.*MB"))
    expect(page.get_by_text("SQLite", exact=True)).to_be_visible()
    inside.redis.xadd(keys.GAPS, {"from": now_ms() - 6_000, "to": now_ms() - 1_000, "reason": "mute", "lost": 12})
    expect(page.get_by_text("mute, 12 prices lost")).to_be_visible()
    inside.redis.delete(keys.GAPS)
    expect(page.get_by_text("mute, 12 prices lost")).to_have_count(0)


def test_each_part_of_the_page_is_well_to_look_at_on_a_desk_and_on_a_phone(admin: Watched) -> None:
    for name in PARTS:
        admin.show_as("light", DESK)
        page = part(admin, name)
        short = name.lower().replace(" ", "-")
        for colours, size, kind in (("light", DESK, ""), ("dark", DESK, "-dark"), ("light", PHONE, "-phone")):
            admin.show_as(colours, size)  # type: ignore[arg-type]
            admin.settle()
            if name == "Queue":
                drawn(page)
            admin.screenshot(f"inside-{short}{kind}")
            assert page.evaluate("document.documentElement.scrollWidth") <= size[0], name


def test_the_queues_board_is_inside_the_page_with_the_same_sign_in(admin: Watched) -> None:
    page = part(admin, "Queue")
    board = page.frame_locator("iframe")
    expect(board.get_by_role("link", name="Workers")).to_be_visible()
    board.get_by_role("link", name="Workers").click()
    expect(board.get_by_text("State")).to_be_visible()
    assert any(frame.url.endswith(f"{PATH}/0/view/workers") for frame in page.frames)
    drawn(page)
    admin.screenshot("inside-queue-workers")


def test_instruments_are_asked_for_and_the_redirect_url_is_there_to_copy(inside: Running, admin: Watched) -> None:
    page = part(admin, "Kite")
    expect(page.get_by_text(f"{inside.url}/kite/callback", exact=True)).to_be_visible()
    expect(page.get_by_text(re.compile(r"Kite's access ends (today|tomorrow) at 06:00 IST"))).to_be_visible()
    expect(page.get_by_role("link", name="Log in to Kite")).to_have_attribute("href", "/kite/login")
    asked_ms = now_ms()
    page.get_by_role("button", name="Refresh now").click()
    expect(page.get_by_text("Asked for; ingest lists them within seconds.")).to_be_visible()
    assert int(inside.store.setting("instruments.refresh_ms") or 0) >= asked_ms


def test_a_table_of_holidays_that_is_saved_as_it_is_adds_nothing_and_json_is_shown_as_tables(
    inside: Running, admin: Watched
) -> None:
    page = part(admin, "Calendar")
    expect(page.get_by_role("heading", name="What counts in the coming days")).to_be_visible()
    expect(page.get_by_text("09:15–15:30").first).to_be_visible()
    page.get_by_role("button", name="Save the tables").click()
    expect(page.get_by_text("The calendar is saved; ingest follows within seconds.")).to_be_visible()
    assert inside.store.setting("calendar") == ""
    admin.settle()
    page.get_by_text("As JSON").click()
    area = page.get_by_label("What is added to the built-in calendar")
    area.fill('{"special": [{"day": "2031-10-29", "opens": "18:00", "closes": "19:00"}], "holidays": ["2031-01-26"]}')
    area.press("Control+Enter")
    admin.settle()
    page.get_by_role("button", name="Save the calendar").click()
    wait_until(lambda: 2031 in read_calendar(inside.store.setting("calendar")).years)
    admin.settle()
    before = read_calendar(inside.store.setting("calendar"))
    page.get_by_role("button", name="Save the tables").click()
    admin.settle()
    after = read_calendar(inside.store.setting("calendar"))
    assert after.holidays_of(2031) == before.holidays_of(2031) and after.years == before.years
    assert len(after.specials_on(before.holidays_of(2031)[0].day.replace(month=10, day=29), 1)) == 1
    inside.store.delete_setting("calendar")


def test_the_audit_log_is_narrowed_and_turned_page_by_page(inside: Running, admin: Watched) -> None:
    for number in range(120):
        inside.store.record_audit(
            AuditEntry(id=f"e{number}", time_ms=now_ms() - number, user=USER, action="key set", detail=f"number {number}")
        )
    page = part(admin, "Audit log")
    page.get_by_role("combobox", name="What").click()
    page.get_by_role("option", name="key set").click()
    admin.settle()
    older = page.get_by_role("button", name="Older")
    for number in (2, 3):
        older.click()
        expect(page.get_by_text(f"Page {number}", exact=True)).to_be_visible()
        admin.settle()
    expect(older).to_be_disabled()
    page.get_by_role("button", name="Newer").click()
    expect(page.get_by_text("Page 2", exact=True)).to_be_visible()
    admin.settle()
    # Another question begins at its first page.
    page.get_by_role("combobox", name="Who").click()
    page.get_by_role("option", name=NAME).click()
    expect(page.get_by_text("Page 1", exact=True)).to_be_visible()
    admin.screenshot("inside-audit-narrowed")
