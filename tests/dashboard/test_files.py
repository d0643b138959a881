"""Files that pages need beside their own."""

import re
import tomllib
from pathlib import Path

import pytest

from dashboard.web.files import FOLDER
from dashboard.web.server import LOOK

from .conftest import Site

ROOT = Path(__file__).parents[2]
CHARTS = "/assets/lightweight-charts-5.2.1.mjs"


def test_members_get_them_as_scripts_that_are_kept_when_their_name_has_a_version(site: Site) -> None:
    with site.sign_in("mina") as mina:
        charts, ours = mina.get(CHARTS), mina.get("/assets/relay.mjs")
        again = mina.get("/assets/relay.mjs", headers={"If-None-Match": ours.headers["etag"]})
    assert charts.content == (FOLDER / CHARTS.rpartition("/")[2]).read_bytes()
    assert "javascript" in charts.headers["content-type"] and "javascript" in ours.headers["content-type"]
    assert (charts.headers["cache-control"], ours.headers["cache-control"]) == (
        "private, max-age=31536000, immutable",
        "private, no-cache",
    )
    assert (again.status_code, again.headers["cache-control"]) == (304, "private, no-cache")


def test_strangers_get_none(site: Site) -> None:
    with site.visitor() as visitor:
        answer = visitor.get(CHARTS)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")


@pytest.mark.parametrize("path", ["../main.py", "%2e%2e/main.py", "..%2f..%2fpyproject.toml", "%2fetc%2fpasswd", "a%00", ""])
def test_nothing_else_is_to_be_had_that_way(site: Site, path: str) -> None:
    with site.sign_in("mina") as mina:
        # Not the client's idea of the path: it would take the dots out.
        answer = mina.get(f"{site.url}/assets/{path}", extensions={"target": f"/assets/{path}".encode()})
    # Streamlit refuses dots and zeros before we see them.
    assert answer.status_code in (400, 404)


def test_what_scripts_load_is_there() -> None:
    scripts = [path for pattern in ("*.js", "*.mjs") for path in (ROOT / "dashboard").rglob(pattern)]
    ours = [path for path in scripts if not path.name.startswith("lightweight-charts")]
    loaded = {path: re.findall(r'"(?:/assets/)?((?:\.\.?/)*[\w-][\w./-]*\.mjs)"', path.read_text()) for path in ours}
    assert {"elements.mjs", "live/prices.mjs", "../formats.mjs"} <= {name for names in loaded.values() for name in names}
    for path, names in loaded.items():
        for name in names:
            folder = path.parent if name.startswith(".") else FOLDER
            assert (folder / name).is_file(), f"{path.name} loads {name}"


def test_the_theme_and_streamlit_have_the_same_colours() -> None:
    theirs = tomllib.loads(LOOK.read_text())["theme"]
    ours = dict(re.findall(r"--([\w-]+): light-dark\((#\w{6}, #\w{6})\)", (FOLDER / "theme.css").read_text()))
    for name, option in (
        ("ink", "textColor"),
        ("ground", "backgroundColor"),
        ("panel", "secondaryBackgroundColor"),
        ("border", "borderColor"),
    ):
        assert ours[name] == f"{theirs['light'][option]}, {theirs['dark'][option]}", name
