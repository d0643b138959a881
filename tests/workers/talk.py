"""The bot as a process of its own, and people who write to it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from redis import Redis

from stormalert.config import settings
from stormalert.model import Instrument, Role, User
from stormalert.notify.linking import Linking
from stormalert.redis import keys
from stormalert.store import Store, open_store
from tests.workers.fixtures import Sandbox, wait_until

ROOT = Path(__file__).resolve().parents[2]
MASTER_SECRET = "m" * 32
CHAT, STRANGER, GROUP = 777_000, 888_000, -999_000
INFY = Instrument(token=408065, symbol="NSE:INFY", name="INFOSYS")
NIFTY = Instrument(token=256265, symbol="NSE:NIFTY 50", name="NIFTY 50")


class Conversation:
    """The bot's process, the store, Redis, and people."""

    def __init__(self, redis_url: str, sandbox: Sandbox, directory: Path) -> None:
        self.redis = Redis.from_url(redis_url, decode_responses=True)
        self.sandbox = sandbox
        self.log = directory / "log"
        self._directory = directory
        self.store: Store = open_store("", directory / "store.sqlite3")
        self.store.save_user(User(id="u1", name="asha", password_hash="x", role=Role.MEMBER, created_ms=1))
        self.store.save_instruments([INFY, NIFTY])
        self.links = Linking(self.redis, settings.parse({"STORM_MASTER_SECRET": MASTER_SECRET}))
        self.environment = os.environ | sandbox.environment()
        self.environment |= {
            "STORM_LOG_FORMAT": "text",
            "STORM_REDIS_URL": redis_url,
            "STORM_SQLITE_PATH": str(directory / "store.sqlite3"),
            "STORM_MASTER_SECRET": MASTER_SECRET,
            "STORM_TELEGRAM_CHAT_RATE": "1000",
            "PYTHONPATH": str(ROOT),
        }
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, command: str = "bot", **changes: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            # Not in the project's folder: a developer's .env is not ours to read.
            process = subprocess.Popen(
                [sys.executable, "-m", "workers", command],
                cwd=self._directory,
                env=self.environment | changes,
                stderr=log,
            )
        self.processes.append(process)
        return process

    def listening(self, **changes: str) -> "Conversation":
        self.start(**changes)
        wait_until(lambda: self.redis.get(keys.BOT_NAME), 90, "the bot's name")
        return self

    def texts(self, chat: int = CHAT) -> list[str]:
        return [message["text"] for message in self.sandbox.outbox("telegram") if message["to"] == str(chat)]

    def say(self, text: str, chat: int = CHAT) -> None:
        self.person(chat_id=chat, text=text, name="Asha <b>")

    def ask(self, text: str, chat: int = CHAT) -> str:
        """What the bot answers to it."""
        before = len(self.texts(chat))
        self.say(text, chat)
        wait_until(lambda: len(self.texts(chat)) > before, 90, f"an answer to {text!r}")
        return self.texts(chat)[-1]

    def person(self, **does: Any) -> None:
        self.sandbox.client.post("/control/telegram", json=does).raise_for_status()

    def link(self, chat: int = CHAT, user: str = "u1") -> str:
        return self.ask(f"/start {self.links.make_link(user)}", chat)

    def silence(self, chat: int = STRANGER) -> None:
        """Nothing came back to the chat by the time when somebody who wrote later has an answer."""
        before = self.texts(chat)
        self.ask("/help")
        assert self.texts(chat) == before

    def stop(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(60)
        # Shown by pytest when the test fails.
        print(self.log.read_text())
        self.store.close()
        self.redis.close()
