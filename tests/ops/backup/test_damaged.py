"""A store whose file is damaged: the doctor says so, and a backup takes its place without it being opened."""

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from ops.doctor import keeping
from ops.doctor.case import Case
from stormalert.config import settings
from stormalert.health.finding import Finding, Level
from stormalert.store import open_store
from stormalert.store.sqlite_schema import damage_of
from stormalert.units import now_ms
from tests.ops.backup.conftest import MASTER
from tests.store.records import a_rule, a_user

ROOT = Path(__file__).resolve().parents[3]
RULES = 300


class Installation:
    """A store with rules, and a Redis that holds nothing."""

    def __init__(self, directory: Path, redis_url: str) -> None:
        self._directory = directory
        self.path = directory / "store.sqlite3"
        self.archive = directory / "backup.gz"
        self._settings = {"STORM_REDIS_URL": redis_url, "STORM_SQLITE_PATH": str(self.path), "STORM_MASTER_SECRET": MASTER}
        with closing(open_store("", self.path)) as store:
            store.save_user(a_user("u"))
            for number in range(RULES):
                store.save_rule(a_rule(f"r{number}"))

    def command(self, *words: str) -> "subprocess.CompletedProcess[str]":
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **self._settings}
        command = [sys.executable, "-m", "stormalert", *words]
        return subprocess.run(command, cwd=self._directory, env=environment, capture_output=True, text=True, timeout=240)

    def findings(self) -> list[Finding]:
        config = settings.parse(self._settings)
        store, found = keeping.open_for(config)
        if store is not None:
            store.close()
        return list(keeping.check_store(Case(config, config, None, now_ms(), tuple(found))))

    def rules(self) -> int:
        with closing(open_store("", self.path)) as store:
            return store.counts()["rules"]

    def aside(self) -> list[Path]:
        return sorted(self._directory.glob("store.sqlite3.aside-*"))


@pytest.fixture
def installation(redis_url: str, tmp_path: Path) -> Installation:
    made = Installation(tmp_path, redis_url)
    assert made.command("backup", str(made.archive)).returncode == 0
    return made


def zero_the_middle(path: Path) -> None:
    with path.open("r+b") as file:
        size = path.stat().st_size
        file.seek(size // 2)
        file.write(bytes(size // 4))


@pytest.mark.parametrize("is_legible", [True, False], ids=["pages in its middle", "its very beginning"])
def test_what_is_damaged_is_told_and_replaced_and_kept(installation: Installation, is_legible: bool) -> None:
    if is_legible:
        zero_the_middle(installation.path)
    else:
        installation.path.write_bytes(b"\0" * 8_192)
    damaged = installation.path.read_bytes()
    worst = [each for each in installation.findings() if each.level is Level.BAD]
    assert len(worst) == 1
    assert str(installation.path) in worst[0].what

    refused = installation.command("restore", str(installation.archive))
    assert refused.returncode == 1
    assert "is damaged" in refused.stderr and "--force" in refused.stderr
    assert (installation.path.read_bytes(), installation.aside()) == (damaged, [])

    done = installation.command("restore", "--force", str(installation.archive))
    assert (done.returncode, done.stderr) == (0, "")
    (aside,) = installation.aside()
    assert f"is kept as {aside}" in done.stdout
    assert aside.read_bytes() == damaged
    assert installation.rules() == RULES
    assert {each.level for each in installation.findings()} == {Level.GOOD}


def test_nothing_is_moved_for_a_backup_that_cannot_be_restored(installation: Installation) -> None:
    installation.archive.write_bytes(installation.archive.read_bytes()[:-200])
    assert installation.command("restore", "--force", str(installation.archive)).returncode == 1
    assert installation.aside() == []
    assert installation.rules() == RULES


def test_a_file_that_is_too_large_for_the_time_is_not_called_damaged(installation: Installation) -> None:
    assert damage_of(installation.path, 60) == ""
    zero_the_middle(installation.path)
    assert damage_of(installation.path, 60)
    found = keeping.judge_damage(installation.path, None)
    assert found.level is Level.GOOD and "no damage found within" in found.what
