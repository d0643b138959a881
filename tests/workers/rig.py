"""What the tests of the workers work with: the sandbox's handles, addresses, and patience with a deadline."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from rq import Queue

from stormalert.model import ChannelKind
from workers.queues import SERIALIZER, DeliveryJob
from workers.worker import DeliveryWorker

ADDRESSES = {
    ChannelKind.TELEGRAM: "424242",
    ChannelKind.WHATSAPP: "+919812345678",
    ChannelKind.EMAIL: "trader@storm.example",
}

TOKEN = "1000001:sandbox-telegram-token"
SID = "ACsandbox00000000000000000000000000"
TWILIO_TOKEN = "sandbox-twilio-token"


@dataclass(frozen=True)
class Sandbox:
    http: str
    smtp_port: int
    client: httpx.Client = field(repr=False)

    def outbox(self, channel: str = "") -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = self.client.get("/outbox.json").json()["messages"]
        return [message for message in messages if channel in ("", message["channel"])]

    def faults(self, **parts: dict[str, Any]) -> None:
        self.client.post("/control/faults", json=parts).raise_for_status()

    def environment(self) -> dict[str, str]:
        return {
            "TELEGRAM_BOT_TOKEN": TOKEN,
            "STORM_TELEGRAM_API_ROOT": self.http,
            "TWILIO_SID": SID,
            "TWILIO_AUTH_TOKEN": TWILIO_TOKEN,
            "TWILIO_FROM_NUMBER": "+14155238886",
            "STORM_TWILIO_API_ROOT": self.http,
            "SMTP_URL": f"smtp://127.0.0.1:{self.smtp_port}",
            "STORM_MAIL_FROM": "StormAlert <alerts@storm.example>",
        }


def wait_until(condition: Callable[[], object], within_s: float, what: str = "it") -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {within_s} s"
        time.sleep(0.02)


def a_worker(queue: Queue, name: str = "") -> DeliveryWorker:
    """One that delivers nothing: what it takes stays in its hands."""
    return DeliveryWorker(
        [queue],
        name=name or None,
        connection=queue.connection,
        serializer=SERIALIZER,
        job_class=DeliveryJob,
        deliver={},
        record=lambda _ended: None,
    )
