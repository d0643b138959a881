"""Two evaluators, processes of their own, under load while a node of the cluster restarts: all alerts, each once, in order.

Prints how long it took until everything flowed again; docs/scaling.md has the figures.
"""

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from stormalert import process
from stormalert.model import Tick
from stormalert.redis.keys import Shard, all_shards, shard_of
from stormalert.redis.streams import read_alert
from stormalert.store import Store, open_store
from tests.cluster.conftest import Cluster
from tests.cluster.test_cluster import SHARDS, a_market, defined, publishing, settled, some_rules
from tests.evaluator.oracle import Expected, expected_alerts

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

TICKS = 24_000
TICKS_A_SECOND = 2_000
STEP_S = 0.05
# From the node answering again to its shards being evaluated, on a machine that may be busy.
RECOVERED_WITHIN_S = 60


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store("", tmp_path / "store.sqlite3")


@pytest.fixture
def evaluators(cluster: Cluster, store: Store, tmp_path: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    theirs = {name: value for name, value in os.environ.items() if not name.startswith("STORM_")}
    ours = {
        "STORM_REDIS_URL": cluster.url, "STORM_QUEUE_URL": "redis://127.0.0.1:1/0", "STORM_SHARDS": str(SHARDS),
        "STORM_SQLITE_PATH": str(tmp_path / "store.sqlite3"), "STORM_VAR": str(tmp_path),
    }  # fmt: skip
    with (tmp_path / "evaluators.log").open("wb") as log:
        started = [
            subprocess.Popen([sys.executable, "-m", "evaluator"], env=theirs | ours, cwd=Path(__file__).parents[2], stderr=log)
            for _ in range(2)
        ]
    yield started
    for each in started:
        each.terminate()
    for each in started:
        each.wait(60)


class RestartProgress(NamedTuple):
    """When a shard's cursor was seen at a new place."""

    shard: Shard
    at_s: float


class RestartWatch:
    """Looks at every shard's cursor on the node that it lies on, past the product's client."""

    def __init__(self, cluster: Cluster) -> None:
        self.seen: list[RestartProgress] = []
        self._places = {shard: (cluster.node_of(shard.ticks), f"{shard.prefix}cursor") for shard in all_shards(SHARDS)}
        self._last: dict[Shard, object] = {}

    def look(self) -> None:
        for shard, (node, key) in self._places.items():
            if not node.is_up:
                continue
            try:
                cursor = node.client.get(key)
            except RedisError:
                # It has come back, and takes no commands for its first seconds.
                continue
            if cursor != self._last.get(shard):
                self._last[shard] = cursor
                self.seen.append(RestartProgress(shard, time.monotonic()))

    def first_behind(self, shards: list[Shard], moment_s: float) -> float:
        """Seconds until all of them were seen to go on."""
        return max(min(it.at_s for it in self.seen if it.shard == shard and it.at_s > moment_s) for shard in shards) - moment_s

    def longest_pause(self, shards: list[Shard], from_s: float, to_s: float) -> float:
        longest = 0.0
        for shard in shards:
            times = [it.at_s for it in self.seen if it.shard == shard and from_s - 1 <= it.at_s <= to_s]
            longest = max(longest, *(b - a for a, b in itertools.pairwise(times)), to_s - times[-1])
        return longest


@asynccontextmanager
async def looking(watch: RestartWatch) -> AsyncIterator[None]:
    stopping = asyncio.Event()

    async def look() -> None:
        while not stopping.is_set():
            await asyncio.to_thread(watch.look)
            await asyncio.sleep(0.01)

    running = asyncio.create_task(look())
    try:
        yield
    finally:
        stopping.set()
        await running


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_a_node_restarts_under_load_and_two_evaluators_lose_nothing_repeat_nothing_and_keep_order(
    cluster: Cluster, store: Store, evaluators: list[subprocess.Popen[bytes]], how: signal.Signals
) -> None:
    ticks, rules = a_market(TICKS, seed=11), some_rules(300, seed=12)
    for rule in rules:
        store.save_rule(rule)
    victim = cluster.node_of(shard_of(ticks[0].token, SHARDS).ticks)
    hit = [shard for shard in all_shards(SHARDS) if cluster.node_of(shard.ticks) is victim]
    spared = [shard for shard in all_shards(SHARDS) if shard not in hit]
    watch = RestartWatch(cluster)
    async with process.connect(cluster.url) as redis, publishing(redis) as publisher:
        await armed(redis, len(rules))
        async with looking(watch):
            feeding = asyncio.create_task(feed(publisher.add_ticks, ticks))
            await asyncio.sleep(TICKS / TICKS_A_SECOND / 3)
            down_s = time.monotonic()
            await asyncio.to_thread(victim.stop, how)
            # Longer than the others need to notice.
            await asyncio.sleep(3)
            await asyncio.to_thread(victim.start)
            up_s = time.monotonic()
            await feeding
            found = await settled(redis, len(ticks))
            in_order = await firing_order(redis)
    assert found == defined(ticks, rules)
    assert len(found) > 300
    assert in_order == by_instrument(ticks, rules)
    assert all(each.poll() is None for each in evaluators)
    recovered_s, others_s = watch.first_behind(hit, up_s), watch.longest_pause(spared, down_s, up_s)
    print(f"\n{how.name}: away {up_s - down_s:.1f} s; evaluated again {recovered_s:.2f} s after it answered;", end=" ")
    print(f"shards of other nodes paused {others_s:.2f} s at most")
    assert recovered_s < RECOVERED_WITHIN_S
    # Than its own shards stood still.
    assert others_s < up_s - down_s + recovered_s


async def feed(add: object, ticks: list[Tick]) -> None:
    step = round(TICKS_A_SECOND * STEP_S)
    for start in range(0, len(ticks), step):
        add(ticks[start : start + step])  # type: ignore[operator]
        await asyncio.sleep(STEP_S)


async def armed(redis: Redis, count: int) -> None:
    async with asyncio.timeout(180):
        while True:
            names = [name async for name in redis.scan_iter(match=Shard.rule.glob(), count=1_000)]
            if len(names) == count and all([await redis.get(shard.rule_sync) for shard in all_shards(SHARDS)]):
                return
            await asyncio.sleep(0.1)


async def firing_order(redis: Redis) -> dict[int, list[Expected]]:
    """As the stream of its shard has them, by instrument."""
    found: dict[int, list[Expected]] = {}
    for shard in all_shards(SHARDS):
        for _, entry in await redis.xrange(shard.alerts):
            it = read_alert(entry)  # type: ignore[arg-type]
            found.setdefault(it.token, []).append(Expected(it.time_ms, it.rule, it.direction, it.price_e4, it.reference_e4))
    return found


def by_instrument(ticks: list[Tick], rules: list[object]) -> dict[int, list[Expected]]:
    token_of = {rule.id: rule.token for rule in rules}  # type: ignore[attr-defined]
    found: dict[int, list[Expected]] = {}
    for alert in expected_alerts(ticks, rules):  # type: ignore[arg-type]
        found.setdefault(token_of[alert.rule], []).append(alert)
    return found
