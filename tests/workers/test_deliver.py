"""The stages of a delivery, with a real store, a real Redis and the sandbox's providers."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from redis import Redis

from stormalert import process
from stormalert.config import settings
from stormalert.errors import StormError
from stormalert.model import Alert, Channel, ChannelKind, Delivery, DeliveryState, Mute, MuteScope, QuietHours
from stormalert.notify import alarms, preferences, send_requests, templates
from stormalert.notify.preferences import Loudness, RulePreferences
from stormalert.redis import keys
from stormalert.store import Store, open_store
from stormalert.units import HOUR_MS, MINUTE_MS
from tests.clock import Clock
from tests.workers.fixtures import ADDRESSES, Sandbox
from workers import digest
from workers.channels import open_channels
from workers.deliver import PATIENCE, STORE_AWAY_S, Deliverer
from workers.digest import Why
from workers.limits import Limits
from workers.loop import Loop
from workers.pipeline.answers import LONGEST_PAUSE_S, pause_s
from workers.pipeline.collect import Collector, Steps
from workers.pipeline.counters import Counters
from workers.pipeline.dedup import DedupMarkers
from workers.pipeline.outcome import BROKEN_S, Done, Ended, Later, Outcome, Parked
from workers.pipeline.record import Recorder
from workers.pipeline.send import CLAIMED_PAUSE_S, open_sending

FIRED_MS = 1_700_000_000_456
ID = "rule1-1-channel1"


@pytest.fixture
def clock() -> Clock[int]:
    return Clock(FIRED_MS)


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


@pytest.fixture
def store(tmp_path: Path, alert: Alert) -> Iterator[Store]:
    store = open_store("", tmp_path / "store.sqlite3")
    address = ADDRESSES[ChannelKind.TELEGRAM]
    store.save_channel(Channel(id="channel1", user="user1", kind=ChannelKind.TELEGRAM, address=address))
    store.record_alert(alert)
    store.save_delivery(
        Delivery(
            id=ID,
            alert=alert.id,
            user="user1",
            channel="channel1",
            channel_kind=ChannelKind.TELEGRAM,
            state=DeliveryState.QUEUED,
            queued_ms=FIRED_MS,
            updated_ms=FIRED_MS,
        )
    )
    yield store
    store.close()


class Breaking(Collector):
    """Finds nothing for a while, or never finds one of them."""

    error: Exception | None = None
    poison = ""

    async def alone(self, delivery_ids: Sequence[str]) -> Steps:
        if self.error is not None:
            raise self.error
        if self.poison in delivery_ids:
            raise LookupError("a record that nobody can read")
        return await super().alone(delivery_ids)


class Rounds:
    """Takes one delivery at a time, as far as it goes, and has it recorded."""

    def __init__(
        self, collector: Breaking, deliverer: Deliverer, recorder: Recorder, loop: Loop, markers: DedupMarkers
    ) -> None:
        self.collector = collector
        self._deliverer = deliverer
        self._recorder = recorder
        self._loop = loop
        self._markers = markers

    def deliver(self, delivery_id: str) -> Outcome:
        return self.deliver_all([delivery_id])[0].outcome

    def deliver_all(self, delivery_ids: Sequence[str]) -> list[Ended]:
        ended: list[Ended] = []
        self._loop.run(self._deliverer.deliver(delivery_ids, ended.append))
        self._recorder.record(ended)
        return ended

    def digest(self, digest_id: str) -> list[Ended]:
        ended: list[Ended] = []
        self._loop.run(self._deliverer.digest([digest_id], ended.append))
        self._recorder.record(ended)
        return ended

    def claim(self, delivery_id: str) -> bool:
        return self._loop.run(self._markers.claim(delivery_id))

    def mark_sent(self, delivery_id: str, provider_id: str) -> None:
        self._loop.run(self._markers.mark_sent(delivery_id, provider_id))


@pytest.fixture
def rounds(store: Store, redis_url: str, redis: Redis, sandbox: Sandbox, clock: Clock[int]) -> Iterator[Rounds]:
    config = settings.parse(sandbox.environment())
    with Loop() as loop:
        senders = loop.run(open_channels(config))
        client = process.connect(redis_url)
        markers, counters = DedupMarkers(client), Counters()
        sending = open_sending(client, redis, store, Limits(client, config), senders, PATIENCE, counters, clock)
        collector = Breaking(store, markers, clock)
        deliverer = Deliverer(collector, sending, clock)
        yield Rounds(collector, deliverer, Recorder(store, counters, clock), loop, markers)
        for sender in senders.values():
            loop.run(sender.close())
        loop.run(client.aclose())


def stored(store: Store) -> Delivery:
    delivery = store.delivery(ID)
    assert delivery is not None
    return delivery


def test_a_delivery_that_goes_out_is_marked_and_recorded(rounds: Rounds, store: Store, redis: Redis, sandbox: Sandbox) -> None:
    assert rounds.deliver(ID) == Done(DeliveryState.SENT)
    (message,) = sandbox.outbox()
    delivery = stored(store)
    assert (delivery.state, delivery.attempts) == (DeliveryState.SENT, 1)
    assert delivery.provider_id == str(message["message_id"]) == redis.get(keys.sent(ID))


def test_a_delivery_is_not_sent_twice(rounds: Rounds, sandbox: Sandbox) -> None:
    rounds.deliver(ID)
    assert rounds.deliver(ID) == Done(DeliveryState.SENT)
    assert len(sandbox.outbox()) == 1


def test_what_went_out_before_its_worker_died_is_recorded_and_not_sent_again(
    rounds: Rounds, store: Store, redis: Redis, sandbox: Sandbox
) -> None:
    rounds.mark_sent(ID, "4711")
    assert rounds.deliver(ID) == Done(DeliveryState.SENT)
    assert stored(store).provider_id == "4711"
    assert sandbox.outbox() == []


def test_two_workers_do_not_send_at_the_same_time(rounds: Rounds, store: Store, redis: Redis, sandbox: Sandbox) -> None:
    assert rounds.claim(ID)
    outcome = rounds.deliver(ID)
    assert isinstance(outcome, Later)
    assert outcome.after_s == CLAIMED_PAUSE_S
    assert stored(store).attempts == 0
    assert sandbox.outbox() == []


def test_a_claim_outlives_no_worker_by_long(rounds: Rounds, redis: Redis) -> None:
    rounds.claim(ID)
    assert 0 < redis.pttl(keys.sent(ID)) <= 11_000


def test_a_failed_try_is_recorded_and_leaves_no_claim(rounds: Rounds, store: Store, redis: Redis, sandbox: Sandbox) -> None:
    sandbox.faults(telegram={"server_error": 1.0})
    assert isinstance(rounds.deliver(ID), Later)
    delivery = stored(store)
    assert (delivery.state, delivery.attempts, delivery.reason) == (
        DeliveryState.QUEUED,
        1,
        "provider error: the server failed",
    )
    assert redis.get(keys.sent(ID)) is None


def test_a_delivery_is_given_up_when_the_next_try_would_be_no_news(
    rounds: Rounds, store: Store, sandbox: Sandbox, clock: Clock[int]
) -> None:
    sandbox.faults(telegram={"too_many": 1.0, "retry_after_s": 120.0})
    clock.now = FIRED_MS + HOUR_MS - MINUTE_MS
    assert rounds.deliver(ID) == Done(DeliveryState.FAILED, "gave up: rate limited")
    assert stored(store).state is DeliveryState.FAILED


def test_a_failed_delivery_may_be_run_again_by_hand(rounds: Rounds, store: Store, sandbox: Sandbox) -> None:
    sandbox.faults(telegram={"errors": {ADDRESSES[ChannelKind.TELEGRAM]: 401}})
    refused = "credentials refused: check TELEGRAM_BOT_TOKEN; Telegram 401: Unauthorized: Unauthorized"
    assert rounds.deliver(ID) == Done(DeliveryState.FAILED, refused)
    sandbox.faults(telegram={"errors": {}})
    assert rounds.deliver(ID) == Done(DeliveryState.SENT)
    assert (stored(store).state, stored(store).attempts, stored(store).reason) == (DeliveryState.SENT, 2, "")
    # What it went through stays known.
    assert [(step.state, step.reason) for step in stored(store).past] == [
        (DeliveryState.QUEUED, ""),
        (DeliveryState.FAILED, refused),
    ]


def test_a_channel_that_was_switched_off_is_not_used_and_the_reason_is_told(rounds: Rounds, store: Store) -> None:
    channel = store.channel("channel1")
    assert channel is not None
    store.save_channel(channel.model_copy(update={"is_on": False, "reason": "paused by its owner"}))
    why = "the channel is off: paused by its owner"
    assert rounds.deliver(ID) == Done(DeliveryState.SUPPRESSED, why)
    assert stored(store).reason == why


def test_a_channel_that_is_not_verified_gets_nothing(rounds: Rounds, store: Store, sandbox: Sandbox) -> None:
    channel = store.channel("channel1")
    assert channel is not None
    store.save_channel(channel.model_copy(update={"is_verified": False}))
    assert rounds.deliver(ID) == Done(DeliveryState.SUPPRESSED, "the channel is not verified")
    assert sandbox.outbox() == []


HALF_PAST_MS = FIRED_MS + 30 * MINUTE_MS


@pytest.mark.parametrize(
    ("mute", "why"),
    [
        (Mute.of("user1", MuteScope.ALL), "you muted all alerts"),
        (Mute.of("user1", MuteScope.ALL, until_ms=HALF_PAST_MS), "you snoozed all alerts until 04:13 IST"),
        (
            Mute.of("user1", MuteScope.INSTRUMENT, "408065", name="NSE:INFY", until_ms=HALF_PAST_MS),
            "you snoozed NSE:INFY until 04:13 IST",
        ),
        (Mute.of("user1", MuteScope.RULE, "rule1", name="NSE:INFY day 2%"), "you muted the rule NSE:INFY day 2%"),
    ],
)
def test_what_its_owner_muted_is_not_sent_and_the_history_says_so(
    rounds: Rounds, store: Store, sandbox: Sandbox, mute: Mute, why: str
) -> None:
    store.save_mute(mute)
    assert rounds.deliver(ID) == Done(DeliveryState.SUPPRESSED, why)
    assert (stored(store).state, stored(store).reason) == (DeliveryState.SUPPRESSED, why)
    assert sandbox.outbox() == []


@pytest.mark.parametrize(
    "mute",
    [
        Mute.of("user2", MuteScope.ALL),
        Mute.of("user1", MuteScope.ALL, until_ms=FIRED_MS),
        Mute.of("user1", MuteScope.INSTRUMENT, "738561"),
        Mute.of("user1", MuteScope.RULE, "rule"),
    ],
)
def test_what_others_or_other_mutes_silence_is_sent(rounds: Rounds, store: Store, mute: Mute) -> None:
    store.save_mute(mute)
    assert rounds.deliver(ID) == Done(DeliveryState.SENT)


def test_only_the_address_that_is_dead_is_switched_off(rounds: Rounds, store: Store, sandbox: Sandbox) -> None:
    sandbox.faults(telegram={"blocked": [ADDRESSES[ChannelKind.TELEGRAM]]})
    outcome = rounds.deliver(ID)
    assert isinstance(outcome, Done)
    assert outcome.is_failed
    channel = store.channel("channel1")
    assert channel is not None
    assert not channel.is_on
    assert channel.reason == outcome.reason


def test_a_delivery_that_nobody_knows_fails_in_words(rounds: Rounds) -> None:
    assert rounds.deliver("nobody-1-channel1") == Done(DeliveryState.FAILED, "the delivery is not in the store")


@pytest.mark.parametrize(
    ("attempts", "after_s", "least_s", "most_s"),
    [
        (0, None, 0.5, 1.0),
        (3, None, 4.0, 8.0),
        (50, None, LONGEST_PAUSE_S / 2, LONGEST_PAUSE_S),
        (0, 30.0, 30.0, 31.0),
        (8, 3.0, 128.0, 256.0),
    ],
)
def test_pauses_double_and_are_never_shorter_than_asked_for(
    attempts: int, after_s: float | None, least_s: float, most_s: float
) -> None:
    found_s = {pause_s(attempts, after_s) for _ in range(50)}
    assert least_s <= min(found_s) < max(found_s) <= most_s


def test_a_group_that_moved_gets_its_new_address_and_then_the_message(rounds: Rounds, store: Store, sandbox: Sandbox) -> None:
    sandbox.faults(telegram={"migrated": {ADDRESSES[ChannelKind.TELEGRAM]: -1001}})
    outcome = rounds.deliver(ID)
    assert isinstance(outcome, Later)
    assert outcome.after_s <= 1
    channel = store.channel("channel1")
    assert channel is not None
    assert (channel.address, channel.is_on) == ("-1001", True)
    assert rounds.deliver(ID) == Done(DeliveryState.SENT)
    assert [message["to"] for message in sandbox.outbox()] == ["-1001"]


def test_what_only_an_admin_can_mend_raises_an_alarm_until_it_is_cleared(
    rounds: Rounds, store: Store, sandbox: Sandbox
) -> None:
    sandbox.faults(telegram={"errors": {ADDRESSES[ChannelKind.TELEGRAM]: 401}})
    rounds.deliver(ID)
    ((kind, reason, _time_ms),) = alarms.alarms(store)
    assert kind is ChannelKind.TELEGRAM
    assert reason.startswith("credentials refused: check TELEGRAM_BOT_TOKEN; Telegram 401")
    alarms.clear_alarm(store, kind)
    assert alarms.alarms(store) == []


def test_the_message_is_in_the_words_of_its_reader(rounds: Rounds, store: Store, sandbox: Sandbox) -> None:
    templates.save_template(store, "user1", "{symbol} kostet <{price}>")
    rounds.deliver(ID)
    assert [message["text"] for message in sandbox.outbox()] == ["NSE:INFY kostet <1,384.55>"]


@pytest.mark.parametrize("state", [DeliveryState.DELIVERED, DeliveryState.READ])
def test_what_arrived_is_not_sent_again(rounds: Rounds, store: Store, sandbox: Sandbox, state: DeliveryState) -> None:
    store.save_delivery(stored(store).model_copy(update={"state": state}))
    assert rounds.deliver(ID) == Done(state)
    assert sandbox.outbox() == []


SUMMARY = "sum-channel1-7"


def park(store: Store, alert: Alert, number: int, **changes: str | int) -> Delivery:
    fired = alert.model_copy(update={"id": f"rule{number}-9", "rule": f"rule{number}", "symbol": f"NSE:S{number}"} | changes)
    store.record_alert(fired)
    parked = Delivery(id=f"{fired.id}-channel1", alert=fired.id, user="user1", channel="channel1", summary=SUMMARY,
                      channel_kind=ChannelKind.TELEGRAM, state=DeliveryState.QUEUED, queued_ms=FIRED_MS,
                      updated_ms=FIRED_MS)  # fmt: skip
    return store.save_delivery(parked)


def test_what_waits_for_a_summary_is_told_in_one_message_and_says_so(
    rounds: Rounds, store: Store, sandbox: Sandbox, alert: Alert
) -> None:
    parked = [park(store, alert, number) for number in (2, 3, 4)]
    (ended,) = rounds.digest(SUMMARY)
    assert (ended.id, ended.outcome) == (SUMMARY, Done(DeliveryState.SENT, "told in a summary of 3"))
    (message,) = sandbox.outbox()
    assert message["text"].startswith("3 more alerts")
    assert all(f"NSE:S{number}" in message["text"] for number in (2, 3, 4))
    for each in parked:
        told = store.delivery(each.id)
        assert told is not None
        assert (told.state, told.reason, told.summary) == (DeliveryState.SENT, "told in a summary of 3", SUMMARY)
        assert told.provider_id == str(message["message_id"])
    # The one that has a message of its own is untouched.
    assert stored(store).state is DeliveryState.QUEUED


def test_a_summary_is_not_sent_twice_but_tells_what_came_late_for_it(
    rounds: Rounds, store: Store, sandbox: Sandbox, alert: Alert
) -> None:
    park(store, alert, 2)
    rounds.digest(SUMMARY)
    assert rounds.digest(SUMMARY)[0].outcome == Done(DeliveryState.SUPPRESSED, "nothing is left to tell")
    park(store, alert, 3)
    rounds.digest(SUMMARY)
    assert ["NSE:S3" in message["text"] for message in sandbox.outbox()] == [False, True]


def test_a_summary_that_went_out_before_its_worker_died_is_recorded_and_not_sent_again(
    rounds: Rounds, store: Store, sandbox: Sandbox, alert: Alert
) -> None:
    told = [(park(store, alert, number), alert) for number in (2, 3)]
    rounds.mark_sent(digest.message_id(SUMMARY, told), "4711")
    rounds.digest(SUMMARY)
    assert [delivery.provider_id for delivery in store.deliveries([each.id for each, _ in told])] == ["4711", "4711"]
    assert sandbox.outbox() == []


def test_a_summary_leaves_out_what_its_owner_muted_and_says_why(
    rounds: Rounds, store: Store, sandbox: Sandbox, alert: Alert
) -> None:
    muted, told = park(store, alert, 2), park(store, alert, 3)
    store.save_mute(Mute.of("user1", MuteScope.RULE, "rule2", name="NSE:S2"))
    rounds.digest(SUMMARY)
    assert [delivery.state for delivery in (store.delivery(muted.id), store.delivery(told.id)) if delivery] == [
        DeliveryState.SUPPRESSED,
        DeliveryState.SENT,
    ]
    (message,) = sandbox.outbox()
    assert "NSE:S2" not in message["text"]


def test_a_summary_that_fails_is_tried_again_whole(rounds: Rounds, store: Store, sandbox: Sandbox, alert: Alert) -> None:
    parked = [park(store, alert, number) for number in (2, 3)]
    sandbox.faults(telegram={"server_error": 1.0})
    assert isinstance(rounds.digest(SUMMARY)[0].outcome, Later)
    sandbox.faults(telegram={"server_error": 0.0})
    rounds.digest(SUMMARY)
    assert [delivery.attempts for delivery in store.deliveries([each.id for each in parked])] == [2, 2]
    assert len(sandbox.outbox()) == 1


# What its owner wants of a channel, and of a rule. The alert fired at 03:43 in India.


def change(store: Store, **changes: object) -> None:
    channel = store.channel("channel1")
    assert channel is not None
    store.save_channel(channel.model_copy(update=changes))


QUIET = QuietHours(from_min=22 * 60, to_min=7 * 60)
SEVEN_MS = 1_700_011_800_000


def test_in_quiet_hours_an_alert_waits_for_their_end_and_is_told_together_with_others(
    rounds: Rounds, store: Store, sandbox: Sandbox, clock: Clock[int], alert: Alert
) -> None:
    change(store, quiet=QUIET)
    quiet_digest = digest.digest_id(Why.QUIET, "channel1", SEVEN_MS)
    reason = "quiet hours until 07:00 IST: told together with others then"
    assert rounds.deliver(ID) == Parked(SEVEN_MS, reason, quiet_digest)
    waiting = stored(store)
    assert (waiting.state, waiting.due_ms, waiting.attempts) == (DeliveryState.QUEUED, SEVEN_MS, 0)
    # Those beyond the hour have a summary of their own, which waits too.
    park(store, alert, 2)
    (moved,) = rounds.digest(SUMMARY)[:-1]
    assert moved.outcome == Parked(SEVEN_MS, reason, quiet_digest)
    assert sandbox.outbox() == []
    clock.now = SEVEN_MS
    rounds.digest(quiet_digest)
    (message,) = sandbox.outbox()
    assert message["text"].startswith("2 alerts in your quiet hours")
    assert [delivery.state for delivery in store.deliveries([ID, "rule2-9-channel1"])] == [DeliveryState.SENT] * 2


def test_outside_quiet_hours_nothing_waits(rounds: Rounds, store: Store) -> None:
    change(store, quiet=QUIET.model_copy(update={"zone": "America/New_York"}))
    assert rounds.deliver(ID) == Done(DeliveryState.SENT)


@pytest.mark.parametrize(
    ("is_silent", "loudness", "is_heard"),
    [(False, Loudness.ON, True), (True, Loudness.ON, False), (False, Loudness.SILENT, False)],
)
def test_a_channel_or_a_rule_may_be_silent(
    rounds: Rounds, store: Store, sandbox: Sandbox, is_silent: bool, loudness: Loudness, is_heard: bool
) -> None:
    change(store, is_silent=is_silent)
    preferences.save_of_rule(store, "rule1", RulePreferences(loudness=loudness))
    rounds.deliver(ID)
    silent = [str(message["raw"].get("disable_notification", False)).lower() for message in sandbox.outbox()]
    assert silent == [str(not is_heard).lower()]


def test_a_rule_may_send_nothing_or_elsewhere(rounds: Rounds, store: Store, sandbox: Sandbox) -> None:
    preferences.save_of_rule(store, "rule1", RulePreferences(loudness=Loudness.OFF))
    assert rounds.deliver(ID) == Done(DeliveryState.SUPPRESSED, "the rule sends no messages")
    store.save_delivery(stored(store).model_copy(update={"state": DeliveryState.QUEUED}))
    preferences.save_of_rule(store, "rule1", RulePreferences(channels=("channel2",)))
    assert rounds.deliver(ID) == Done(DeliveryState.SUPPRESSED, "the rule sends to other channels")
    store.save_delivery(stored(store).model_copy(update={"state": DeliveryState.QUEUED}))
    preferences.save_of_rule(store, "rule1", RulePreferences(channels=("channel1",)))
    assert rounds.deliver(ID) == Done(DeliveryState.SENT)
    assert len(sandbox.outbox()) == 1


def test_what_a_watchlists_rule_is_to_do_counts_on_every_instrument(rounds: Rounds, store: Store, alert: Alert) -> None:
    part = alert.model_copy(update={"id": f"rule7_{alert.token}-1", "rule": f"rule7_{alert.token}"})
    store.record_alert(part)
    store.save_delivery(stored(store).model_copy(update={"id": "of-a-part", "alert": part.id, "revision": 0}))
    preferences.save_of_rule(store, "rule7", RulePreferences(loudness=Loudness.OFF))
    assert rounds.deliver("of-a-part") == Done(DeliveryState.SUPPRESSED, "the rule sends no messages")


def put_first(store: Store, **changes: object) -> Delivery:
    """A WhatsApp channel that comes before channel1, with its delivery of the alert."""
    change(store, stands_in_for="first", **changes)
    store.save_channel(Channel(id="first", user="user1", kind=ChannelKind.WHATSAPP, address=ADDRESSES[ChannelKind.WHATSAPP]))
    own = {"id": "rule1-1-first", "channel": "first", "channel_kind": ChannelKind.WHATSAPP, "revision": 0}
    return store.save_delivery(stored(store).model_copy(update=own))


def test_a_stand_in_waits_and_goes_out_when_the_first_was_not_read(
    rounds: Rounds, store: Store, sandbox: Sandbox, clock: Clock[int]
) -> None:
    first = put_first(store, stands_in_after_min=2)
    store.save_delivery(first.model_copy(update={"state": DeliveryState.DELIVERED}))
    due_ms = FIRED_MS + 2 * MINUTE_MS
    assert rounds.deliver(ID) == Parked(due_ms, "goes out 03:45 IST, unless it is read on WhatsApp before")
    assert stored(store).due_ms == due_ms
    clock.now = due_ms
    assert rounds.deliver(ID) == Done(DeliveryState.SENT)
    assert len(sandbox.outbox("telegram")) == 1


@pytest.mark.parametrize(
    ("unless", "state", "is_needed"),
    [
        (DeliveryState.READ, DeliveryState.READ, False),
        (DeliveryState.DELIVERED, DeliveryState.READ, False),
        (DeliveryState.DELIVERED, DeliveryState.DELIVERED, False),
        (DeliveryState.SENT, DeliveryState.SENT, False),
        (DeliveryState.READ, DeliveryState.FAILED, True),
        (DeliveryState.SENT, DeliveryState.SUPPRESSED, True),
    ],
)
def test_a_stand_in_is_needed_unless_the_first_came_so_far(
    rounds: Rounds, store: Store, unless: DeliveryState, state: DeliveryState, is_needed: bool
) -> None:
    first = put_first(store, stands_in_unless=unless)
    store.save_delivery(first.model_copy(update={"state": state}))
    not_needed = Done(DeliveryState.SUPPRESSED, f"not needed: {state} on WhatsApp")
    assert rounds.deliver(ID) == (Done(DeliveryState.SENT) if is_needed else not_needed)


def test_a_stand_in_for_a_channel_that_got_nothing_does_not_wait(rounds: Rounds, store: Store) -> None:
    change(store, stands_in_for="gone")
    assert rounds.deliver(ID) == Done(DeliveryState.SENT)


def test_when_the_first_fails_its_stand_in_is_called_at_once(
    rounds: Rounds, store: Store, sandbox: Sandbox, clock: Clock[int]
) -> None:
    put_first(store)
    assert isinstance(rounds.deliver(ID), Parked)
    sandbox.faults(twilio={"errors": {ADDRESSES[ChannelKind.WHATSAPP]: 21211}})
    outcome = rounds.deliver("rule1-1-first")
    assert isinstance(outcome, Done)
    assert outcome.is_failed
    assert stored(store).due_ms == clock.now
    assert rounds.deliver(ID) == Done(DeliveryState.SENT)


def test_who_blocks_a_channel_is_told_over_the_others(rounds: Rounds, store: Store, redis: Redis, sandbox: Sandbox) -> None:
    store.save_channel(Channel(id="mail", user="user1", kind=ChannelKind.EMAIL, address=ADDRESSES[ChannelKind.EMAIL]))
    store.save_channel(Channel(id="off", user="user1", kind=ChannelKind.EMAIL, address="x@storm.example", is_on=False))
    sandbox.faults(telegram={"blocked": [ADDRESSES[ChannelKind.TELEGRAM]]})
    rounds.deliver(ID)
    ((_, asked),) = redis.xrange(keys.SEND_REQUESTS)
    assert (asked["kind"], asked["channel"]) == (send_requests.SendKind.NOTICE, "mail")
    assert asked["headline"] == "⚠ Telegram gets no alerts any more"
    channel = store.channel("channel1")
    assert channel is not None
    assert asked["details"].startswith(f"It was switched off: {channel.reason}.")


def test_while_the_store_is_away_deliveries_go_back_into_the_queue(rounds: Rounds, store: Store, sandbox: Sandbox) -> None:
    rounds.collector.error = StormError("the store does not answer")
    outcome = rounds.deliver(ID)
    assert outcome == Later(STORE_AWAY_S, "the store does not answer")
    assert (stored(store).attempts, sandbox.outbox()) == (0, [])
    rounds.collector.error = None
    assert rounds.deliver(ID) == Done(DeliveryState.SENT)


def test_a_record_that_nobody_can_read_stops_no_other(rounds: Rounds, sandbox: Sandbox) -> None:
    rounds.collector.poison = "rule1-9-channel1"
    ended = rounds.deliver_all(["rule1-9-channel1", ID])
    assert {each.id: each.outcome for each in ended} == {
        "rule1-9-channel1": Later(BROKEN_S, "unexpected error: LookupError"),
        ID: Done(DeliveryState.SENT),
    }
    assert len(sandbox.outbox()) == 1


def test_what_breaks_on_its_way_is_a_try_that_failed(rounds: Rounds, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    async def take(*_given: object) -> float:
        raise LookupError("a script that is not there")

    monkeypatch.setattr(Limits, "take", take)
    outcome = rounds.deliver(ID)
    assert isinstance(outcome, Later)
    assert (stored(store).attempts, stored(store).reason) == (1, "unexpected error: LookupError")
    monkeypatch.undo()
    assert rounds.deliver(ID) == Done(DeliveryState.SENT)
