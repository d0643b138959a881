"""What is made from the code fits the code."""

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
    folders = [
        row.split("|")[1].strip(" `")
        for row in docs.ARCHITECTURE.read_text().splitlines()
        if row.startswith("| `") and "/`" in row
    ]
    assert folders
    assert [folder for folder in folders if not (docs.ROOT / folder).is_dir()] == []
