"""A test for each row of answers.py: the answer from the sandbox, through the real sender and the stages of a delivery."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest
from redis import Redis

from stormalert import channels, process
from stormalert.config import settings
from stormalert.model import Alert, Channel, ChannelKind, Delivery, DeliveryState
from stormalert.notify import alarms
from stormalert.notify.failures import IN_A_ROW
from stormalert.redis import keys
from stormalert.store import Store, open_store
from tests.clock import Clock
from tests.workers.answers import (
    ADMIN,
    DOCUMENT,
    EMAIL,
    FAILED,
    OFF,
    RETRIED,
    ROWS,
    SENT,
    TELEGRAM,
    THRICE,
    WHATSAPP,
    KnownAnswer,
    document,
)
from tests.workers.fixtures import FAULTS, SMTP_PASSWORD, Sandbox
from workers.channels import open_channels
from workers.deliver import PATIENCE, Deliverer
from workers.limits import Limits
from workers.loop import Loop
from workers.pipeline.collect import Collector
from workers.pipeline.counters import Counters
from workers.pipeline.dedup import DedupMarkers
from workers.pipeline.failures import FailureCounter
from workers.pipeline.outcome import Done, Ended, Later, Outcome
from workers.pipeline.record import Recorder
from workers.pipeline.send import open_sending

FIRED_MS = 1_700_000_000_456
UNLIMITED = ("TELEGRAM_BOT", "TELEGRAM_CHAT", "WHATSAPP_SENDER", "WHATSAPP_RECIPIENT", "NTFY", "SMTP")
# Tries before this one: more than what nobody knows is worth.
MANY = 20


@dataclass
class Delivering:
    """One user with the channel that fails and another one; alerts one after another."""

    store: Store
    redis: Redis
    sandbox: Sandbox
    loop: Loop
    deliverer: Deliverer
    recorder: Recorder
    failures: FailureCounter
    row: KnownAnswer
    number: int
    clock: Clock[int]
    alerts: "count[int]"

    @property
    def address(self) -> str:
        return {
            ChannelKind.TELEGRAM: f"{5_000 + self.number}",
            ChannelKind.WHATSAPP: f"+91981{self.number:07}",
            ChannelKind.EMAIL: f"trader{self.number}@storm.example",
            ChannelKind.WEBHOOK: f"{self.sandbox.http}/webhook/r{self.number}",
            ChannelKind.NTFY: f"{self.sandbox.http}/topic{self.number}",
        }[self.row.kind]

    @property
    def channel(self) -> Channel:
        found = self.store.channel(f"c{self.number}")
        assert found is not None
        return found

    @property
    def notices(self) -> list[dict[str, str]]:
        """What the owner is told, over the other channel."""
        entries: Any = self.redis.xrange(keys.SEND_REQUESTS)
        asked: list[dict[str, str]] = [fields for _, fields in entries]
        assert {each["channel"] for each in asked} <= {f"other{self.number}"}
        return asked

    def set_up(self) -> None:
        user = f"u{self.number}"
        self.store.save_channel(Channel(id=f"c{self.number}", user=user, kind=self.row.kind, address=self.address))
        other = f"{self.sandbox.http}/webhook/other"
        self.store.save_channel(Channel(id=f"other{self.number}", user=user, kind=ChannelKind.WEBHOOK, address=other))
        if self.row.outcome is not SENT or self.row.kind is ChannelKind.WEBHOOK:
            recipient = self.row.command if self.row.command not in ("", "RCPT") else self.address.rpartition("/")[2]
            self.sandbox.faults(**{FAULTS.get(self.row.kind, self.row.kind): {"answers": {recipient: self.row.answer}}})

    def fire(self, alert: Alert, tries: int = 0) -> str:
        """A delivery that was tried so often; its id."""
        fired = alert.model_copy(update={"id": f"r{self.number}-{next(self.alerts)}", "user": f"u{self.number}"})
        self.store.record_alert(fired)
        delivery = Delivery(
            id=Delivery.id_of(fired.id, f"c{self.number}"),
            alert=fired.id,
            user=fired.user,
            channel=f"c{self.number}",
            channel_kind=self.row.kind,
            state=DeliveryState.QUEUED,
            attempts=tries,
            queued_ms=FIRED_MS,
            updated_ms=FIRED_MS,
        )
        self.store.save_delivery(delivery)
        return delivery.id

    def deliver(self, delivery_id: str) -> Outcome:
        ended: list[Ended] = []
        self.loop.run(self.deliverer.deliver([delivery_id], ended.append))
        self.recorder.record(ended)
        self.failures.count(ended)
        (only,) = ended
        return only.outcome


@pytest.fixture(scope="module")
def parts(redis_server: str, sandbox_server: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Delivering]:
    environment = sandbox_server.environment() | {f"STORM_{name}_RATE": "100000" for name in UNLIMITED}
    mail = {"SMTP_URL": f"smtp://storm:{SMTP_PASSWORD}@127.0.0.1:{sandbox_server.smtp_port}", "STORM_REDIS_URL": redis_server}
    config, clock = settings.parse(environment | mail), Clock(FIRED_MS)
    store = open_store("", tmp_path_factory.mktemp("answers") / "store.sqlite3")
    with Loop() as loop, Redis.from_url(redis_server, decode_responses=True) as redis:
        senders = loop.run(open_channels(config))
        client = process.connect(redis_server)
        counters = Counters()
        sending = open_sending(client, redis, store, Limits(client, config), senders, PATIENCE, counters, clock)
        deliverer = Deliverer(Collector(store, DedupMarkers(client), clock), sending, clock)
        recorder, failures = Recorder(store, counters, clock), FailureCounter(store, redis)
        yield Delivering(store, redis, sandbox_server, loop, deliverer, recorder, failures, ROWS[0], 0, clock, count(1))
        for sender in senders.values():
            loop.run(sender.close())
        loop.run(client.aclose())
    store.close()


@pytest.fixture
def delivering(parts: Delivering, redis_url: str, sandbox: Sandbox) -> Delivering:
    for kind in ChannelKind:
        alarms.clear_alarm(parts.store, kind)
    return parts


@pytest.mark.parametrize("number", range(len(ROWS)), ids=lambda number: f"{number}-{ROWS[number].id}")
def test_an_answer_does_what_its_row_says(delivering: Delivering, alert: Alert, number: int) -> None:
    row = delivering.row = ROWS[number]
    delivering.number = number
    delivering.set_up()
    if row.outcome is SENT:
        assert delivering.deliver(delivering.fire(alert)) == Done(DeliveryState.SENT)
    elif row.outcome is RETRIED:
        outcome = delivering.deliver(delivering.fire(alert, tries=MANY))
        assert isinstance(outcome, Later) and outcome.attempts == 1, outcome
    elif row.outcome is OFF:
        is_switched_off(delivering, alert)
    else:
        fails_and_is_told(delivering, alert)
    assert delivering.channel.is_on is (row.outcome is not OFF)
    raised = alarms.alarms(delivering.store)
    assert [it.kind for it in raised] == ([row.kind] if row.outcome is ADMIN else [])
    # With the provider's code, and what that means.
    assert all(row.code in it.reason and not it.reason.startswith(row.code) for it in raised), raised


def is_switched_off(delivering: Delivering, alert: Alert) -> None:
    outcome = delivering.deliver(delivering.fire(alert))
    assert isinstance(outcome, Done) and outcome.is_failed, outcome
    assert delivering.channel.reason == outcome.reason
    (notice,) = delivering.notices
    assert "gets no alerts any more" in notice["headline"] and outcome.reason in notice["details"]


def fails_and_is_told(delivering: Delivering, alert: Alert) -> None:
    """Of the third in a row, and then no more."""
    tries = 0
    if delivering.row.outcome is THRICE:
        once = delivering.deliver(delivering.fire(alert))
        assert isinstance(once, Later) and once.attempts == 1, once
        tries = 2
    outcome: Outcome | None = None
    for failed in range(1, IN_A_ROW + 2):
        outcome = delivering.deliver(delivering.fire(alert, tries))
        assert isinstance(outcome, Done) and outcome.is_failed, outcome
        assert len(delivering.notices) == (failed >= IN_A_ROW), outcome
    assert "do not get through" in delivering.notices[0]["headline"]
    assert isinstance(outcome, Done) and outcome.cause in delivering.notices[0]["details"]


def test_a_message_that_gets_through_ends_the_row(delivering: Delivering, alert: Alert) -> None:
    number = delivering.number = len(ROWS)
    row = delivering.row = next(it for it in TELEGRAM if it.outcome is FAILED)
    delivering.set_up()
    for _ in range(IN_A_ROW - 1):
        delivering.deliver(delivering.fire(alert))
    delivering.sandbox.faults(telegram={"answers": {}})
    assert delivering.deliver(delivering.fire(alert)) == Done(DeliveryState.SENT)
    delivering.sandbox.faults(telegram={"answers": {delivering.address: row.answer}})
    for _ in range(IN_A_ROW - 1):
        delivering.deliver(delivering.fire(alert))
    assert delivering.notices == [] and delivering.channel.id == f"c{number}"
    delivering.deliver(delivering.fire(alert))
    assert len(delivering.notices) == 1


def test_failures_for_different_reasons_are_counted_apart(delivering: Delivering, alert: Alert) -> None:
    delivering.number, delivering.row = len(ROWS) + 1, TELEGRAM[0]
    delivering.set_up()
    for description in ("TOPIC_CLOSED", "CHAT_RESTRICTED") * (IN_A_ROW - 1):
        delivering.sandbox.faults(telegram={"answers": {delivering.address: f"400 Bad Request: {description}"}})
        delivering.deliver(delivering.fire(alert))
    assert delivering.notices == []


def test_who_switches_a_dead_address_on_again_is_not_told_the_same_twice_a_day(delivering: Delivering, alert: Alert) -> None:
    delivering.number, delivering.row = len(ROWS) + 2, EMAIL[0]
    delivering.set_up()
    for mail in ("4F1A", "4F1B"):
        delivering.sandbox.faults(smtp={"answers": {delivering.address: f"550 5.1.1 No such user, {mail}"}})
        delivering.deliver(delivering.fire(alert))
        assert not delivering.channel.is_on
        delivering.store.save_channel(delivering.channel.model_copy(update={"is_on": True, "reason": ""}))
    assert len(delivering.notices) == 1
    (told,) = delivering.redis.scan_iter(keys.told.glob())
    assert 0 < delivering.redis.ttl(told) <= keys.told.kept_s == 24 * 3600


def test_a_proxy_that_refuses_is_not_telegram(delivering: Delivering, alert: Alert) -> None:
    """Its page is no JSON: nobody's chat is switched off for it."""
    delivering.number, delivering.row = len(ROWS) + 3, TELEGRAM[0]
    delivering.set_up()
    delivering.sandbox.faults(telegram={"answers": {delivering.address: "403 <html>Forbidden</html>"}})
    outcome = delivering.deliver(delivering.fire(alert))
    assert isinstance(outcome, Later) and outcome.attempts == 1
    assert delivering.channel.is_on


def test_every_row_of_the_tables_has_an_answer() -> None:
    """Codes of Twilio by themselves, words of Telegram as a part of one."""
    whatsapp, telegram = channels.of(ChannelKind.WHATSAPP), channels.of(ChannelKind.TELEGRAM)
    codes = {int(row.code) for row in WHATSAPP if row.code.isdecimal()}
    # Outside the 24 hours is tested by itself: it depends on the template.
    assert {code for code in whatsapp.errors if isinstance(code, int)} - codes == {63016}
    said = " ".join(row.answer.lower() for row in TELEGRAM)
    shown = {words for words in telegram.errors if isinstance(words, str) and not words.endswith("xx")} - {"time-out"}
    assert {words for words in shown if words not in said} <= UNSEEN


def test_every_kind_of_channel_has_rows_and_no_row_stands_twice() -> None:
    assert {row.kind for row in ROWS} == set(ChannelKind)
    assert len(ROWS) >= 120
    assert len({(row.kind, row.command, row.answer) for row in ROWS}) == len(ROWS)


# Words of Telegram's own interface that its bots are seldom told.
UNSEEN = {
    "chat_id is empty",
    "user_deleted",
    "chat_forbidden",
    "user_restricted",
    "payment_required",
    "message must be non-empty",
    "entities_too_long",
    "entity_",
    "reply_markup",
    "wrong http url",
}


def test_the_document_shows_the_rows() -> None:
    assert DOCUMENT.read_text() == document(), "stale: run make docs"
