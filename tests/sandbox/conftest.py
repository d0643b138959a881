"""A running sandbox, on ports of its own."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from tests.conftest import free_port

ROOT = Path(__file__).parents[2]
START_S = 90.0
REDIRECT_URL = "http://127.0.0.1:9/callback"


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


@dataclass
class RunningSandbox:
    """A sandbox process and the few calls that tests make to it."""

    process: subprocess.Popen[str]
    http_port: int
    ws_port: int
    smtp_port: int
    access_token: str = field(default="", repr=False)

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def ws(self) -> str:
        return f"ws://127.0.0.1:{self.ws_port}"

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Send a request (a dict as JSON, bytes as a form) and give status and answer."""
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        request = urllib.request.Request(self.http + path, data, headers, method=method)
        try:
            with urllib.request.build_opener(_Stay).open(request, timeout=60) as answer:
                return answer.status, _parsed(answer.read(), answer.headers)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, _parsed(error.read(), error.headers)

    def fault(self, **parts: Any) -> None:
        status, answer = self.call("POST", "/control/faults", parts)
        assert status == 200, answer

    def log_in(self) -> str:
        """Go through the login page and give the access token."""
        request = urllib.request.Request(f"{self.http}/connect/login?v=3&api_key=sandbox-key", b"", method="POST")
        with pytest.raises(urllib.error.HTTPError) as moved:
            urllib.request.build_opener(_Stay).open(request, timeout=60)
        with moved.value:
            query = parse_qs(urlsplit(moved.value.headers["Location"]).query)
        request_token = query["request_token"][0]
        checksum = hashlib.sha256(f"sandbox-key{request_token}sandbox-secret".encode()).hexdigest()
        form = {"api_key": "sandbox-key", "request_token": request_token, "checksum": checksum}
        deadline = time.monotonic() + START_S
        while True:
            status, answer = self.call("POST", "/session/token", urlencode(form).encode())
            if status != 429 or time.monotonic() > deadline:  # Kite takes ten requests a second
                break
            time.sleep(0.1)
        assert status == 200, answer
        self.access_token = answer["data"]["access_token"]
        return self.access_token

    def kite(self, path: str) -> tuple[int, Any]:
        return self.call("GET", path, Authorization=f"token sandbox-key:{self.access_token}")

    def outbox(self, channel: str = "", since: int = 0) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = self.call("GET", f"/outbox.json?channel={channel}&since={since}")[1]["messages"]
        return messages


def _parsed(body: bytes, headers: Any) -> Any:
    return json.loads(body) if "json" in headers.get("content-type", "") else body.decode()


def start(state: Path, *flags: str) -> RunningSandbox:
    http, ws, smtp = free_port(), free_port(), free_port()
    command = [sys.executable, "-m", "sandbox", f"--http-port={http}", f"--ws-port={ws}", f"--smtp-port={smtp}"]
    command += [f"--state-dir={state}", f"--kite-redirect-url={REDIRECT_URL}", *flags]
    process = subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    running = RunningSandbox(process, http, ws, smtp)
    deadline = time.monotonic() + START_S
    while True:
        assert process.poll() is None, process.communicate()[1]
        try:
            running.call("GET", "/control")
            return running
        except OSError:
            assert time.monotonic() < deadline, "the sandbox did not start"
            time.sleep(0.05)


def stop(running: RunningSandbox) -> int:
    """Ask it to end, and give its exit code."""
    if running.process.poll() is None:
        os.kill(running.process.pid, signal.SIGTERM)
    _, errors = running.process.communicate(timeout=60)
    assert "Traceback" not in errors, errors
    return running.process.returncode


@pytest.fixture(scope="session")
def shared_sandbox(processes: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    running = start(tmp_path_factory.mktemp("sandbox"), "--instruments=3100", "--with-currencies", "--tick-rate=2000")
    yield running
    assert stop(running) == 0


@pytest.fixture
def sandbox(shared_sandbox: RunningSandbox) -> Iterator[RunningSandbox]:
    """Lend the generated market, without faults and with an empty outbox."""
    shared_sandbox.call("DELETE", "/outbox")
    shared_sandbox.access_token = ""
    yield shared_sandbox
    shared_sandbox.call("DELETE", "/control/faults")


@pytest.fixture
def start_sandbox(processes: None, tmp_path: Path) -> Iterator[Callable[..., RunningSandbox]]:
    """Start sandboxes with flags of the test's own."""
    started: list[RunningSandbox] = []

    def starter(*flags: str, state: Path | None = None) -> RunningSandbox:
        started.append(start(state or tmp_path / "state", *flags))
        return started[-1]

    yield starter
    for running in started:
        assert stop(running) == 0


@pytest.fixture
def end_sandbox() -> Callable[[RunningSandbox], int]:
    return stop
