"""Moves what only the pages need out of this environment: Streamlit, and every package that is there for its sake alone.

python split_packages.py PYPROJECT TARGET
"""

import re
import shutil
import sys
import tomllib
from importlib.metadata import Distribution, distributions
from pathlib import Path

PAGES = "streamlit"


def main(pyproject: Path, target: Path) -> None:
    installed = {_named(it.metadata["Name"]): it for it in distributions()}
    needs = {name: _names(it.requires or []) & set(installed) for name, it in installed.items()}
    ours = _names(tomllib.loads(pyproject.read_text())["project"]["dependencies"])
    kept = _reached(ours - {PAGES}, needs)
    for name in sorted(_reached({PAGES}, needs) - kept):
        _move(installed[name], target)


def _named(text: str) -> str:
    return re.sub(r"[-_.]+", "-", text).lower()


def _names(requirements: list[str]) -> set[str]:
    """Each begins with one; those of extras are nobody's that are not asked for."""
    found = (re.match(r"[\w.-]+", text) for text in requirements if "extra ==" not in text)
    return {_named(name[0]) for name in found if name}


def _reached(roots: set[str], needs: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    left = set(roots)
    while left:
        name = left.pop()
        found.add(name)
        left |= needs[name] - found
    return found


def _move(it: Distribution, target: Path) -> None:
    here = Path(str(it.locate_file("")))
    # What lies outside, such as bin/streamlit, stays: nobody starts it.
    for first in {path.parts[0] for path in it.files or () if path.parts[0] not in ("..", "__pycache__")}:
        (target / first).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(here / first, target / first)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
