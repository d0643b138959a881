"""What Prometheus is told, read with its own parser."""

import re
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from dashboard.metrics.families import families
from dashboard.metrics.names import METRICS, MetricKind
from stormalert.config import settings
from stormalert.config.settings import Settings
from stormalert.health.facts import Facts, ServerReading
from stormalert.health.reading import read_facts, read_more
from stormalert.histogram import Histogram
from stormalert.model import ChannelKind
from stormalert.notify import alarms
from stormalert.process import Heartbeat, connect
from stormalert.redis import keys
from stormalert.store import Store, open_store
from stormalert.units import now_ms

from .conftest import Site, post_login

CONFIG = settings.parse({"STORM_SHARDS": "2"})
FIRST, SECOND = keys.all_shards(2)
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


class Given(Collector):
    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def collect(self) -> Iterable[Family]:
        return families(self._facts)


async def read(client: redis.asyncio.Redis, store: Store, config: Settings) -> Facts:
    return replace(await read_facts(client, config), **await read_more(client, store, config))


def scrape(facts: Facts) -> Samples:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Given(facts))
    return samples_of(generate_latest(registry).decode())


def samples_of(text: str) -> Samples:
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found, key
            found[key] = sample.value
    return found


def value(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((f"stormalert_{name}", tuple(sorted(labels.items()))))


def process(name: str, replica: str = "host-1", **stats: Any) -> dict[str, Any]:
    return {"name": name, "process": replica, "beat_ms": 10, **stats}


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[redis.asyncio.Redis]:
    async with connect(redis_url) as opened:
        yield opened


def test_names_keep_to_the_conventions_of_prometheus() -> None:
    for metric in METRICS:
        assert re.fullmatch(r"stormalert_[a-z][a-z0-9_]*[a-z0-9]", metric.name), metric.name
        assert metric.name.endswith("_total") == (metric.kind is MetricKind.COUNTER), metric.name
        assert metric.kind is not MetricKind.HISTOGRAM or metric.name.endswith("_seconds"), metric.name
        assert not re.search(r"_(ms|s|mb|kb)(_|$)", metric.name), metric.name
        assert metric.help.endswith(".") and len(metric.help) > 10
        # Prometheus gives these itself to all that it scrapes.
        assert not {"instance", "job", "le"} & set(metric.labels), metric.name
    assert len({metric.name for metric in METRICS}) == len(METRICS)


def test_every_metric_is_described_also_while_nothing_is_known() -> None:
    described = {family.name: family for family in families(Facts(now_ms=1))}
    assert [metric.name.removesuffix("_total") for metric in METRICS] == list(described)
    assert all(family.documentation for family in described.values())


def test_a_process_that_is_missing_is_told_as_well_as_those_that_beat() -> None:
    beating = [process("worker", "a-1"), process("worker", "b-1"), process("relay")]
    samples = scrape(Facts(1, beating, frozenset({"board"}), {"worker": 5}))
    assert [value(samples, "up", process=name) for name in ("worker", "relay", "ingest", "board")] == [1, 1, 0, 0]
    assert value(samples, "processes", process="worker") == 2
    assert value(samples, "process_starts_total", process="worker") == 5


def test_figures_of_a_process_carry_its_replica_and_base_units() -> None:
    stats = {"version": "0.1.0", "rss_bytes": 5_000, "cpu_s": 1.5, "late_ms": 20, "started_ms": 7_000, "store_errors": 2}
    samples = scrape(Facts(1, [process("bot", "h-7", **stats)]))
    who = {"process": "bot", "replica": "h-7"}
    assert value(samples, "process_info", **who, version="0.1.0") == 1
    assert value(samples, "process_resident_memory_bytes", **who) == 5_000
    assert value(samples, "process_cpu_seconds_total", **who) == 1.5
    assert value(samples, "process_loop_lag_seconds", **who) == 0.02
    assert value(samples, "process_start_time_seconds", **who) == 7
    assert value(samples, "store_errors_total", **who) == 2


def test_a_histogram_is_cumulative_and_in_seconds() -> None:
    histogram = Histogram()
    histogram.note(3, 10)
    histogram.note(40, 5)
    histogram.note(9_999_999)
    samples = scrape(Facts(1, [process("evaluator", "h-1", ticks=15, delays=histogram.text)]))
    buckets = [value(samples, "tick_delay_seconds_bucket", replica="h-1", le=le) for le in ("0.002", "0.005", "0.05", "+Inf")]
    assert buckets == [0, 10, 15, 16]
    assert value(samples, "tick_delay_seconds_count", replica="h-1") == 16
    assert value(samples, "tick_delay_seconds_sum", replica="h-1") == pytest.approx(10_000.229)
    assert value(samples, "ticks_evaluated_total", replica="h-1") == 15


def test_deliveries_are_told_by_channel_and_outcome() -> None:
    stats = {"telegram_sent": 4, "email_failed": 1, "telegram_refused": 2, "telegram_waits": 3, "sent": 4}
    samples = scrape(Facts(1, [process("worker", "h-1", **stats)]))
    told = {"replica": "h-1"}
    assert value(samples, "deliveries_total", channel="telegram", outcome="sent", **told) == 4
    assert value(samples, "deliveries_total", channel="email", outcome="failed", **told) == 1
    assert value(samples, "deliveries_total", channel="webhook", outcome="sent", **told) == 0
    assert value(samples, "provider_answers_total", channel="telegram", outcome="refused", **told) == 2
    assert value(samples, "rate_limit_waits_total", channel="telegram", **told) == 3


def test_the_feed_is_one_of_its_states_and_unknown_without_ingest() -> None:
    feed = {
        "state": "streaming",
        "frame_ms": 2_000,
        "opens_ms": 0,
        "refused_repeat": 9,
        "troubles": '{"year": "no", "store": "x"}',
    }
    samples = scrape(Facts(10, [process("ingest", login_ms=5_000)], feed=feed))
    states = ("streaming", "stale", "login_needed", "unknown")
    assert [value(samples, "feed_state", state=state) for state in states] == [1, 0, 0, 0]
    assert value(samples, "feed_ticks_refused_total", reason="repeat") == 9
    assert (value(samples, "feed_last_frame_timestamp_seconds"), value(samples, "kite_login_timestamp_seconds")) == (2, 5)
    assert (value(samples, "feed_market_open"), value(samples, "feed_troubles")) == (1, 2)
    samples = scrape(Facts(10, [], feed=feed))
    assert [value(samples, "feed_state", state=state) for state in states] == [0, 0, 0, 1]
    # When the last frame came stays true; whether the market is open nobody says.
    assert (value(samples, "feed_last_frame_timestamp_seconds"), value(samples, "feed_market_open")) == (2, None)


def test_several_dispatchers_tell_of_one_queue() -> None:
    old = process("dispatch", "a-1", queued=50, alerts=1) | {"beat_ms": 10}
    new = process("dispatch", "b-1", queued=7, queued_since_ms=4_000, alerts=2) | {"beat_ms": 20}
    samples = scrape(Facts(9_000, [new, old]))
    assert value(samples, "queue_jobs", state="queued") == 7
    assert value(samples, "queue_oldest_waiting_seconds") == 5
    assert [value(samples, "alerts_dispatched_total", replica=replica) for replica in ("a-1", "b-1")] == [1, 2]


def test_a_server_that_does_not_answer_is_told() -> None:
    samples = scrape(Facts(1, servers=[ServerReading("hot", None), ServerReading("queue", {})]))
    assert [value(samples, "redis_up", server=server) for server in ("hot", "queue")] == [0, 1]


async def test_streams_servers_and_store_are_read_as_they_are(client: redis.asyncio.Redis, tmp_path: Path) -> None:
    store = open_store("", tmp_path / "store.sqlite3")
    alarms.raise_alarm(store, ChannelKind.EMAIL, "login refused")
    written = [await client.xadd(SECOND.ticks, {"token": 1}, id=f"{now_ms() - 60_000 + n}-0") for n in range(3)]
    await client.xgroup_create(SECOND.ticks, keys.EVALUATOR_GROUP, written[0])
    await client.hincrby(FIRST.counters, "malformed", 2)
    await client.config_set("maxmemory", "100mb")
    heart = Heartbeat("ingest", client)
    for _ in range(2):
        await heart.beat()
    samples = scrape(await read(client, store, CONFIG))
    await client.config_set("maxmemory", "0")
    assert value(samples, "stream_waiting_entries", stream="ticks", shard="s1") == 2
    assert value(samples, "stream_entries", stream="ticks", shard="s1") == 3
    assert value(samples, "stream_oldest_waiting_seconds", stream="ticks", shard="s1") == pytest.approx(60, abs=20)
    assert value(samples, "stream_oldest_waiting_seconds", stream="ticks", shard="s0") == 0
    assert value(samples, "ticks_malformed_total") == 2
    # Two beats are one start.
    assert (value(samples, "up", process="ingest"), value(samples, "process_starts_total", process="ingest")) == (1, 1)
    assert (value(samples, "redis_up", server="hot"), value(samples, "redis_up", server="queue")) == (1, None)
    assert value(samples, "redis_memory_limit_bytes", server="hot", node="") == 100 * 2**20
    assert (
        value(samples, "redis_aof_enabled", server="hot", node="") == value(samples, "redis_aof_ok", server="hot", node="") == 1
    )
    assert (value(samples, "redis_start_time_seconds", server="hot", node="") or 0) > 1_700_000_000
    assert value(samples, "store_up") == 1 and (value(samples, "store_answer_seconds") or 9) < 5
    assert [value(samples, "channel_alarm", channel=channel) for channel in ("email", "telegram")] == [1, 0]
    store.close()
    samples = scrape(await read(client, store, CONFIG))
    assert (value(samples, "store_up"), value(samples, "store_answer_seconds")) == (0, None)


async def test_a_queue_of_its_own_that_is_away_does_not_hide_the_rest(client: redis.asyncio.Redis, tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"queue_url": "redis://127.0.0.1:1/0"})
    store = open_store("", tmp_path / "store.sqlite3")
    samples = scrape(await read(client, store, config))
    assert [value(samples, "redis_up", server=server) for server in ("hot", "queue")] == [1, 0]
    store.close()


def test_sign_ins_and_their_refusals_are_counted(site: Site) -> None:
    with site.sign_in("asha") as admin, site.visitor() as guesser:
        made = admin.post("/api/auth/tokens", json={"label": "prometheus", "scopes": ["read"]}).json()
        assert post_login(guesser, "asha", "a guess").status_code == 401
        deadline_s = time.monotonic() + 60
        while True:
            answer = guesser.get("/metrics", headers={"Authorization": f"Bearer {made['token']}"})
            told = {(name, dict(labels).get("reason", "")): count for (name, labels), count in samples_of(answer.text).items()}
            refused = told.get(("stormalert_sign_ins_refused_total", "password"), 0)
            if refused and told.get(("stormalert_sign_ins_total", "")):
                break
            # The dashboard beats every two seconds.
            assert time.monotonic() < deadline_s, answer.text
            time.sleep(0.2)
    assert refused == 1
