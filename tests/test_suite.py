"""The tests' own rules, and those of `make check`."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]


def test_a_test_that_may_not_start_processes_fails_when_it_does() -> None:
    with pytest.raises(pytest.fail.Exception, match="starts a process"):
        subprocess.run([sys.executable, "-c", ""], check=True)


@pytest.mark.usefixtures("processes")
def test_one_that_asked_may() -> None:
    subprocess.run([sys.executable, "-c", ""], check=True)


def test_before_a_commit_is_checked_what_make_check_checks() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    rules = re.findall(r"^RULES := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[0].split()
    assert [hook["entry"] for hook in hooks] == [f"make {rule}" for rule in rules]
