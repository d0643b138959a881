"""What is made from the code fits the code."""

import re

from ops import docs
from stormalert.config.settings import env_example, names

STALE = "stale: run make docs"


def test_env_example_is_fresh() -> None:
    assert docs.ENV_EXAMPLE.read_text() == env_example(), STALE


def test_the_tables_of_the_architecture_are_fresh() -> None:
    text = docs.ARCHITECTURE.read_text()
    assert docs.with_tables(text) == text, STALE


def test_every_setting_is_in_env_example() -> None:
    lines = env_example().splitlines()
    assert [name for name in names() if not any(line.startswith(f"#{name}=") for line in lines)] == []


def test_every_path_that_the_architecture_names_is_there() -> None:
    rows = [row.split("|") for row in docs.ARCHITECTURE.read_text().splitlines() if re.match(r"\| `[^`]*/` \|", row)]
    named = [row[1].strip(" `") + first for row in rows for first in re.findall(r"`([^`]+)`", row[3])]
    assert len(named) >= len(rows) > 0
    assert [path for path in named if not (docs.ROOT / path).is_file()] == []
