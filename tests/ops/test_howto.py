"""The how-to pages name what is there, and the way to them is told."""

import re
from pathlib import Path

import pytest

from ops import docs

PAGES = sorted((docs.ROOT / "docs" / "howto").glob("*.md"))
TARGETS = set(re.findall(r"^([a-z-]+):", (docs.ROOT / "Makefile").read_text(), re.MULTILINE))


def test_there_are_pages() -> None:
    assert PAGES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_path_that_a_page_names_is_there(page: Path) -> None:
    text = page.read_text()
    # Those whose content it shows are the reader's to make.
    made = re.findall(r"^`([\w/.-]+)`:$", text, re.MULTILINE)
    named = set(re.findall(r"`((?:[\w.-]+/)+[\w.-]*)`", text)) - set(made)
    assert named
    assert [path for path in named if not (docs.ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_make_target_that_a_page_names_is_there(page: Path) -> None:
    assert set(re.findall(r"`make ([a-z-]+)", page.read_text())) <= TARGETS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_contributing_leads_to_every_page(page: Path) -> None:
    assert f"docs/howto/{page.name}" in (docs.ROOT / "CONTRIBUTING.md").read_text()
