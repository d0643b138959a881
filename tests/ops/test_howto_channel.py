"""What docs/howto/add-a-channel.md says is done here, as far as a machine can, in a copy of the code."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from ops.docs import ROOT

PAGE = ROOT / "docs" / "howto" / "add-a-channel.md"
# What a page shows as the content of a file.
FILES = re.compile(r"^`([\w/]+\.py)`:\n\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What the copied code says of the new channel, and what becomes of a message to each address of the arguments.
ASK = """
import asyncio, json, sys
from ops.docs import channel_table
from stormalert import channels, words
from stormalert.config import settings
from stormalert.errors import DeliveryError
from stormalert.model import Channel, ChannelKind
from workers.channels import open_channels
from workers.render import Message

config = settings.parse({"STORM_MASTER_SECRET": "m" * 32, "STORM_WEBHOOK_PRIVATE": "allow"})
kind = ChannelKind(sys.argv[1])

async def send(addresses):
    opened = await open_channels(config)
    outcomes = []
    for address in addresses:
        try:
            channel = Channel(id="c", user="u", kind=kind, address=channels.of(kind).check(address, config))
            outcomes.append(await opened[kind].send(channel.address, Message("d", "headline", "details " * 50, useful_s=60)))
        except DeliveryError as error:
            outcomes.append([type(error).__name__, str(error), getattr(error, "is_address_dead", None)])
    for sender in opened.values():
        await sender.close()
    return outcomes

print(json.dumps([words.CHANNELS[kind], channels.nouns(), channel_table(), asyncio.run(send(sys.argv[2:]))]))
"""


@pytest.fixture
def provider() -> Iterator[tuple[str, list[str]]]:
    """Where it is, and the texts that it took: each place answers with the status in its name."""
    took: list[str] = []

    class TakingServer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            took.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"])
            self.send_response(int(self.path[1:]))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), TakingServer)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", took
    server.shutdown()
    server.server_close()


@pytest.mark.usefixtures("processes")
def test_the_channel_of_the_page_is_known_everywhere_and_sends(tmp_path: Path, provider: tuple[str, list[str]]) -> None:
    files = dict(FILES.findall(PAGE.read_text()))
    assert sorted(files) == ["stormalert/channels/pager.py", "workers/channels/pager.py"]
    for folder in ("stormalert", "workers", "ops", "lua"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for path, text in files.items():
        assert not (tmp_path / path).exists()
        (tmp_path / path).write_text(text)
    root, took = provider
    addresses = [f"{root}/{status}" for status in (200, 429, 410, 503)]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", ASK, "pager", *addresses]
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    name, nouns, table, outcomes = json.loads(ran.stdout)
    assert name == "Pager" and " a pager" in nouns
    assert "| Pager | `STORM_MASTER_SECRET` | as many as there are | sent |" in table
    assert outcomes == [
        "d",
        ["Retryable", "rate limited: HTTP 429", None],
        ["Permanent", "gone: HTTP 410", True],
        ["Retryable", "provider error: HTTP 503", None],
    ]
    assert took[0].startswith("headline details") and len(took[0]) <= 80
