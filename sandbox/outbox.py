"""Everything that the stand-in channels were given to deliver, newest last."""

import json
import sqlite3
import time
from dataclasses import dataclass
from typing import Any

CHANNELS = ("telegram", "whatsapp", "email", "webhook", "ntfy")
PAGE = 1000


@dataclass(frozen=True)
class OutboxMessage:
    """One message as it was accepted; `key` is its id at the provider, `content` all that is known of it."""

    id: int
    channel: str
    to: str
    time_ms: int
    key: str
    content: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        return {"id": self.id, "channel": self.channel, "to": self.to, "time_ms": self.time_ms, **self.content}


class Outbox:
    """The messages, kept in the sandbox's database."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def add(self, channel: str, to: str, content: dict[str, Any], key: str = "") -> OutboxMessage:
        time_ms = time.time_ns() // 1_000_000
        row = (channel, to, time_ms, key, json.dumps(content, ensure_ascii=False))
        added = self._database.execute(
            "INSERT INTO message (channel, recipient, time_ms, key, content) VALUES (?, ?, ?, ?, ?)", row
        )
        return OutboxMessage(int(added.lastrowid or 0), channel, to, time_ms, key, content)

    def change(self, message: OutboxMessage, **changes: Any) -> OutboxMessage:
        """Alter what is known of a message: edited text, delivery status."""
        content = message.content | changes
        text = json.dumps(content, ensure_ascii=False)
        self._database.execute("UPDATE message SET content = ? WHERE id = ?", (text, message.id))
        return OutboxMessage(message.id, message.channel, message.to, message.time_ms, message.key, content)

    def find(self, channel: str, key: str) -> OutboxMessage | None:
        return next(iter(self._select("channel = ? AND key = ? ORDER BY id DESC LIMIT 1", channel, key)), None)

    def after(self, message_id: int, channel: str = "", limit: int = PAGE) -> list[OutboxMessage]:
        """List what came after the given one, oldest first."""
        return self._select("id > ? AND (? IN ('', channel)) ORDER BY id LIMIT ?", message_id, channel, limit)

    def newest(self, channel: str = "", limit: int = 100) -> list[OutboxMessage]:
        return self._select("? IN ('', channel) ORDER BY id DESC LIMIT ?", channel, limit)

    def counts(self) -> dict[str, int]:
        found = dict(self._database.execute("SELECT channel, count(*) FROM message GROUP BY channel").fetchall())
        return {channel: found.get(channel, 0) for channel in CHANNELS}

    def clear(self) -> int:
        return self._database.execute("DELETE FROM message").rowcount

    def _select(self, where: str, *values: object) -> list[OutboxMessage]:
        # `where` is one of the constants above; all values are bound.
        query = f"SELECT id, channel, recipient, time_ms, key, content FROM message WHERE {where}"  # noqa: S608
        found = self._database.execute(query, values)
        return [
            OutboxMessage(number, channel, to, time_ms, key, json.loads(content))
            for number, channel, to, time_ms, key, content in found
        ]
