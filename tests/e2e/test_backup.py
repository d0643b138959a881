"""A backup of the running product, everything gone, and all of it back: rules as they were armed, history, no message twice."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ops.backup import archive
from stormalert.model import Alert, Direction, Kind, Rule
from stormalert.redis.keys import ENGINE
from stormalert.units import HOUR_MS, now_ms
from tests.e2e import accounts
from tests.e2e.accounts import SHARD
from tests.e2e.product import Product, product

pytestmark = pytest.mark.e2e

ANNOUNCED = "Ctrl-C stops everything"
ALERT_WITHIN_S = 180
# Of every kind, so far from the price that they stay armed.
PATIENT: dict[Kind, dict[str, int]] = {
    Kind.ROLLING: {"percent_e2": 5_000, "window_ms": HOUR_MS},
    Kind.TRAILING: {"percent_e2": 5_000},
    Kind.DAY: {"percent_e2": 5_000},
    Kind.LEVEL: {"price_e4": 10_000},
}


def test_backup_wipe_restore_the_same_rules_armed_the_same_history_no_alert_repeated(tmp_path: Path) -> None:
    with product(tmp_path) as run:
        run.start("run")
        run.wait_for(ANNOUNCED)
        add_patient_rules(run)
        wait_for_alerts(run, "before", cooldown_ms=HOUR_MS)
        told = messages(run)
        backup = tmp_path / "storm.gz"
        done = command(run, "backup", str(backup))
        assert done.returncode == 0, done.stderr
        kill_everything(run)
        # What its owner keeps elsewhere: the secrets.
        secrets = (run.var / "run.env").read_text()
        shutil.rmtree(run.var)
        run.var.mkdir()
        (run.var / "run.env").write_text(secrets)

        done = command(run, "restore", str(backup))
        assert done.returncode == 0, done.stderr
        assert run.processes() == {}
        # What was restored, backed up before anything runs.
        again = tmp_path / "again.gz"
        done = command(run, "backup", str(again))
        assert done.returncode == 0, done.stderr
        before, after = engine(backup), engine(again)
        changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
        assert {name for name in changed if name.startswith(SHARD.rule(""))} <= set(fired_meanwhile(backup, before))
        assert not changed or fired_meanwhile(backup, before)
        for kind in PATIENT:
            assert state(after[SHARD.rule(f"patient-{kind}")]) == "armed"
        assert history(run) == recorded(backup)

        run.start("run")
        run.wait_for(ANNOUNCED)
        wait_for_alerts(run, "after", cooldown_ms=HOUR_MS)
        accounts.pause_all_rules(run)
        drawn_up = accounts.draw_up(run)
        assert drawn_up.repeated_ids == []
        assert drawn_up.unsent == []
        # The outbox began anew: nothing in it is what was told before.
        assert [message for message in messages(run) if message in told] == []
        # Whoever cooled down has not fired again.
        resting = [name for name in before if name.startswith(SHARD.rule("before-")) and state(before[name]) == "cooling"]
        assert resting
        ids = [alert.id for alert in drawn_up.alerts]
        for name in resting:
            rule = name.removeprefix(SHARD.rule(""))
            assert [each for each in ids if each.startswith(f"{rule}-")] == [f"{rule}-{epoch(before[name])}"]
        assert history(run)[-len(recorded(backup)) :] == recorded(backup)


def command(run: Product, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stormalert", *arguments],
        cwd=run.checkout,
        env=run.environment,
        capture_output=True,
        text=True,
        timeout=400,
    )


def kill_everything(run: Product) -> None:
    run.kill_launcher()
    for pid in run.processes():
        os.kill(pid, signal.SIGKILL)
    run.wait_until_gone(60)


def add_patient_rules(run: Product) -> None:
    store = run.store()
    try:
        instrument = store.instrument_by_symbol("NSE:RELIANCE")
        assert instrument
        on = {"user": "demo", "token": instrument.token, "symbol": instrument.symbol, "direction": Direction.DOWN}
        for kind, condition in PATIENT.items():
            store.save_rule(Rule.model_validate({"id": f"patient-{kind}", "kind": kind} | on | condition))
    finally:
        store.close()


def wait_for_alerts(run: Product, name: str, cooldown_ms: int) -> None:
    """Of new rules; one at least has gone out over every channel."""
    accounts.add_rules(run, name, now_ms(), cooldown_ms)
    store = run.store()
    try:
        run.wait_until(
            lambda: accounts.went_out(store, [it for it in accounts.stream_alerts(run) if it.rule.startswith(name)]),
            ALERT_WITHIN_S,
            "no alert went out",
        )
    finally:
        store.close()


def messages(run: Product) -> list[tuple[str, str]]:
    return [(message["channel"], message["text"]) for message in accounts.messages_of_alerts(run)]


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


def recorded(backup: Path) -> list[Alert]:
    """The history in a backup, newest first."""
    found = [Alert.model_validate(row[2]) for row in archive.rows(backup) if row[:2] == ["record", "alerts"]]
    return sorted(found, key=lambda alert: (alert.time_ms, alert.id), reverse=True)


def engine(backup: Path) -> dict[str, Any]:
    """What a backup has of the engine's keys, sorted sets in one order."""
    found = {}
    for row in archive.rows(backup):
        if row[0] == "key" and any(family.pattern.fullmatch(row[1]) for family in ENGINE):
            pairs = row[2] in ("hash", "zset")
            found[row[1]] = dict(zip(row[4][::2], row[4][1::2], strict=True)) if pairs else row[4]
    return found


def state(rule: dict[str, str]) -> str:
    return next(name for name in rule if name != "rule")


def epoch(rule: dict[str, str]) -> str:
    return rule[state(rule)]


def fired_meanwhile(backup: Path, before: dict[str, Any]) -> list[str]:
    """Rules that were read as armed, and whose alert was read behind that."""
    known = {
        fields[1] for row in archive.rows(backup) if row[0] == "entries" and row[1] == SHARD.alerts for _, fields in row[2]
    }
    known |= {alert.id for alert in recorded(backup)}
    rules = {name: rule for name, rule in before.items() if name.startswith(SHARD.rule("")) and state(rule) == "armed"}
    return [name for name, rule in rules.items() if f"{name.removeprefix(SHARD.rule(''))}-{epoch(rule)}" in known]
