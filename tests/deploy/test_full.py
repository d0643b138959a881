"""A Redis whose memory or disk is used up: it is told, nothing ends, and once it has room nothing was lost or comes twice."""

import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import cast

import pytest
import redis

from stormalert.process import ALIVE_MS
from stormalert.redis import keys
from stormalert.units import now_ms
from tests.e2e import accounts
from tests.e2e.product import Product

MB = 1_000_000


@contextmanager
def memory_used_up(client: redis.Redis) -> Iterator[None]:
    client.config_set("maxmemory", int(client.info("memory")["used_memory"]) - MB)
    yield
    client.config_set("maxmemory", 0)


@contextmanager
def disk_used_up(client: redis.Redis) -> Iterator[None]:
    """No file of the server's may grow, which its writes are told as they are of a full disk."""
    pid = int(client.info("server")["process_id"])
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, before[1]))
    yield
    resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("used_up", "headline"),
    [(memory_used_up, "Redis is full"), (disk_used_up, "Redis cannot write to its disk")],
    ids=["memory", "disk"],
)
def test_a_full_redis_is_told_and_costs_nothing_but_time(
    run: Product, used_up: Callable[[redis.Redis], AbstractContextManager[None]], headline: str, request: pytest.FixtureRequest
) -> None:
    pids = run.pids()
    accounts.add_rules(run, request.node.callspec.id, now_ms(), cooldown_ms=20_000)
    with run.redis() as client:
        with used_up(client):
            run.wait_until(lambda: headline in " ".join(str(it["text"]) for it in run.outbox()), 180, "no admin was told")
            # Nobody can beat any more: it has been full for long enough to end what cannot bear it.
            run.wait_until(lambda: not beating(client), 180, "somebody beats")
            assert run.pids() == pids
            before = len(accounts.stream_alerts(run))
        run.wait_until(lambda: {beat.split(":")[2] for beat in beating(client)} >= {"ingest", "worker", "bot"}, 180, "no beats")
        run.wait_until(lambda: len(accounts.stream_alerts(run)) > before, 180, "no alert")
    accounts.pause_all_rules(run)
    drawn_up = accounts.draw_up(run)
    assert run.pids() == pids
    assert drawn_up.unsent == []
    assert drawn_up.missing == []
    assert drawn_up.repeated_ids == []
    # E-mails and webhooks have the delivery's own id, whoever sends them.
    assert [key for key, count in drawn_up.messages.items() if count > 1] == []


def beating(client: redis.Redis) -> list[str]:
    return cast(list[str], client.zrangebyscore(keys.BEATS, now_ms() - ALIVE_MS, "+inf"))
