"""Debian's Chromium, and a page that notices what a person might not: console errors, failed requests, requests to strangers.

`watched_page(base_url)` serves for any running StormAlert, also the whole of `make run`. Where many tests look at the same
one, `Visitor` gives each of them a page in one browser, which must not read the pages' scripts anew for each.
"""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import httpx
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Page,
    Request,
    Response,
    WebSocket,
    expect,
    sync_playwright,
)

from tests.browser.script_runs import ScriptRuns
from tests.conftest import needed

ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
# The one without windows of its own is faster; the other does as well.
_CHROMIUMS = ("chromium-headless-shell", "chromium")
CHROMIUM = next(filter(shutil.which, _CHROMIUMS), _CHROMIUMS[0])
DESK, PHONE = (1366, 900), (390, 844)
SCREENSHOTS = Path("build") / "screenshots"
# Sessions are checked every few seconds, and the machine may be busy.
PATIENCE_MS = 60_000
# What is asked of a part that has just been closed is not answered.
ASKED_S = 10
# What a click sets off has reached the connection, and what another size changes is on the screen.
_DRAWN = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
expect.set_options(timeout=PATIENCE_MS)


@dataclass
class Watched:
    """A page of one browser; `complaints` are what went wrong on it, except answers such as `401 /login` that are expected."""

    page: Page
    base_url: str
    _browser: Browser
    expected: set[str] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)
    # What the relay, or Streamlit, sent and got: addresses of the websockets that were opened.
    sockets: list[str] = field(default_factory=list)
    _runs: ScriptRuns = field(default_factory=ScriptRuns)

    def __post_init__(self) -> None:
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"script error: {error}"))
        self.page.on("request", self._on_request)
        self.page.on("requestfailed", self._on_failure)
        self.page.on("response", self._on_response)
        self.page.on("websocket", self._on_websocket)

    def somebody_else(self, base_url: str = "") -> AbstractContextManager["Watched"]:
        """Another person's browser beside this one."""
        return Visitor(self._browser).page(base_url or self.base_url)

    def open(self, path: str = "/") -> Page:
        self.page.goto(self.base_url + path)
        return self.page

    def send_sign_in(self, name: str, password: str) -> None:
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Sign in").click()

    def sign_in(self, name: str, password: str) -> Page:
        """From the sign-in page to the first page behind it."""
        self.open("/login")
        self.send_sign_in(name, password)
        self.page.wait_for_url(lambda url: urlsplit(url).path != "/login")
        self.settle()
        return self.page

    def let_in(self, name: str, password: str) -> None:
        """Signed in, but for the sign-in page, and nothing opened yet."""
        with httpx.Client(base_url=self.base_url, timeout=60, trust_env=False) as client:
            client.get("/login")
            form = {"csrf": client.cookies["storm_csrf"], "name": name, "password": password}
            assert client.post("/login", data=form).status_code == 303
            self.page.context.add_cookies(
                [{"name": it, "value": value, "url": self.base_url} for it, value in client.cookies.items()]
            )

    def settle(self) -> None:
        """Streamlit has run the page's script for all that was done until now, and what it drew is there."""
        self._wait_for_frames()
        self._wait_while(lambda: self._runs.is_asked, ASKED_S)
        self._wait_while(lambda: self._runs.is_running, PATIENCE_MS / 1_000)
        self.page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for(timeout=PATIENCE_MS)
        self.page.locator('[data-testid="stSkeleton"]').first.wait_for(state="detached", timeout=PATIENCE_MS)
        if box := self.page.locator('[data-testid="stException"]').all_inner_texts():
            self.complaints.append(f"exception on the page: {box}")

    def _wait_for_frames(self) -> None:
        # A page that is just being left draws no more.
        with suppress(Error):
            self.page.evaluate(_DRAWN)

    def _wait_while(self, is_so: Callable[[], bool], most_s: float) -> None:
        """What still is so then is told by what is looked for next."""
        until_s = time.monotonic() + most_s
        while is_so() and time.monotonic() < until_s:
            # Only while it waits does it hear what the page's connections say.
            self.page.wait_for_timeout(20)

    def screenshot(self, name: str) -> Path:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        path = SCREENSHOTS / f"{name}.png"
        self.page.screenshot(path=path)
        return path

    def show_as(self, colours: Literal["light", "dark"], size: tuple[int, int] = DESK) -> None:
        self.page.emulate_media(color_scheme=colours)
        self.page.set_viewport_size({"width": size[0], "height": size[1]})
        self._wait_for_frames()

    def _on_console(self, message: ConsoleMessage) -> None:
        # A refused request is reported by `_on_response`, which knows the path and whether it was expected.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.complaints.append(f"console: {message.text}")

    def _on_request(self, request: Request) -> None:
        self._note_stranger(request.url)

    def _on_websocket(self, opened: WebSocket) -> None:
        self.sockets.append(opened.url)
        self._runs.follow(opened)
        self._note_stranger(opened.url)

    def _note_stranger(self, url: str) -> None:
        target = urlsplit(url)
        if target.scheme not in ("data", "blob") and target.hostname != urlsplit(self.base_url).hostname:
            self.complaints.append(f"request to a stranger: {target.hostname}")

    def _on_failure(self, request: Request) -> None:
        # What a page had asked for when it was left.
        if request.failure != "net::ERR_ABORTED":
            self.complaints.append(f"failed: {urlsplit(request.url).path} {request.failure}")

    def _on_response(self, response: Response) -> None:
        answer = f"{response.status} {urlsplit(response.url).path}"
        if response.status >= 400 and answer not in self.expected:
            self.complaints.append(f"answer: {answer}")


class Visitor:
    """Who keeps files that may be kept, and nothing else: what one page leaves behind, the next does not find."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._context: BrowserContext | None = None

    @contextmanager
    def page(self, base_url: str) -> Iterator[Watched]:
        """What went wrong on it is an error at the end."""
        if self._context is None:
            self._context = self._browser.new_context(
                viewport={"width": DESK[0], "height": DESK[1]},
                color_scheme="light",
                # Times on the screen must not depend on where the reader is.
                timezone_id="America/New_York",
            )
            self._context.set_default_timeout(PATIENCE_MS)
        watched = Watched(self._context.new_page(), base_url, self._browser)
        try:
            yield watched
        finally:
            self._forget(watched)
        assert not watched.complaints, "\n".join(watched.complaints)

    def _forget(self, watched: Watched) -> None:
        assert self._context is not None
        with suppress(Error):
            # Its page may have been closed.
            session = self._context.new_cdp_session(watched.page)
            session.send("Storage.clearDataForOrigin", {"origin": watched.base_url, "storageTypes": "local_storage,indexeddb"})
        for page in self._context.pages:
            page.close()
        self._context.clear_cookies()


def chromium() -> str:
    """Its path; skips the test where there is none, and fails in CI."""
    return needed(CHROMIUM)


@contextmanager
def opened_browser(*arguments: str) -> Iterator[Browser]:
    """With more `arguments` of Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), headless=True, args=[*ARGUMENTS, *arguments])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def watched_page(base_url: str, *arguments: str) -> Iterator[Watched]:
    """A browser of its own, with more `arguments`; what went wrong on its page is an error at the end."""
    with opened_browser(*arguments) as browser, Visitor(browser).page(base_url) as watched:
        yield watched
