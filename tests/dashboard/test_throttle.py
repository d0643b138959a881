import asyncio
from collections.abc import AsyncIterator

import pytest
import redis.asyncio
from hypothesis import given
from hypothesis import strategies as st

from dashboard.accounts import throttle
from dashboard.accounts.throttle import (
    FREE_PER_ADDRESS,
    FREE_PER_NAME,
    PAUSE_MAX_MS,
    forget,
    of_address,
    of_name,
    pause_ms,
    take_a_try,
)
from stormalert.process import connect
from stormalert.redis import keys


@pytest.fixture
async def client(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[redis.asyncio.Redis]:
    """Here the first pause is a minute, which no machine is too slow for."""
    monkeypatch.setattr(throttle, "SECOND_MS", 60_000)
    async with connect(redis_url) as opened:
        yield opened


async def over(client: redis.asyncio.Redis, digest: str) -> None:
    """The pause ends, without waiting for it."""
    await client.delete(keys.sign_in_pause(digest))


@pytest.mark.parametrize(
    ("tries", "pause"), [(1, 0), (3, 0), (4, 1_000), (5, 2_000), (6, 4_000), (12, 256_000), (13, 300_000), (10**6, 300_000)]
)
def test_pauses_double_up_to_five_minutes(tries: int, pause: int) -> None:
    assert pause_ms(tries, FREE_PER_NAME) == pause


@given(st.integers(1, 10**9), st.integers(1, 100))
def test_one_more_try_is_never_followed_by_a_shorter_pause(tries: int, free: int) -> None:
    assert 0 <= pause_ms(tries, free) <= pause_ms(tries + 1, free) <= PAUSE_MAX_MS < keys.sign_ins.kept_s * 1_000


async def test_who_tries_too_often_waits_and_longer_each_time(client: redis.asyncio.Redis) -> None:
    name = of_name("mina")
    assert [await take_a_try(client, [name]) for _ in range(FREE_PER_NAME)] == [0] * FREE_PER_NAME
    for most_ms in (60_000, 120_000, 240_000):
        waits = await take_a_try(client, [name])
        assert most_ms // 2 < waits <= most_ms
        await over(client, name.digest)
        assert await take_a_try(client, [name]) == 0


async def test_a_try_that_had_to_wait_is_not_counted(client: redis.asyncio.Redis) -> None:
    name = of_name("mina")
    for _ in range(FREE_PER_NAME):
        await take_a_try(client, [name])
    await client.pexpire(keys.sign_in_pause(name.digest), 60_000)
    for _ in range(20):
        assert await take_a_try(client, [name]) > 50_000
    assert await client.get(keys.sign_ins(name.digest)) == str(FREE_PER_NAME)


async def test_names_and_addresses_are_counted_apart(client: redis.asyncio.Redis) -> None:
    address = of_address("10.0.0.1")
    tried = [await take_a_try(client, [of_name(f"name{n}"), address]) for n in range(FREE_PER_ADDRESS)]
    assert tried == [0] * FREE_PER_ADDRESS
    assert await take_a_try(client, [of_name("another"), address]) > 0
    assert await take_a_try(client, [of_name("another"), of_address("10.0.0.2")]) == 0
    assert of_name("10.0.0.1").digest != address.digest


async def test_many_at_the_same_moment_do_not_all_pass(client: redis.asyncio.Redis) -> None:
    waits = await asyncio.gather(*(take_a_try(client, [of_name("mina")]) for _ in range(60)))
    assert FREE_PER_NAME - 1 <= sum(wait == 0 for wait in waits) <= FREE_PER_NAME


async def test_a_success_makes_it_forgotten_at_once_and_quiet_makes_it_forgotten_later(client: redis.asyncio.Redis) -> None:
    name, other = of_name("mina"), of_name("asha")
    for _ in range(FREE_PER_NAME):
        await take_a_try(client, [name, other])
    await forget(client, [name])
    assert await take_a_try(client, [name]) == 0
    assert await take_a_try(client, [other]) > 0
    assert keys.sign_ins.kept_s - 60 < await client.ttl(keys.sign_ins(other.digest)) <= keys.sign_ins.kept_s
    assert 0 < await client.pttl(keys.sign_in_pause(other.digest)) <= PAUSE_MAX_MS


async def test_neither_names_nor_addresses_are_kept(client: redis.asyncio.Redis) -> None:
    for _ in range(FREE_PER_NAME):
        await take_a_try(client, [of_name("mina.rao"), of_address("203.0.113.7")])
    kept = [key async for key in client.scan_iter("*")]
    assert len(kept) == 3
    assert not any("mina" in key or "203" in key for key in kept)
