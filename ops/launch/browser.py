"""Just enough of a browser to sign in somewhere: cookies, redirects, and forms filled in and sent."""

import http.cookiejar
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from stormalert.errors import StormError

TIMEOUT_S = 10


@dataclass
class Form:
    action: str
    is_post: bool
    # Name to value; `types` has each one's type.
    values: dict[str, str] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)

    def fill_in(self, user: str, password: str) -> None:
        """A sign-in form's two fields, whatever they are called."""
        for name, kind in self.types.items():
            if kind == "password":
                self.values[name] = password
            elif kind in ("text", "email"):
                self.values[name] = user

    @property
    def asks_for_password(self) -> bool:
        return "password" in self.types.values()


@dataclass(frozen=True)
class Page:
    url: str
    forms: list[Form]


class Browser:
    def __init__(self, ways: Mapping[str, str] | None = None) -> None:
        """`ways`: for roots of addresses to which one is led, those that lead there from here."""
        self._cookies = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(self._cookies), _Redirects(dict(ways or {}))
        )

    def open(self, url: str) -> Page:
        return self._fetch(urllib.request.Request(url))  # noqa: S310 - our own addresses

    def send(self, page: Page, form: Form) -> Page:
        url = urllib.parse.urljoin(page.url, form.action)
        content = urllib.parse.urlencode(form.values)
        if not form.is_post:
            return self.open(f"{url}?{content}")
        origin = "{0.scheme}://{0.netloc}".format(urllib.parse.urlsplit(page.url))
        headers = {"Origin": origin, "Referer": page.url}
        return self._fetch(urllib.request.Request(url, content.encode(), headers))  # noqa: S310

    def _fetch(self, request: urllib.request.Request) -> Page:
        """Raises StormError when the page cannot be had."""
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as answer:
                reader = _FormReader()
                reader.feed(answer.read().decode(errors="replace"))
                return Page(answer.url, reader.forms)
        except urllib.error.HTTPError as refusal:
            raise StormError(f"{_bare(refusal.url)} answered {refusal.code}") from None
        except OSError as error:
            raise StormError(f"{_bare(request.full_url)} cannot be reached: {error}") from None


class _Redirects(urllib.request.HTTPRedirectHandler):
    def __init__(self, ways: Mapping[str, str]) -> None:
        self._ways = ways

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        return super().redirect_request(req, fp, code, msg, headers, self._way_to(newurl))

    def _way_to(self, url: str) -> str:
        for root, way in self._ways.items():
            if root and f"{url}/".startswith(f"{root.rstrip('/')}/"):
                return way.rstrip("/") + url[len(root.rstrip("/")) :]
        return url


class _FormReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        of = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(of.get("action", ""), of.get("method", "get").lower() == "post"))
        elif tag == "input" and self.forms and of.get("name"):
            form = self.forms[-1]
            form.types[of["name"]] = of.get("type", "text").lower()
            form.values[of["name"]] = of.get("value", "")


def _bare(url: str) -> str:
    """Without the query, which may carry a token."""
    return url.split("?")[0]
