"""What the browser tests look at: StormAlert's screens in a real browser."""

from collections.abc import Iterator

import pytest

from tests.browser.running import NAME, PASSWORD, Running, running
from tests.browser.watching import Visitor, Watched, chromium, opened_browser


@pytest.fixture(autouse=True)
def _processes(processes: None) -> None:
    """Each of these tests drives a browser."""


@pytest.fixture(scope="module")
def product(redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Dashboard and relay; started once, since that takes seconds."""
    chromium()
    with running(redis_server, tmp_path_factory.mktemp("browser")) as product:
        yield product


@pytest.fixture(scope="module")
def visitor(processes: None) -> Iterator[Visitor]:
    with opened_browser() as browser:
        yield Visitor(browser)


@pytest.fixture
def browser(product: Running, visitor: Visitor) -> Iterator[Watched]:
    """A page without a past; the test fails when anything went wrong on it."""
    with visitor.page(product.url) as watched:
        yield watched


@pytest.fixture
def signed_in(browser: Watched) -> Watched:
    """Where one begins is the test's own."""
    browser.let_in(NAME, PASSWORD)
    return browser


@pytest.fixture
def live(signed_in: Watched) -> Watched:
    """On the Live page."""
    signed_in.open()
    signed_in.settle()
    return signed_in
