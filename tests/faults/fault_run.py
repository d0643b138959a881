"""The whole product under faults: a market whose alerts are known, one thing broken at a time, and what came of it."""

import json
import os
import resource
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import redis
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from ops.launch import demo
from stormalert.model import ChannelKind, Rule, Scope
from stormalert.store import Store
from stormalert.units import HOUR_MS, SECOND_MS, now_ms
from tests.conftest import free_port
from tests.e2e import accounts
from tests.e2e.follower import Follower, in_thread
from tests.e2e.product import Product, product
from tests.faults.line import HTTP_BROKEN, SMTP_BROKEN, Line, event_loop
from tests.sessions import sessions

ARMED_AFTER_MS = 5_000
COOLDOWN_MS = 5_000
RECOVERED_WITHIN_S = 240
# Where each line leads, and how its server says that it is broken.
LINES = {
    "Kite REST": ("STORM_SANDBOX_HTTP_PORT", HTTP_BROKEN),
    "Kite socket": ("STORM_SANDBOX_WS_PORT", HTTP_BROKEN),
    "telegram": ("STORM_SANDBOX_HTTP_PORT", HTTP_BROKEN),
    "whatsapp": ("STORM_SANDBOX_HTTP_PORT", HTTP_BROKEN),
    "email": ("STORM_SANDBOX_SMTP_PORT", SMTP_BROKEN),
    "webhook": ("STORM_SANDBOX_HTTP_PORT", HTTP_BROKEN),
    "ntfy": ("STORM_SANDBOX_HTTP_PORT", HTTP_BROKEN),
}
# The settings by which the product takes them; webhook and ntfy are addresses of the user's.
SETTINGS = {
    "Kite REST": ("STORM_KITE_API_ROOT", "http://127.0.0.1:{}"),
    "Kite socket": ("STORM_KITE_WS_ROOT", "ws://127.0.0.1:{}"),
    "telegram": ("STORM_TELEGRAM_API_ROOT", "http://127.0.0.1:{}"),
    "whatsapp": ("STORM_TWILIO_API_ROOT", "http://127.0.0.1:{}"),
    "email": ("SMTP_URL", "smtp://127.0.0.1:{}"),
}
ADDRESSES = {ChannelKind.WEBHOOK: "http://127.0.0.1:{}/webhook/demo", ChannelKind.NTFY: "http://127.0.0.1:{}/demo-topic"}


@dataclass(frozen=True)
class Injection:
    """One fault that was injected: from `began_ms` to `mended_ms`; at `recovered_ms` an alert of later was on every channel."""

    fault: str
    began_ms: int
    mended_ms: int
    recovered_ms: int


@dataclass
class FaultRun:
    product: Product
    lines: Mapping[str, Line]
    rules: list[Rule]
    follower: Follower
    page: "AlertPage"
    injections: list[Injection] = field(default_factory=list)

    def pid(self, process: str) -> int:
        return self.product.pids()[process]

    @contextmanager
    def stopped(self, process: str) -> Iterator[None]:
        """It is there and does nothing, as on a machine that swaps."""
        pid = self.pid(process)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    @contextmanager
    def limited(self, process: str, limit: int, most: int) -> Iterator[None]:
        """`limit`: one of RLIMIT_*; the process may end of it, and another is started without."""
        pid = self.pid(process)
        before = resource.prlimit(pid, limit)
        resource.prlimit(pid, limit, (most, before[1]))
        try:
            yield
        finally:
            if pid in self.product.pids().values():
                resource.prlimit(pid, limit, before)

    def recover(self, fault: str, began_ms: int, mended_ms: int) -> None:
        """Wait until every process runs and an alert that fired after `mended_ms` is on every channel."""
        self.product.wait_until(
            lambda: all(self.product.pids().values()), RECOVERED_WITHIN_S, f"{fault}: not every process runs"
        )
        # A tick's time is whole seconds, and may be of the one before.
        self.product.wait_until(
            lambda: self._went_out(mended_ms + SECOND_MS), RECOVERED_WITHIN_S, f"{fault}: no alert is on every channel"
        )
        self.injections.append(Injection(fault, began_ms, mended_ms, now_ms()))

    def _went_out(self, since_ms: int) -> bool:
        try:
            alerts = accounts.stream_alerts(self.product, since_ms)
        except redis.RedisError:
            # Not back yet.
            return False
        store = self.product.store()
        try:
            return accounts.went_out(store, [alert for alert in alerts if alert.time_ms >= since_ms])
        finally:
            store.close()


@contextmanager
def fault_run(directory: Path) -> Iterator[FaultRun]:
    with ExitStack() as stack:
        started = stack.enter_context(product(directory))
        loop = stack.enter_context(event_loop())
        lines = {name: Line(loop, free_port(), started.ports[to], broken) for name, (to, broken) in LINES.items()}
        for line in lines.values():
            stack.callback(line.close)
        started.settings = {setting: form.format(lines[name].port) for name, (setting, form) in SETTINGS.items()}
        started.start("run")
        started.wait_for("Ctrl-C stops everything")
        store = started.store()
        _lead(store, lines)
        token = _script(started, store)
        store.close()
        rules = accounts.add_rules(started, "brisk", now_ms() + ARMED_AFTER_MS, COOLDOWN_MS)
        follower = stack.enter_context(in_thread(Follower(started, {rule.token for rule in rules})))
        relay = f"ws://127.0.0.1:{started.ports['STORM_RELAY_PORT']}/ws"
        page = stack.enter_context(in_thread(AlertPage(relay, token)))
        yield FaultRun(started, lines, rules, follower, page)


def _lead(store: Store, lines: Mapping[str, Line]) -> None:
    for kind, form in ADDRESSES.items():
        channel = store.channel(f"{demo.USER}-{kind}")
        assert channel is not None
        store.save_channel(channel.model_copy(update={"address": form.format(lines[kind].port)}))


def _script(started: Product, store: Store) -> str:
    user = store.user(demo.USER)
    assert user is not None
    kept = started.kept
    return (
        sessions(store, kept["STORM_REDIS_URL"], kept["JWT_SECRET"])
        .begin_script(user, "a page under faults", "", tuple(Scope), 24 * HOUR_MS)
        .access
    )


class AlertPage:
    """Hears the relay as a page does, and comes back to where it was; `shown` has ids of alerts."""

    def __init__(self, url: str, token: str) -> None:
        self.shown: set[str] = set()
        self._url, self._token, self._after = url, token, ""
        self._stopping = threading.Event()

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._hear()
            except (OSError, WebSocketException):
                self._stopping.wait(1)

    def stop(self) -> None:
        self._stopping.set()

    def _hear(self) -> None:
        after = f"&after={self._after}" if self._after else ""
        address, headers = f"{self._url}?topics=alerts,status{after}", {"Authorization": f"Bearer {self._token}"}
        with connect(address, additional_headers=headers, max_size=None) as connection:
            while not self._stopping.is_set():
                frame = json.loads(connection.recv(timeout=30))
                self._after = ",".join(f"{shard}:{place}" for shard, place in frame["at"].items())
                alerts = frame["alerts"] if frame["type"] == "snapshot" else [frame["alert"]] if "alert" in frame else []
                self.shown |= {alert["id"] for alert in alerts}


def inject(run: FaultRun, fault: str, breaking: AbstractContextManager[None], lasts_s: float) -> None:
    """`breaking` is a context manager that breaks on entering and mends on leaving."""
    began_ms = now_ms()
    with breaking:
        time.sleep(lasts_s)
    run.recover(fault, began_ms, now_ms())
