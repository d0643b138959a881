"""Pages are made as docs/howto/add-a-page.md says."""

import re
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from dashboard.web import html
from dashboard.web.server import PAGES

DASHBOARD = Path(__file__).parents[2] / "dashboard"
TEMPLATES = DASHBOARD / "web" / "templates"
NAMES = sorted(str(path.relative_to(TEMPLATES)) for path in TEMPLATES.rglob("*.html"))
CODE = {path: path.read_text() for path in DASHBOARD.rglob("*.py")}


def test_each_page_has_a_folder_and_opens_by_its_own_address() -> None:
    main = CODE[DASHBOARD / "main.py"]
    shown = set(re.findall(r"st\.Page\((\w+)\.show", main))
    assert {"live", "rules", "admin"} <= shown
    assert all("\ndef show() -> None:" in CODE[DASHBOARD / name / "page.py"] for name in shown)
    # The first one opens at /, and /admin has a rule of its own.
    assert set(re.findall(r'url_path="(\w+)"', main)) == {*PAGES, "admin"} == shown - {"live"}


def test_html_is_made_by_templates_alone() -> None:
    made = {path.name for path, text in CODE.items() if re.search(r"</\w+>|<style", text)}
    # Styles of ours, and what Streamlit's own page is told.
    assert made == {"html.py", "pages.py"}


def test_each_template_is_used_and_each_that_is_used_is_there() -> None:
    used = {name for text in CODE.values() for name in re.findall(r'"([\w/]+\.html)"', text)}
    used |= {
        name
        for path in TEMPLATES.rglob("*.html")
        for name in re.findall(r'(?:extends|import|from) "([\w/]+\.html)"', path.read_text())
    }
    assert used == {*NAMES, "index.html"}


@pytest.mark.parametrize("name", NAMES)
def test_a_template_escapes_all_and_has_no_style_and_no_script(name: str) -> None:
    text = (TEMPLATES / name).read_text()
    assert not re.search(r"\|\s*safe|autoescape|<style|<script|\son\w+=", text)
    assert set(re.findall(r'style="([^"]*)"', text)) <= {"--tone:{{ it.colour }}", "{{ it.look.style }}"}


def test_what_a_template_was_not_given_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="'text' is undefined"):
        html.render("note.html")


def test_what_comes_from_outside_is_text() -> None:
    assert "&lt;b&gt;&#34;" in html.render("note.html", text='<b>"')
