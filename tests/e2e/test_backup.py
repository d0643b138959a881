"""A backup of the running product, everything gone, and all of it back: rules as they were armed, history, and no message twice."""

import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from stormalert.backup import archive
from stormalert.keys import ENGINE_NOUNS
from stormalert.model import Alert, Direction, Kind, Rule
from stormalert.units import HOUR_MS, now_ms
from tests.e2e import accounts
from tests.e2e.accounts import SHARD
from tests.e2e.product import Product, product

pytestmark = pytest.mark.e2e

ANNOUNCED = "Ctrl-C stops everything"
ALERT_WITHIN_S = 60
SYMBOLS = ("RELIANCE", "TCS", "INFY")


class Before(NamedTuple):
    """What the backup found, as far as it stood still."""

    messages: int
    stream: list[Alert]
    kept: dict[str, object]


class Rehearsal(NamedTuple):
    product: Product
    backup: Path
    # Read off the backup itself.
    engine: dict[str, object]
    history: list[Alert]
    messages: list[dict[str, object]]
    cooling: dict[str, str]


def command(run: Product, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stormalert", *arguments],
        cwd=run.checkout,
        env=run.environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def add_patient_rules(run: Product) -> None:
    """Of every kind; they stay armed."""
    store = run.store()
    try:
        for symbol in SYMBOLS:
            instrument = store.instrument_by_symbol(f"NSE:{symbol}")
            assert instrument
            conditions: dict[Kind, dict[str, int]] = {
                Kind.ROLLING: {"percent_e2": 5_000, "window_ms": HOUR_MS},
                Kind.TRAILING: {"percent_e2": 5_000},
                Kind.DAY: {"percent_e2": 5_000},
                Kind.LEVEL: {"price_e4": 10_000},
            }
            for kind, condition in conditions.items():
                store.save_rule(
                    Rule(
                        id=f"patient-{symbol}-{kind}", user="demo", token=instrument.token, symbol=instrument.symbol, kind=kind,
                        direction=Direction.DOWN, armed_at_ms=0, **condition,
                    )
                )  # fmt: skip
    finally:
        store.close()


def history(run: Product) -> list[Alert]:
    """Page by page, newest first."""
    store = run.store()
    try:
        pages = [store.alerts_of("demo", limit=7)]
        while pages[-1]:
            pages.append(store.alerts_of("demo", (pages[-1][-1].time_ms, pages[-1][-1].id), limit=7))
        return [alert for page in pages for alert in page]
    finally:
        store.close()


def engine_of(path: Path) -> dict[str, object]:
    """The engine's keys in a backup, by name."""
    keys = {row[1]: row[4] for row in archive.rows(path) if row[0] == "key"}
    prefix = SHARD.prefix
    return {name: content for name, content in keys.items() if name.removeprefix(prefix).split(":")[0] in ENGINE_NOUNS}


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    directory = tmp_path_factory.mktemp("backup")
    with product(directory) as run:
        run.start("run")
        run.wait_for(ANNOUNCED)
        add_patient_rules(run)
        accounts.add_rules(run, "brisk", now_ms(), cooldown_ms=HOUR_MS)
        store = run.store()
        run.wait_until(
            lambda: len(accounts.stream_alerts(run)) > 5 and accounts.went_out(store, accounts.stream_alerts(run)),
            ALERT_WITHIN_S,
            "no alert went out",
        )
        store.close()
        backup = directory / "storm.gz"
        made = command(run, "backup", str(backup))
        assert made.returncode == 0, made.stderr
        messages = run.outbox()
        for pid in run.processes():
            os.kill(pid, signal.SIGKILL)
        run.wait_until_gone(20)

        # What its owner keeps beside the backup: the secrets.
        secrets = (run.var / "run.env").read_text()
        shutil.rmtree(run.var)
        run.var.mkdir()
        (run.var / "run.env").write_text(secrets)
        restored = command(run, "restore", str(backup))
        assert restored.returncode == 0, restored.stderr
        assert run.processes() == {}
        engine = engine_of(backup)
        cooling = {
            name: fields[fields.index("cooling") + 1]  # type: ignore[attr-defined]
            for name, fields in engine.items()
            if name.startswith(SHARD.rule("brisk")) and "cooling" in fields  # type: ignore[operator]
        }
        yield Rehearsal(run, backup, engine, history(run), messages, cooling)


def test_the_engine_is_as_it_was_armed_with_its_epochs_windows_and_peaks(rehearsal: Rehearsal, tmp_path: Path) -> None:
    """A backup of what was restored, before anything runs, holds the same."""
    again = tmp_path / "again.gz"
    made = command(rehearsal.product, "backup", str(again))
    assert made.returncode == 0, made.stderr
    assert engine_of(again) == {**rehearsal.engine, **_rested(rehearsal, engine_of(again))}
    states = Counter(name.split(":")[2].split("}")[0] for name in rehearsal.engine)
    assert states
    for kind in Kind:
        assert any(f"-{kind}" in name for name in rehearsal.engine)
