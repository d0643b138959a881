"""What send requests ask for: what stops them, who goes first, and whom a dead address is told."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis import Redis as ThreadRedis

from stormalert import process
from stormalert.config import settings
from stormalert.errors import InputError
from stormalert.model import Channel, ChannelKind, DeliveryState
from stormalert.notify.linking import Linking
from stormalert.redis import keys
from stormalert.store import Store, open_store
from tests.clock import Clock
from tests.workers.fixtures import ADDRESSES, Sandbox
from workers.channels import open_channels
from workers.limits import Limits, Priority
from workers.notices import WORSE, Incident
from workers.pipeline.counters import Counters
from workers.pipeline.outcome import Done
from workers.pipeline.outgoing import Outgoing
from workers.pipeline.pace import Patience
from workers.pipeline.requested import LATE_MS, USEFUL_MS, RequestCollector, Requested
from workers.pipeline.send import Sending, open_sending

ASKED_MS = 1_700_000_000_000
ENTRY = f"{ASKED_MS}-0"
NOTICE = {"kind": "notice", "channel": "chat", "notice": "notice-feed-1", "headline": "⚠ The feed is down", "silent": "1"}


@pytest.fixture
def clock() -> Clock[int]:
    return Clock(ASKED_MS)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store("", tmp_path / "store.sqlite3")
    store.save_channel(Channel(id="chat", user="u1", kind=ChannelKind.TELEGRAM, address=ADDRESSES[ChannelKind.TELEGRAM]))
    store.save_channel(Channel(id="new", user="u1", kind=ChannelKind.EMAIL, address="a@storm.example", is_verified=False))
    store.save_channel(Channel(id="off", user="u1", kind=ChannelKind.EMAIL, address="b@storm.example", is_on=False))
    yield store
    store.close()


@pytest.fixture
def thread_client(redis_url: str) -> Iterator[ThreadRedis]:
    client = process.connect_in_thread(redis_url)
    yield client
    client.close()


@pytest.fixture
def collector(thread_client: ThreadRedis, store: Store, clock: Clock[int]) -> RequestCollector:
    links = Linking(thread_client, settings.parse({"STORM_MASTER_SECRET": "m" * 32}))
    return RequestCollector(thread_client, store, links, clock)


@pytest.fixture
async def sending(
    redis_url: str, thread_client: ThreadRedis, store: Store, sandbox: Sandbox, clock: Clock[int]
) -> AsyncIterator[Sending]:
    config = settings.parse(sandbox.environment())
    client, senders = process.connect(redis_url), await open_channels(config)
    yield open_sending(client, thread_client, store, Limits(client, config), senders, Patience(9, 9), Counters(), clock)
    for sender in senders.values():
        await sender.close()
    await client.aclose()


def request(kind: str, channel: str, **fields: str) -> Requested:
    return Requested.read(ENTRY, {"kind": kind, "channel": channel, "errand": "e1", **fields})


@pytest.mark.parametrize(
    ("kind", "channel", "why"),
    [
        ("code", "nobody", Done(DeliveryState.FAILED, "the channel was removed")),
        ("code", "chat", Done(DeliveryState.FAILED, "the channel is verified already")),
        ("test", "new", Done(DeliveryState.FAILED, "the channel is not verified")),
        ("notice", "off", Done(DeliveryState.SUPPRESSED, "the channel takes no alerts")),
    ],
)
def test_what_stops_a_request_is_said(collector: RequestCollector, kind: str, channel: str, why: Done) -> None:
    assert collector.collect(request(kind, channel)) == why


def test_a_request_that_waited_too_long_is_not_run(collector: RequestCollector, clock: Clock[int]) -> None:
    clock.now = ASKED_MS + USEFUL_MS + 1
    assert collector.collect(request("test", "chat")) == Done(DeliveryState.FAILED, "nobody ran it in time")


def test_a_request_for_nothing_known_is_refused() -> None:
    with pytest.raises(InputError, match="found a request for 'parcel', expected one for a code, a test or a notice"):
        request("parcel", "chat")


@pytest.mark.parametrize(
    ("kind", "channel", "priority", "is_watched"),
    [
        ("code", "new", Priority.ANSWER, True),
        ("notice", "chat", Priority.NOTICE, False),
        ("test", "chat", Priority.TEST, True),
    ],
)
def test_who_goes_first_and_who_is_waited_for(
    collector: RequestCollector, kind: str, channel: str, priority: Priority, is_watched: bool
) -> None:
    outgoing = collector.collect(request(kind, channel))
    assert isinstance(outgoing, Outgoing)
    assert (outgoing.priority, outgoing.is_watched) == (priority, is_watched)
    assert (outgoing.since_ms, outgoing.expires_ms) == (ASKED_MS, ASKED_MS + USEFUL_MS)


def test_a_notice_that_waited_is_told_only_while_it_is_so(
    collector: RequestCollector, clock: Clock[int], thread_client: ThreadRedis
) -> None:
    notice = Requested.read(ENTRY, NOTICE | {"incident": "feed"})
    clock.now = ASKED_MS + LATE_MS + 1
    assert collector.collect(notice) == Done(DeliveryState.SUPPRESSED, "it was over before it could be told")
    thread_client.hset(keys.NOTICES, "feed", Incident("feed", since_ms=1, over="", seen_ms=1).text)
    outgoing = collector.collect(notice)
    assert isinstance(outgoing, Outgoing)
    assert (outgoing.message.headline, outgoing.message.is_silent) == ("⚠ The feed is down", True)
    worse = Requested.read(ENTRY, NOTICE | {"incident": "feed", "notice": f"{NOTICE['notice']}{WORSE}"})
    assert isinstance(collector.collect(worse), Outgoing)


async def test_a_notice_that_is_asked_for_twice_goes_out_once(
    collector: RequestCollector, sending: Sending, sandbox: Sandbox
) -> None:
    for entry_id in (ENTRY, f"{ASKED_MS + 1}-0"):
        outgoing = collector.collect(Requested.read(entry_id, NOTICE))
        assert isinstance(outgoing, Outgoing)
        await sending.send(outgoing)
    assert [message["text"] for message in sandbox.outbox()] == ["⚠ The feed is down"]


@pytest.mark.parametrize(("kind", "is_on"), [("test", True), ("notice", False)])
async def test_a_dead_address_is_switched_off_unless_its_owner_looks_on(
    collector: RequestCollector, sending: Sending, sandbox: Sandbox, store: Store, kind: str, is_on: bool
) -> None:
    sandbox.faults(telegram={"blocked": [ADDRESSES[ChannelKind.TELEGRAM]]})
    outgoing = collector.collect(request(kind, "chat", headline="⚠ The feed is down"))
    assert isinstance(outgoing, Outgoing)
    outcome = await sending.send(outgoing)
    assert isinstance(outcome, Done) and outcome.is_failed and "blocked by the recipient" in outcome.reason
    channel = store.channel("chat")
    assert channel is not None and channel.is_on is is_on
