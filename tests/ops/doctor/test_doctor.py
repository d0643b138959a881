"""The command itself: exit codes, JSON, and nothing secret whatever is broken."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import free_port

pytestmark = pytest.mark.usefixtures("processes")

ROOT = Path(__file__).resolve().parents[3]
SECRETS = {
    "JWT_SECRET": "jwt-secret-of-thirty-two-letters",
    "STORM_MASTER_SECRET": "master-secret-of-32-letters-long",
    "KITE_API_KEY": "kite-key-of-mine",
    "KITE_API_SECRET": "kite-secret-of-mine",
    "TELEGRAM_BOT_TOKEN": "7:telegram-token",
    "TWILIO_AUTH_TOKEN": "twilio-token",
}


def doctor(directory: Path, *options: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    ours = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(directory)}
    command = [sys.executable, "-m", "stormalert", "doctor", *options]
    return subprocess.run(command, cwd=directory, env=ours | environment, capture_output=True, text=True, timeout=240)


def test_all_settings_that_cannot_be_used_are_told_at_once(tmp_path: Path) -> None:
    done = doctor(tmp_path, STORM_PORT="high", STORM_COLOUR="red", JWT_SECRET="short-and-secret")
    assert (done.returncode, done.stderr) == (2, "")
    assert [line.split()[:3] for line in done.stdout.splitlines() if line.startswith("✗")] == [
        ["✗", "settings", "STORM_COLOUR"],
        ["✗", "settings", "JWT_SECRET:"],
        ["✗", "settings", "STORM_PORT:"],
    ]
    assert "short-and-secret" not in done.stdout


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_nothing_secret_is_told_although_everything_is_broken(tmp_path: Path, options: tuple[str, ...]) -> None:
    dead = f"127.0.0.1:{free_port()}"
    broken = {
        "STORM_REDIS_URL": f"redis://:redis-pass@{dead}/0",
        "STORM_QUEUE_URL": f"redis://:queue-pass@{dead}/1",
        "MONGODB_URI": f"mongodb://me:mongo-pass@{dead}/storm?serverSelectionTimeoutMS=200",
        "SMTP_URL": f"smtp://me:mail-pass@{dead}",
        "STORM_KITE_API_ROOT": f"http://{dead}",
        "STORM_KITE_WS_ROOT": f"ws://{dead}",
        "STORM_TELEGRAM_API_ROOT": f"http://{dead}",
        "STORM_TWILIO_API_ROOT": f"http://{dead}",
        "STORM_PUBLIC_URL": f"https://{dead}",
        "TWILIO_SID": "AC1",
        "TWILIO_FROM_NUMBER": "+14155238886",
    }
    done = doctor(tmp_path, *options, **SECRETS, **broken)
    assert (done.returncode, done.stderr) == (2, "")
    passwords = ["redis-pass", "queue-pass", "mongo-pass", "mail-pass"]
    assert [secret for secret in (*SECRETS.values(), *passwords) if secret in done.stdout] == []
    if options:
        told = json.loads(done.stdout)
        assert told["level"] == "bad"
        wrong = {each["subject"] for each in told["findings"] if each["level"] == "bad"}
        assert wrong >= {"redis", "queue redis", "store", "kite", "kite's socket", "telegram", "twilio", "mail"}
        assert all(each["advice"] for each in told["findings"] if each["level"] != "good")
        assert not any("broke" in each["found"] for each in told["findings"])
    else:
        assert done.stdout.splitlines()[-1].endswith(" good.") and "✗ redis " in done.stdout
