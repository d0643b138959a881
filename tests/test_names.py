"""A class name stands for one thing in the whole tree."""

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("stormalert", "ops", "ingest", "evaluator", "workers", "dashboard", "sandbox", "bench", "tests")


def test_a_class_name_stands_for_one_thing() -> None:
    found = defaultdict(list)
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ClassDef):
                    # Whether it is of one file alone or not.
                    found[node.name.lstrip("_")].append(str(path.relative_to(ROOT)))
    assert found["Rule"] == ["stormalert/model.py"]
    assert {name: paths for name, paths in found.items() if len(paths) > 1} == {}
