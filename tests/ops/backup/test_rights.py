"""The users of Redis: one makes backups and can change nothing; and a password is changed while everything goes on."""

import asyncio
import secrets
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError
from redis.exceptions import ConnectionError as RedisConnectionError

from ops.backup import archive, make
from ops.backup.restore import restore
from stormalert import process
from stormalert.config.settings import Settings
from stormalert.redis import acl, keys
from stormalert.redis.embedded import valkey_command
from stormalert.store import Store
from tests.conftest import free_port
from tests.evaluator.test_engine import a_long_market
from tests.evaluator.test_pump import SHARD, append, arm, evaluate


class GuardedRedis:
    """A server with the product's own users."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.passwords = {name: secrets.token_hex(acl.PASSWORD_LENGTH) for name in acl.NAMES}
        self.users = directory / "users.acl"
        self.write_users()
        options = ("--port", self.port, "--bind", "127.0.0.1", "--dir", directory, "--save", "", "--aclfile", self.users)
        self.process = subprocess.Popen([*valkey_command(), *map(str, options)], stdout=subprocess.DEVNULL)
        self._wait()

    def url(self, user: str) -> str:
        return f"redis://{user}:{self.passwords[user]}@127.0.0.1:{self.port}/0"

    def write_users(self) -> None:
        self.users.write_text(acl.users_acl(self.passwords))

    def client(self, user: str) -> Redis:
        return process.connect_in_thread(self.url(user), decode_responses=False)

    def _wait(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                with self.client(acl.ADMIN) as client:
                    client.ping()
                return
            except RedisConnectionError:
                assert time.monotonic() < deadline
                time.sleep(0.02)


@pytest.fixture
def guarded(processes: None, tmp_path: Path) -> Iterator[GuardedRedis]:
    started = GuardedRedis(tmp_path)
    try:
        yield started
    finally:
        started.process.terminate()
        started.process.wait(60)


def test_the_backups_user_reads_everything_and_changes_nothing(
    guarded: GuardedRedis, store: Store, config: Settings, tmp_path: Path
) -> None:
    async def fill() -> None:
        market, book = a_long_market()
        async with process.connect(guarded.url(acl.ADMIN)) as client:
            await arm(client, *book)
            await append(client, market[:500])
            await evaluate(client)
            await client.xgroup_create(SHARD.alerts, keys.DISPATCH_GROUP, "0")
            await client.set(keys.sent("d"), "p", ex=1_000)
            await client.sadd(keys.spread("r"), 1)

    asyncio.run(fill())
    with guarded.client("backup") as client:
        archive.write(tmp_path / "backup", make.rows(config, store, client))
        for forbidden in (
            lambda: client.set(keys.sent("d"), "x"),
            lambda: client.delete(keys.sent("d")),
            client.flushall,
            lambda: client.eval("return 1", 0),
        ):
            with pytest.raises(NoPermissionError):
                forbidden()
    with guarded.client(acl.ADMIN) as client:
        kept = {name for name in client.keys("*") if name != SHARD.ticks.encode()} - {f"{SHARD.prefix}cursor".encode()}  # type: ignore[union-attr]
        assert list(restore(config, store, client, tmp_path / "backup", is_forced=True))[1] == "Restored."
        assert set(client.keys("*")) == kept  # type: ignore[arg-type]


def test_a_password_of_redis_is_changed_while_everything_goes_on(guarded: GuardedRedis) -> None:
    """The steps of docs/operations.md: a second password, restarts one by one, then the first one goes."""
    before = guarded.url("ingest")
    old_digest = acl.digest(guarded.passwords["ingest"])
    running = Redis.from_url(before)
    running.publish(keys.QUOTES_TOPIC, "{}")
    guarded.passwords["ingest"] = secrets.token_hex(acl.PASSWORD_LENGTH)
    guarded.write_users()
    with guarded.client(acl.ADMIN) as admin:
        admin.execute_command("ACL", "SETUSER", "ingest", f"#{acl.digest(guarded.passwords['ingest'])}")  # type: ignore[no-untyped-call]
        for url in (before, guarded.url("ingest")):
            with Redis.from_url(url) as client:
                client.publish(keys.QUOTES_TOPIC, "{}")
        admin.execute_command("ACL", "LOAD")  # type: ignore[no-untyped-call]
    assert old_digest not in guarded.users.read_text()
    with Redis.from_url(guarded.url("ingest")) as client:
        client.publish(keys.QUOTES_TOPIC, "{}")
    with pytest.raises(AuthenticationError), Redis.from_url(before) as client:
        client.publish(keys.QUOTES_TOPIC, "{}")
    running.close()
