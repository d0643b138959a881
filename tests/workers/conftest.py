"""The sandbox as a process of its own, and what the tests of the workers need again and again."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from stormalert.config import settings
from stormalert.model import Alert, Direction, Kind
from tests.conftest import free_port
from tests.workers.fixtures import SID, SMTP_PASSWORD, TOKEN, TWILIO_TOKEN, Post, Sandbox, wait_until, written
from tests.workers.talk import Conversation
from workers.channels import open_channels
from workers.deadlines import SEND_S
from workers.loop import Loop
from workers.render import Message


@pytest.fixture(scope="session")
def sandbox_server(processes: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    http, ws, smtp = free_port(), free_port(), free_port()
    state = tmp_path_factory.mktemp("sandbox")
    ports = ["--http-port", str(http), "--ws-port", str(ws), "--smtp-port", str(smtp)]
    # Its market is nobody's here, and would take a sixth of a core for as long as the tests last.
    quiet = ["--instruments", "5", "--tick-rate", "0.1"]
    command = [sys.executable, "-m", "sandbox", *ports, "--state-dir", str(state), *quiet]
    secrets = ["--telegram-token", TOKEN, "--twilio-sid", SID, "--twilio-auth-token", TWILIO_TOKEN]
    process = subprocess.Popen([*command, *secrets])
    url = f"http://127.0.0.1:{http}"
    try:
        with httpx.Client(base_url=url, timeout=60) as client:
            wait_until(lambda: _answers(client) or process.poll() is not None, 90, "the sandbox's first answer")
            assert process.poll() is None, "the sandbox did not start"
            yield Sandbox(url, smtp, client)
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture
def sandbox(sandbox_server: Sandbox) -> Sandbox:
    """With an empty outbox and without faults."""
    sandbox_server.client.delete("/control/faults").raise_for_status()
    sandbox_server.client.delete("/outbox").raise_for_status()
    return sandbox_server


@pytest.fixture
def alert() -> Alert:
    return Alert(
        id="rule1-1",
        rule="rule1",
        user="user1",
        token=408065,
        symbol="NSE:INFY",
        kind=Kind.ROLLING,
        direction=Direction.UP,
        price_e4=13_845_500,
        reference_e4=13_557_000,
        percent_e2=200,
        window_ms=300_000,
        time_ms=1_700_000_000_123,
    )


@pytest.fixture
def text(alert: Alert) -> Message:
    return written(alert)


@pytest.fixture
def open_post() -> Iterator[Callable[..., Post]]:
    """Makes a post from an environment; its connections are closed at the end."""
    opened = []
    with Loop() as loop:

        def open_one(environment: dict[str, str], send_s: float = SEND_S) -> Post:
            channels = loop.run(open_channels(settings.parse(environment)))
            opened.extend(channels.values())
            return Post(channels, loop, send_s)

        yield open_one
        for sender in opened:
            loop.run(sender.close())


@pytest.fixture
def environment(sandbox: Sandbox, redis_url: str) -> dict[str, str]:
    ours = {"SMTP_URL": f"smtp://storm:{SMTP_PASSWORD}@127.0.0.1:{sandbox.smtp_port}", "STORM_REDIS_URL": redis_url}
    return sandbox.environment() | ours


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/outbox.json").is_success
    except httpx.TransportError:
        return False


@pytest.fixture
def talk(redis_url: str, sandbox: Sandbox, tmp_path: Path) -> Iterator[Conversation]:
    talk = Conversation(redis_url, sandbox, tmp_path)
    try:
        yield talk
    finally:
        talk.stop()
