"""What the tests of the workers work with: the sandbox's handles, addresses, and patience with a deadline."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from rq import Queue

from stormalert import channels
from stormalert.config import settings
from stormalert.errors import DeliveryError
from stormalert.model import Alert, ChannelKind
from workers import post
from workers.channels import Sender
from workers.deadlines import SEND_S
from workers.loop import Loop
from workers.queues import SERIALIZER, DeliveryJob
from workers.render import Message, message
from workers.worker import DeliveryWorker

# Beside those that the demo writes to.
ADDRESSES = {
    ChannelKind.TELEGRAM: "424242",
    ChannelKind.WHATSAPP: "+919812345678",
    ChannelKind.EMAIL: "trader@storm.example",
}
# To this every alert may go; WhatsApp would else want that its owner wrote first.
CONTENT_SID = "HX" + "5a" * 16
MASTER_SECRET = "m" * 32
SMTP_PASSWORD = "mail-secret"
# What the sandbox calls the providers that are not called as their channels are.
FAULTS = {ChannelKind.WHATSAPP: "twilio", ChannelKind.EMAIL: "smtp"}

TOKEN = "1000001:sandbox-telegram-token"
SID = "ACsandbox00000000000000000000000000"
TWILIO_TOKEN = "sandbox-twilio-token"
SECRETS = (TOKEN, TWILIO_TOKEN, SMTP_PASSWORD, MASTER_SECRET)


def demo_addresses(root: str) -> dict[ChannelKind, str]:
    config = settings.parse({"STORM_KITE_API_ROOT": root})
    return {kind: channels.of(kind).demo(config).address for kind in ChannelKind}


@dataclass(frozen=True)
class Sandbox:
    http: str
    smtp_port: int
    client: httpx.Client = field(repr=False)

    @property
    def addresses(self) -> dict[ChannelKind, str]:
        return demo_addresses(self.http) | ADDRESSES | {ChannelKind.WEBHOOK: f"{self.http}/webhook/trader"}

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
            "STORM_TWILIO_CONTENT_SID": CONTENT_SID,
            "STORM_MASTER_SECRET": MASTER_SECRET,
            "STORM_WEBHOOK_PRIVATE": "allow",
            "SMTP_URL": f"smtp://127.0.0.1:{self.smtp_port}",
            "STORM_MAIL_FROM": "StormAlert <alerts@storm.example>",
        }


class Post:
    """Sends from an event loop in a thread, where the channels' connections stay open from one message to the next."""

    def __init__(self, channels: Mapping[ChannelKind, Sender], loop: Loop, send_s: float = SEND_S) -> None:
        self._channels = channels
        self._loop = loop
        self._send_s = send_s

    def send(self, kind: ChannelKind, address: str, message: Message) -> str:
        return self._loop.run(post.send(self._channels, kind, address, message, self._send_s))


@dataclass(frozen=True)
class Bench:
    """One channel, and the sandbox at its other end."""

    kind: ChannelKind
    post: Post
    sandbox: Sandbox

    @property
    def address(self) -> str:
        return self.sandbox.addresses[self.kind]

    def send(self, text: Message, address: str = "") -> str:
        return self.post.send(self.kind, address or self.address, text)

    def fault(self, **values: Any) -> None:
        self.sandbox.faults(**{FAULTS.get(self.kind, self.kind): values})


def written(alert: Alert, **options: Any) -> Message:
    usual = {"now_ms": alert.time_ms, "age_ms": 0, "useful_ms": 3_600_000, "channel": "channel1"}
    return message("rule1-1-channel1", alert, **usual | options)


def refused(bench: Bench, text: Message, address: str = "") -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        bench.send(text, address)
    for secret in SECRETS:
        assert secret not in str(caught.value)
        assert secret not in repr(caught.value.__cause__)
    return caught.value


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
