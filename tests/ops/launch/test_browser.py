"""Forms and cookies, with a server of the test's own."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import pytest

from ops.launch.browser import Browser
from stormalert.errors import StormError

PAGE = """<form action="/find"><input name="q"></form>
<form method="post"><input type="hidden" name="csrf" value="c&amp;1"><input name="name" type="text">
<input type="password" name="word"><button>Go</button></form>"""


class FormSite(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path.startswith("/inside"):
            self._answer(200 if "session=yes" in self.headers.get("Cookie", "") else 403, "inside")
        elif self.path == "/away":
            self.send_response(303)
            self.send_header("Location", "https://storm.example/login?x=1")
            self.end_headers()
        else:
            self._answer(200, PAGE)

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        is_right = form == {"csrf": ["c&1"], "name": ["demo"], "word": ["p w"]} and self.headers["Origin"] == self._origin()
        self.send_response(303)
        self.send_header("Location", "/inside?step=1")
        if is_right:
            self.send_header("Set-Cookie", "session=yes; HttpOnly; Path=/")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...

    def _origin(self) -> str:
        return f"http://{self.headers['Host']}"

    def _answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


@pytest.fixture
def site() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), FormSite) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


def test_signs_in_with_whatever_fields_the_form_has_and_keeps_the_cookie(site: str) -> None:
    browser = Browser()
    page = browser.open(f"{site}/login?next=1")
    find, sign_in = page.forms
    assert not find.asks_for_password
    sign_in.fill_in("demo", "p w")
    assert browser.send(page, sign_in).url == f"{site}/inside?step=1"
    assert browser.open(f"{site}/inside").url == f"{site}/inside"


def test_a_refusal_is_a_sentence_without_the_query(site: str) -> None:
    with pytest.raises(StormError, match=r"/inside answered 403$"):
        Browser().open(f"{site}/inside?request_token=secret")


def test_a_server_that_is_away_is_a_sentence() -> None:
    with pytest.raises(StormError, match="cannot be reached"):
        Browser().open("http://127.0.0.1:1/?request_token=secret")


def test_goes_its_own_way_to_addresses_that_are_made_for_people(site: str) -> None:
    assert Browser({"": "x", "https://storm.example/": f"{site}/"}).open(f"{site}/away").url == f"{site}/login?x=1"
    # One that only begins alike is another one.
    with pytest.raises(StormError, match="cannot be reached"):
        Browser({"https://storm.ex": site}).open(f"{site}/away")
