"""Just enough of a browser to sign in somewhere: cookies, redirects, and forms filled in and sent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlsplit

import httpx

from stormalert.errors import StormError

TIMEOUT_S = 10
REDIRECTS_MAX = 10


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
class FormPage:
    url: str
    forms: list[Form]


class Browser:
    def __init__(self, ways: Mapping[str, str] | None = None) -> None:
        """`ways`: for roots of addresses to which one is led, those that lead there from here."""
        self._ways = dict(ways or {})
        # Each connection ends with its answer: a browser is just left.
        self._client = httpx.Client(timeout=TIMEOUT_S, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))

    def open(self, url: str) -> FormPage:
        return self._fetch(self._client.build_request("GET", url))

    def send(self, page: FormPage, form: Form) -> FormPage:
        url = httpx.URL(page.url).join(form.action)
        if not form.is_post:
            return self._fetch(self._client.build_request("GET", url, params=form.values))
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(page.url))
        headers = {"Origin": origin, "Referer": page.url}
        return self._fetch(self._client.build_request("POST", url, data=form.values, headers=headers))

    def _fetch(self, request: httpx.Request) -> FormPage:
        """Raises StormError when the page cannot be had."""
        for _ in range(REDIRECTS_MAX):
            try:
                answer = self._client.send(request)
            except httpx.HTTPError as error:
                raise StormError(f"{_bare(request.url)} cannot be reached: {error}") from None
            if answer.is_error:
                raise StormError(f"{_bare(request.url)} answered {answer.status_code}")
            if answer.next_request is None:
                reader = _FormReader()
                reader.feed(answer.text)
                return FormPage(str(answer.url), reader.forms)
            led_to = answer.next_request
            # Not as httpx made it: the cookies are those of where the way from here leads.
            request = self._client.build_request(led_to.method, self._way_to(str(led_to.url)))
        raise StormError(f"{_bare(request.url)} leads on and on")

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


def _bare(url: httpx.URL) -> httpx.URL:
    """Without the query, which may carry a token."""
    return url.copy_with(query=None)
