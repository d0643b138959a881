"""Who may ask Telegram for updates, and how long one waits when it does not answer."""

import logging
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from redis.asyncio import Redis
from telegram.error import Conflict, InvalidToken, NetworkError, RetryAfter, TimedOut

from stormalert import process
from stormalert.redis import keys
from workers.bot.polling import CONFLICT_PAUSE_S, LOCK_MS, LONGEST_PAUSE_S, Lock, TelegramOutage


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Redis]:
    client = process.connect(redis_url)
    yield client
    await client.aclose()


async def test_one_holds_the_lock_until_it_gives_it_back(client: Redis) -> None:
    first, second = Lock(client, "first"), Lock(client, "second")
    assert await first.take()
    assert not await second.take()
    assert await first.take()
    assert 0 < await client.pttl(keys.BOT_LOCK) <= LOCK_MS
    await second.give_back()
    assert not await second.take()
    await first.give_back()
    assert await second.take()
    assert not await first.take()


async def test_a_renewed_lock_lasts_as_long_again(client: Redis) -> None:
    lock = Lock(client, "first")
    await lock.take()
    await client.pexpire(keys.BOT_LOCK, 1_000)
    assert await lock.take()
    assert await client.pttl(keys.BOT_LOCK) > 1_000


async def test_a_lock_that_ended_is_taken_again_unless_another_has_it(client: Redis) -> None:
    first, second = Lock(client, "first"), Lock(client, "second")
    assert await first.take()
    await client.delete(keys.BOT_LOCK)
    assert await first.take()
    assert await client.get(keys.BOT_LOCK) == "first"
    await client.delete(keys.BOT_LOCK)
    assert await second.take()
    assert not await first.take()
    await first.give_back()
    assert await client.get(keys.BOT_LOCK) == "second"


async def test_without_redis_a_lock_that_was_held_is_held_for_its_time_and_none_is_made() -> None:
    nowhere = process.connect("redis://127.0.0.1:1/0")
    assert not await Lock(nowhere, "first").take()
    await nowhere.aclose()


async def test_a_lock_whose_redis_went_away_is_held_while_nobody_else_can_have_it(client: Redis) -> None:
    lock = Lock(client, "first")
    assert await lock.take()
    nowhere = process.connect("redis://127.0.0.1:1/0")
    lock._lock.redis = nowhere
    assert await lock.take()
    lock._held_until_s = 0.0
    assert not await lock.take()
    await nowhere.aclose()


def test_pauses_double_up_to_half_a_minute_and_start_over_after_an_answer() -> None:
    outage = TelegramOutage()
    for longest_s in (1, 2, 4, 8, 16, 30, 30):
        assert longest_s / 2 <= outage.begin(NetworkError("x")) <= longest_s
    outage.end()
    assert 0.5 <= outage.begin(TimedOut()) <= 1


def test_telegrams_own_wish_is_obeyed() -> None:
    assert TelegramOutage().begin(RetryAfter(timedelta(seconds=120))) >= 120
    assert TelegramOutage().begin(Conflict("x")) == CONFLICT_PAUSE_S
    assert TelegramOutage().begin(InvalidToken("x")) == LONGEST_PAUSE_S


def test_a_trouble_is_told_once_and_never_in_the_librarys_words(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "stormalert")
    outage = TelegramOutage()
    for _ in range(3):
        outage.begin(InvalidToken("The token `1:secret` was rejected by the server."))
    outage.begin(NetworkError("https://api.telegram.org/bot1:secret/getMe"))
    outage.end()
    outage.end()
    assert [record.getMessage() for record in caplog.records] == [
        "telegram lost",
        "telegram lost",
        "telegram back",
    ]
    assert "secret" not in str([vars(record) for record in caplog.records])
