"""The providers' limits: no window of theirs may hold more messages than they take, whatever the way there took."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from redis.asyncio import Redis

from stormalert import process
from stormalert.config import settings
from stormalert.model import ChannelKind
from stormalert.redis import keys
from workers.limits import MARGIN_MS, Limits, Permit, Priority, limits_of

CHAT = "424242"
TELEGRAM = ChannelKind.TELEGRAM


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with process.connect(redis_url) as client:
        yield client


def limits(redis: Redis, **environment: str) -> Limits:
    return Limits(redis, settings.parse(environment))


async def taken(
    limits: Limits, message: str, address: str = CHAT, kind: ChannelKind = TELEGRAM, priority: Priority = Priority.ALERT
) -> Permit:
    permit = await limits.take(message, kind, address, priority)
    assert isinstance(permit, Permit), f"had to wait {permit} s"
    return permit


async def refused(
    limits: Limits, message: str, address: str = CHAT, kind: ChannelKind = TELEGRAM, priority: Priority = Priority.ALERT
) -> float:
    wait_s = await limits.take(message, kind, address, priority)
    assert not isinstance(wait_s, Permit), "was let go"
    return wait_s


class Provider:
    """Counts a message at some moment between its sending and its answer."""

    def __init__(self) -> None:
        self.counted_s: list[float] = []

    async def take(self) -> None:
        way_s = random.Random(len(self.counted_s)).uniform(0, 0.05)
        await asyncio.sleep(way_s)
        self.counted_s.append(time.monotonic())
        await asyncio.sleep(0.05 - way_s)

    def most_within(self, window_s: float) -> int:
        times_s = sorted(self.counted_s)
        return max(sum(1 for other_s in times_s if 0 <= other_s - first_s < window_s) for first_s in times_s)


async def send(limits: Limits, provider: Provider, message: str, address: str, priority: Priority = Priority.ALERT) -> int:
    """How often it was asked until it might go."""
    asked = 1
    while not isinstance(permit := await limits.take(message, TELEGRAM, address, priority), Permit):
        asked += 1
        await asyncio.sleep(permit)
    await provider.take()
    await limits.settle(permit)
    return asked


async def test_no_window_of_the_provider_holds_more_than_its_limit(redis: Redis) -> None:
    rate, count = 20, 90
    shared = [limits(redis, STORM_TELEGRAM_BOT_RATE=str(rate)) for _ in range(3)]
    provider = Provider()
    asked = await asyncio.gather(*(send(shared[i % 3], provider, f"d{i}", f"chat{i}") for i in range(count)))
    # All of it is used, on a machine that is not too slow for that.
    assert rate // 2 <= provider.most_within(1.0) <= rate
    # Each has its turn: they do not all come back at once and fight for it.
    assert sum(asked) < 6 * count


async def test_a_second_message_to_a_chat_waits_for_a_whole_window_after_the_first_ones_answer(redis: Redis) -> None:
    ours = limits(redis)
    first = await taken(ours, "d1")
    # How long the first one takes is not known yet.
    assert 1.0 <= await refused(ours, "d2") <= 1.0 + MARGIN_MS / 1000
    await ours.settle(first)
    until_ms = (await redis.zrange(first.windows[1], 0, 0, withscores=True))[0][1]
    seconds, micros = await redis.time()
    assert -1 <= seconds * 1000 + micros / 1000 + 1000 + MARGIN_MS - until_ms < 500


async def test_waiting_messages_get_turns_one_after_the_other_and_keep_them(redis: Redis) -> None:
    ours = limits(redis)
    await taken(ours, "d0")
    waits_s = [await refused(ours, f"d{number}") for number in range(1, 6)]
    line = keys.window(limits_of(TELEGRAM, CHAT, settings.parse({}))[1].name).replace("window", "line") + f":{Priority.ALERT}"
    turns_ms = [turn_ms for _, turn_ms in await redis.zrange(line, 0, -1, withscores=True)]
    assert all(1_000 <= later - sooner < 2_000 for sooner, later in pairwise(turns_ms))
    # Asking again too early moves nothing.
    assert await refused(ours, "d3") <= waits_s[2]
    assert await redis.zcard(line) == len(turns_ms) == 5


async def test_nobody_who_comes_later_goes_before_one_who_waits(redis: Redis) -> None:
    ours = limits(redis, STORM_TELEGRAM_BOT_RATE="2")
    places = [await taken(ours, f"d{number}", f"chat{number}") for number in range(2)]
    waited_s = await refused(ours, "d2", "chat2")
    for place in places:
        await ours.settle(place)
    await asyncio.sleep(waited_s)
    assert await refused(ours, "d3", "chat3") > 0
    await send(ours, Provider(), "d2", "chat2")


async def test_what_goes_first_does_not_wait_for_those_in_line_behind_it(redis: Redis) -> None:
    ours = limits(redis)
    first = await taken(ours, "a0")
    for number in range(20):
        await refused(ours, f"a{number + 1}")
        await refused(ours, f"t{number}", priority=Priority.TEST)
    await ours.settle(first)
    # As soon as there is room, not behind twenty others.
    assert await refused(ours, "notice", priority=Priority.NOTICE) < 2
    assert await refused(ours, "code", priority=Priority.ANSWER) < 2
    # And these behind all of them.
    assert await refused(ours, "a21") > 19
    assert await refused(ours, "t20", priority=Priority.TEST) > 21


async def test_room_is_kept_for_who_goes_first_and_is_due(redis: Redis) -> None:
    ours = limits(redis)
    await ours.settle(await taken(ours, "a0"))
    alert_s = await refused(ours, "a1")
    code_s = await refused(ours, "code", priority=Priority.ANSWER)
    await asyncio.sleep(max(alert_s, code_s))
    # There is room for one. The alert's turn has come too, and it asks first.
    assert await refused(ours, "a1") > 0.5
    await taken(ours, "code", priority=Priority.ANSWER)


async def test_a_turn_that_nobody_comes_for_keeps_others_waiting_for_a_moment_only(redis: Redis) -> None:
    ours = limits(redis)
    await ours.settle(await taken(ours, "a0"))
    await asyncio.sleep(await refused(ours, "code", priority=Priority.ANSWER))
    asked = await send(ours, Provider(), "a1", CHAT)
    assert 1 < asked < 6


@pytest.mark.parametrize("flood", [Priority.ALERT, Priority.TEST])
async def test_a_flood_delays_none_that_goes_before_it(redis: Redis, flood: Priority) -> None:
    ours, provider, rate = limits(redis, STORM_TELEGRAM_BOT_RATE="20"), Provider(), 20
    many = [asyncio.create_task(send(ours, provider, f"f{number}", f"chat{number}", flood)) for number in range(100)]
    await asyncio.sleep(1)
    went_before = []
    for number in range(5):
        sent = len(provider.counted_s)
        await send(ours, provider, f"first{number}", f"other{number}", Priority(flood - 1))
        went_before.append(len(provider.counted_s) - 1 - sent)
    # Who goes before the flood waits for what is on its way at most, and not for those in line.
    assert not all(each.done() for each in many)
    # A window's worth, and what goes out on its own way there; sixty are in line.
    assert max(went_before) < 2 * rate
    await asyncio.gather(*many)
    assert provider.most_within(1.0) <= rate


async def test_a_message_takes_a_place_with_all_of_its_limits_or_with_none(redis: Redis) -> None:
    ours = limits(redis)
    first = await taken(ours, "d1")
    for _ in range(5):
        await refused(ours, "d2")
    assert [await redis.zcard(window) for window in first.windows] == [1, 1]


async def test_a_chat_that_is_slow_does_not_hold_up_the_others(redis: Redis) -> None:
    ours = limits(redis)
    await taken(ours, "d0")
    for number in range(1, 50):
        await refused(ours, f"d{number}")
    await taken(ours, "other", "another chat")


async def test_a_group_has_a_limit_by_the_minute_too(redis: Redis) -> None:
    ours = limits(redis, STORM_TELEGRAM_CHAT_RATE="100")
    for number in range(20):
        await ours.settle(await taken(ours, f"d{number}", "-1001"))
    assert await refused(ours, "d20", "-1001") > 50
    await taken(ours, "d21", "1001")


async def test_senders_recipients_and_servers_have_limits_of_their_own(redis: Redis) -> None:
    ours = limits(redis, STORM_SMTP_RATE="2", STORM_WHATSAPP_SENDER_RATE="3")
    for number in range(3):
        await taken(ours, f"w{number}", f"+9198{number}", ChannelKind.WHATSAPP)
    assert await refused(ours, "w3", "+91983", ChannelKind.WHATSAPP)
    for number in range(2):
        await taken(ours, f"m{number}", "trader@storm.example", ChannelKind.EMAIL)
    assert await refused(ours, "m2", "trader@storm.example", ChannelKind.EMAIL)


async def test_a_provider_that_asks_for_a_pause_gets_it_for_all_that_waits(redis: Redis) -> None:
    ours = limits(redis)
    await ours.settle(await taken(ours, "d1"), pause_s=30)
    assert 20 < await refused(ours, "d2") < 31
    await taken(ours, "d3", "another chat")


async def test_what_a_killed_worker_had_in_hand_counts_no_longer_than_sending_may_take(redis: Redis) -> None:
    permit = await taken(limits(redis), "d1")
    for window in permit.windows:
        assert 0 < await redis.pttl(window) <= 12_020


def test_no_key_holds_an_address() -> None:
    for kind in ChannelKind:
        for limit in limits_of(kind, "-424242", settings.parse({})):
            assert "424242" not in limit.name
