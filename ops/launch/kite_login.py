"""The daily Kite login of the demo: the dashboard's sign-in, its Kite button and the sandbox's login page, as in a browser."""

from collections.abc import Mapping

from ops.launch.browser import Browser
from stormalert.errors import StormError


def log_in(dashboard_url: str, user: str, password: str, ways: Mapping[str, str] | None = None) -> None:
    """Returns when the dashboard has Kite's answer; `ways` as Browser has them. Raises StormError."""
    browser = Browser(ways)
    sign_in = browser.open(f"{dashboard_url}/login")
    form = next((form for form in sign_in.forms if form.asks_for_password), None)
    if form is None:
        raise StormError(f"{sign_in.url} has no sign-in form")
    form.fill_in(user, password)
    browser.send(sign_in, form)
    page = browser.open(f"{dashboard_url}/kite/login")
    if page.url.startswith(dashboard_url) or not page.forms:
        raise StormError("the dashboard did not lead to Kite's login page")
    page = browser.send(page, page.forms[0])
    if not page.url.startswith(dashboard_url):
        raise StormError("Kite's login page did not lead back to the dashboard")
