"""A backup of a cluster, restored to the cluster."""

from pathlib import Path

import pytest

from evaluator.rule_sync import RuleSync
from ops.backup import archive, make
from ops.backup.restore import restore
from stormalert import process
from stormalert.config.settings import parse
from stormalert.redis import keys
from stormalert.redis.keys import all_shards, shard_of
from stormalert.store import open_store
from tests.cluster.conftest import Cluster
from tests.cluster.test_cluster import SHARDS, a_market, defined, publishing, pumping, settled, some_rules

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


async def test_a_backup_of_a_cluster_goes_on_exactly_as_defined(cluster: Cluster, tmp_path: Path) -> None:
    ticks, rules = a_market(4_000, seed=21), some_rules(200, seed=22)
    store = open_store("", tmp_path / "store.sqlite3")
    for rule in rules:
        store.save_rule(rule)
    config = parse({"STORM_REDIS_URL": cluster.url, "STORM_QUEUE_URL": "redis://127.0.0.1:1/0", "STORM_SHARDS": str(SHARDS)})
    async with process.connect(cluster.url) as redis:
        await RuleSync(redis, store, SHARDS).bring_over()
        async with publishing(redis) as publisher, pumping(redis):
            publisher.add_ticks(ticks[:2_000])
            await settled(redis, 2_000)
        for shard in all_shards(SHARDS):
            await redis.xgroup_create(shard.alerts, keys.DISPATCH_GROUP, "0", mkstream=True)
        first = shard_of(ticks[0].token, SHARDS)
        await redis.xreadgroup(keys.DISPATCH_GROUP, "dead", {first.alerts: ">"}, count=3)
        await redis.set(keys.sent("d"), "p", ex=1_000)
    with process.connect_in_thread(cluster.url, 30, decode_responses=False) as client:
        archive.write(tmp_path / "backup", make.rows(config, store, client))
        cluster.empty()
        assert list(restore(config, store, client, tmp_path / "backup", is_forced=True))[-1] == "Restored."
    async with process.connect(cluster.url) as redis:
        assert await redis.get(keys.sent("d")) == "p"
        (group,) = await redis.xinfo_groups(first.alerts)
        assert (group["name"], group["pending"]) == (keys.DISPATCH_GROUP, 3)
        async with publishing(redis) as publisher, pumping(redis):
            publisher.add_ticks(ticks[2_000:])
            found = await settled(redis, len(ticks) - 2_000)
    assert found == defined(ticks, rules)
    store.close()
