import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import free_port

pytestmark = pytest.mark.usefixtures("processes")

STOP_S = 10.0  # one second is promised; the machine may be busy, and what hangs would hang for two minutes


def sandbox_with(*flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "sandbox", *flags], capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("flag", ["--http-port", "--ws-port", "--smtp-port"])
def test_a_taken_port_is_one_sentence(flag: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = sandbox_with(f"{flag}={port}", f"--state-dir={tmp_path}")
    assert done.returncode == 1
    assert done.stderr.startswith(f"sandbox: port {port} of 127.0.0.1 ({flag}) is taken")
    assert done.stderr.count("\n") == 1


def test_a_bad_recording_is_one_sentence(tmp_path: Path, unused_ports: list[str]) -> None:
    recording = tmp_path / "bad.csv"
    recording.write_text("NIFTY,20220601,09:16,1,2\n", encoding="utf-8")
    for arguments in ([*unused_ports, f"--play={recording}", f"--state-dir={tmp_path}"], ["ticks", str(recording)]):
        done = sandbox_with(*arguments)
        assert done.returncode == 1
        assert f"{recording}:1: expected" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("flag", ["--instruments=9001", "--speed=fast", "--http-port=0", "--telegram-token=x"])
def test_a_bad_flag_is_refused(flag: str) -> None:
    done = sandbox_with(flag)
    assert done.returncode == 2
    assert "expected" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_within_a_second_whoever_is_connected(
    start_sandbox: Callable[..., Any], number: signal.Signals
) -> None:
    sandbox = start_sandbox("--instruments=20")
    sandbox.fault(telegram={"time_out": 1.0})
    with (
        socket.create_connection(("127.0.0.1", sandbox.smtp_port)),
        socket.create_connection(("127.0.0.1", sandbox.ws_port)),
        socket.create_connection(("127.0.0.1", sandbox.http_port)) as hanging,
    ):
        hanging.sendall(b"GET /bot1000001:sandbox-telegram-token/sendMessage?chat_id=1&text=x HTTP/1.1\r\nHost: x\r\n\r\n")
        sandbox.call("GET", "/control")
        began_s = time.monotonic()
        sandbox.process.send_signal(number)
        assert sandbox.process.wait(60) == 0
        assert time.monotonic() - began_s < STOP_S


def test_tokens_and_outbox_outlive_a_restart(
    start_sandbox: Callable[..., Any], end_sandbox: Callable[[Any], int], tmp_path: Path
) -> None:
    before = start_sandbox("--instruments=20", state=tmp_path)
    access_token = before.log_in()
    before.call("POST", "/webhook/ops", b"kept")
    assert end_sandbox(before) == 0
    after = start_sandbox("--instruments=20", state=tmp_path)
    after.access_token = access_token
    assert after.kite("/user/profile")[0] == 200
    assert [message["text"] for message in after.outbox()] == ["kept"]


@pytest.fixture
def unused_ports() -> list[str]:
    return [f"{flag}={free_port()}" for flag in ("--http-port", "--ws-port", "--smtp-port")]
