"""The command itself: exit codes, JSON, and nothing secret whatever is broken."""

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
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


def test_while_all_providers_drip_the_doctor_ends_and_names_each(tmp_path: Path) -> None:
    http, ws, smtp = free_port(), free_port(), free_port()
    ports = ["--http-port", str(http), "--ws-port", str(ws), "--smtp-port", str(smtp)]
    command = [sys.executable, "-m", "sandbox", *ports, "--state-dir", str(tmp_path / "sandbox"), "--instruments", "1"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as sandbox, httpx.Client(timeout=60) as client:
        try:
            drip_everything(client, f"http://127.0.0.1:{http}", sandbox)
            at = f"http://127.0.0.1:{http}"
            dripping = {
                "STORM_KITE_API_ROOT": at,
                "STORM_KITE_WS_ROOT": f"ws://127.0.0.1:{ws}",
                "STORM_TELEGRAM_API_ROOT": at,
                "STORM_TWILIO_API_ROOT": at,
                "STORM_PUBLIC_URL": f"{at}/webhook",
                "SMTP_URL": f"smtp://127.0.0.1:{smtp}",
                "TWILIO_SID": "AC1",
                "TWILIO_FROM_NUMBER": "+14155238886",
            }
            told = json.loads(doctor(tmp_path, "--json", **SECRETS, **dripping).stdout)
        finally:
            sandbox.terminate()
    late = {each["subject"]: each["found"] for each in told["findings"] if "within" in each["found"]}
    assert set(late) == {"kite", "telegram", "twilio", "mail", "public address"}
    assert all(text.endswith(("no answer within 4 s", "does not take us within 8 s")) for text in late.values())


def drip_everything(client: httpx.Client, root: str, sandbox: "subprocess.Popen[bytes]") -> None:
    """As soon as the sandbox listens."""
    while True:
        assert sandbox.poll() is None, "the sandbox ended"
        with contextlib.suppress(httpx.TransportError):
            parts = ("rest", "telegram", "twilio", "smtp", "webhook", "ntfy")
            client.post(f"{root}/control/faults", json={part: {"drip": True} for part in parts}).raise_for_status()
            return
        time.sleep(0.05)
