"""The whole server as docker-compose.yml has it: each of its commands with its environment, and nginx before them, over TLS."""

import contextlib
import json
import re
import socket
import time
from collections.abc import Iterator

import httpx
import pytest
import redis
from playwright.sync_api import expect
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from stormalert.access.security import hash_password
from stormalert.model import Instrument, Role, User
from stormalert.notify.queue_board import PATH
from stormalert.redis import keys
from stormalert.store import Store, open_store
from stormalert.units import now_ms
from tests.browser.watching import Watched, chromium, watched_page
from tests.conftest import needed
from tests.deploy.authority import Authority
from tests.deploy.compose_file import DOMAIN, services
from tests.deploy.composed import Composed, composed

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

NAME, PASSWORD = "asha", "correct horse battery"
# Every page, and every kind of component.
PAGES = ("/rules", "/alerts", "/instrument?token=408065", "/backtest", "/channels", "/settings", "/admin", "/admin?part=System")
INFY = Instrument(token=408065, symbol="NSE:INFY", name="INFOSYS")
# No registry has a MongoDB.
RUN_HERE = [name for name in services() if name != "mongo"]
AUTHORITY = Authority()


@pytest.fixture(scope="module")
def server(processes: None) -> Iterator[Composed]:
    needed("nginx", "nginx-light")
    needed("redis-cli", "redis-server")
    with composed() as server:
        AUTHORITY.certify(DOMAIN, server.certificates / DOMAIN)
        server.start("redis")
        server.wait_until_healthy("redis")
        seed(server)
        before_nginx = [name for name in RUN_HERE if name not in ("redis", "nginx", "certbot")]
        server.start(*before_nginx)
        server.wait_until_healthy(*before_nginx)
        server.start("nginx", "certbot")
        server.wait_until_healthy("nginx", "certbot")
        yield server


def seed(server: Composed) -> None:
    """An admin who watches NSE:INFY, and its price."""
    with contextlib.closing(open_store("", server.store)) as store:
        store.save_user(
            User(id="u-asha", name=NAME, password_hash=hash_password(PASSWORD), role=Role.ADMIN, created_ms=now_ms())
        )
        store.save_instruments([INFY])
        store.save_watchlist("u-asha", (INFY.token,))
    with redis.Redis.from_url(server.redis_url) as client:
        quote = {"last": "1384.55", "change": "-1.20", "close": "1400", "time": now_ms()}
        client.hset(keys.Shard("s0").quote(INFY.token), mapping=quote)


@pytest.fixture
def browser(server: Composed) -> Iterator[Watched]:
    chromium()
    here = f"--host-resolver-rules=MAP {DOMAIN}:443 127.0.0.1:{server.ports['https']}"
    with watched_page(f"https://{DOMAIN}", here, f"--ignore-certificate-errors-spki-list={AUTHORITY.key_digest}") as watched:
        yield watched


@pytest.fixture
def store(server: Composed) -> Iterator[Store]:
    with contextlib.closing(open_store("", server.store)) as store:
        yield store


def client(server: Composed, address: str) -> httpx.Client:
    """A script on another address of this machine."""
    transport = httpx.HTTPTransport(verify=AUTHORITY.trust, local_address=address)
    return httpx.Client(
        transport=transport, base_url=f"https://127.0.0.1:{server.ports['https']}", headers={"Host": DOMAIN}, timeout=60
    )


def sign_in(asking: httpx.Client, **headers: str) -> httpx.Response:
    body = {"name": NAME, "password": PASSWORD}
    return asking.post("/api/auth/login", json=body, headers=headers, extensions={"sni_hostname": DOMAIN})


def listening(server: Composed, cookies: str, origin: str) -> ClientConnection:
    place = socket.create_connection(("127.0.0.1", server.ports["https"]), timeout=60)
    headers = {"Cookie": cookies}
    return connect(
        f"wss://{DOMAIN}/ws",
        sock=place,
        ssl=AUTHORITY.trust,
        origin=Origin(origin),
        additional_headers=headers,
        open_timeout=60,
    )


@pytest.mark.parametrize("name", RUN_HERE)
def test_each_command_starts_with_its_environment_and_is_healthy_by_its_own_check(server: Composed, name: str) -> None:
    # Not at once: on a busy machine a beat may be late.
    server.wait_until_healthy(name)


@pytest.mark.parametrize("name", ["board", "relay"])
def test_a_check_tells_when_its_process_is_gone(server: Composed, name: str) -> None:
    server.stop(name)
    server.wait_until_unwell(name)
    server.start(name)
    server.wait_until_healthy(name)


def test_no_process_was_refused_anything_by_redis(server: Composed) -> None:
    with redis.Redis.from_url(server.redis_url) as client:
        assert client.acl_log() == []


def test_the_dashboard_works_in_a_browser_that_holds_its_policy_against_it(browser: Watched) -> None:
    page = browser.sign_in(NAME, PASSWORD)
    expect(page.get_by_text("1,384.55").first).to_be_visible(timeout=60_000)
    browser.screenshot("behind-nginx")
    for path in PAGES:
        browser.open(path)
        browser.settle()
        expect(page.get_by_role("heading").first).to_be_visible()
    assert {f"wss://{DOMAIN}/ws", f"wss://{DOMAIN}/_stcore/stream"} <= set(browser.sockets)
    assert [
        cookie["name"] for cookie in page.context.cookies() if not cookie["secure"] and cookie["name"].startswith("storm")
    ] == []
    # A page that is told to run somebody else's script does not.
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.evil = 1'}))")
    assert page.evaluate("window.evil") is None
    refused = [complaint for complaint in browser.complaints if "Content Security Policy" in complaint]
    assert len(refused) == 1
    browser.complaints.remove(refused[0])


def test_a_file_is_uploaded_through_nginx(browser: Watched) -> None:
    page = browser.sign_in(NAME, PASSWORD)
    browser.open("/rules")
    browser.settle()
    rows = "".join(f"nonsense {number},{'x' * 80}\n" for number in range(1_500))
    page.get_by_text("Rules out and in as a table").click()
    page.locator("input[type=file]").set_input_files({"name": "rules.csv", "mimeType": "text/csv", "buffer": rows.encode()})
    page.get_by_role("button", name="Import", exact=True).click()
    # The whole of it came, and was looked at.
    expect(page.get_by_text("Nothing was imported")).to_be_visible()
    browser.settle()


def test_a_backtest_runs_and_draws_its_charts_under_the_policy(browser: Watched) -> None:
    browser.sign_in(NAME, PASSWORD)
    page = browser.open("/backtest")
    browser.settle()
    page.get_by_text("A file", exact=True).click()
    prices = "".join(f"INFY,20220601,10:{minute:02},{1000 + minute % 2 * 20}" + ",1020,1000,1010,0,0\n" for minute in range(30))
    chooser = page.locator('input[type="file"]')
    chooser.set_input_files({"name": "june.csv", "mimeType": "text/csv", "buffer": prices.encode()})
    expect(page.get_by_text("june.csv")).to_be_visible()
    browser.settle()
    lines = page.get_by_role("textbox", name=re.compile("one a line|one rule a line"))
    lines.fill("NSE:INFY rolling up 1% 5m")
    lines.press("Control+Enter")
    browser.settle()
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_test_id("stVegaLiteChart").locator("canvas, svg").first).to_be_visible(timeout=120_000)
    expect(page.get_by_role("figure", name=re.compile("^Chart "))).to_be_visible()
    browser.screenshot("behind-nginx-backtest")


def test_the_queues_board_is_in_the_admins_page(server: Composed, browser: Watched) -> None:
    with client(server, "127.0.0.60") as asking:
        assert asking.get(f"{PATH}/", extensions={"sni_hostname": DOMAIN}, follow_redirects=False).status_code == 303
    page = browser.sign_in(NAME, PASSWORD)
    browser.open("/admin?part=Queue")
    browser.settle()
    board = page.frame_locator("iframe")
    board.get_by_role("link", name="Workers").click()
    expect(board.get_by_text("State")).to_be_visible()
    browser.screenshot("behind-nginx-queue")


def test_the_relay_sends_its_snapshot_through_nginx(server: Composed) -> None:
    with client(server, "127.0.0.61") as asking:
        sign_in(asking).raise_for_status()
        cookies = "; ".join(f"{name}={value}" for name, value in asking.cookies.items())
    with listening(server, cookies, f"https://{DOMAIN}") as relay:
        snapshot = json.loads(relay.recv(timeout=60))
        assert snapshot["type"] == "snapshot"
        assert snapshot["quotes"][str(INFY.token)][:2] == ["1384.55", "-1.20"]
        assert json.loads(relay.recv(timeout=60))["type"] == "status"
    with pytest.raises(InvalidStatus, match="403"):
        listening(server, cookies, "https://evil.example")


def test_the_dashboard_knows_who_came_and_believes_nobody_else(server: Composed, store: Store) -> None:
    with client(server, "127.0.0.62") as asking:
        answer = sign_in(asking, **{"X-Forwarded-For": "9.9.9.9", "X-Forwarded-Proto": "http"})
    assert answer.status_code == 200
    assert all("secure" in cookie.lower() for cookie in answer.headers.get_list("set-cookie"))
    assert [entry.detail for entry in store.audit(user="u-asha") if "127.0.0.62" in entry.detail]


def test_a_flood_of_sign_ins_ends_in_front_of_the_dashboard(server: Composed) -> None:
    with client(server, "127.0.0.63") as asking:
        answers = [asking.post("/api/auth/login", json={}, extensions={"sni_hostname": DOMAIN}) for _ in range(40)]
    # The dashboard's own sentences are JSON, nginx's are pages.
    told = [(answer.status_code, answer.headers["content-type"].partition(";")[0]) for answer in answers]
    assert told[0] == (422, "application/problem+json")
    assert set(told[1:]) == {told[0], (429, "text/html")}
    # Twenty at once and one each two seconds, however long it took.
    assert told.count(told[0]) < 30


def test_call_backs_of_providers_reach_the_dashboard(server: Composed) -> None:
    with client(server, "127.0.0.64") as asking:
        answer = asking.post("/callbacks/whatsapp", data={"From": "x"}, extensions={"sni_hostname": DOMAIN})
    assert (answer.status_code, "TWILIO_AUTH_TOKEN" in answer.text) == (404, True)


def test_nginx_survives_that_the_dashboard_starts_anew(server: Composed) -> None:
    server.stop("dashboard")
    with client(server, "127.0.0.65") as asking:
        assert asking.get("/login", extensions={"sni_hostname": DOMAIN}).status_code == 503
        server.start("dashboard")
        server.wait_until_healthy("dashboard")
        deadline_s = time.monotonic() + 120
        while asking.get("/login", extensions={"sni_hostname": DOMAIN}).status_code != 200:
            assert time.monotonic() < deadline_s
            time.sleep(0.2)
