"""The same code on a Redis Cluster of three nodes, instruments spread over eight shards."""

import asyncio
import gc
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from dashboard.accounts import throttle
from dashboard.system.status import read_status
from evaluator.pump import Pump
from evaluator.rule_sync import RuleSync
from ingest.publish import Publisher
from ops.doctor import servers
from ops.doctor.case import Case
from stormalert import process
from stormalert.config.settings import parse
from stormalert.errors import SettingsError
from stormalert.health.facts import HOT
from stormalert.health.finding import Level
from stormalert.health.reading import read_facts, read_more
from stormalert.model import Alert, Channel, ChannelKind, Direction, Kind, Repeat, Rule, RuleState, Tick
from stormalert.notify import send_requests
from stormalert.notify.linking import Linking
from stormalert.notify.preferences import Burst
from stormalert.notify.send_requests import SendKind, SendResult, SendState
from stormalert.process import Heartbeat
from stormalert.redis import keys
from stormalert.redis.keys import FEED, Shard, all_shards, shard_of
from stormalert.redis.streams import read_alert
from stormalert.rules import engine
from stormalert.rules.engine import read_armed
from stormalert.store import Store, open_store
from stormalert.units import now_ms
from tests.cluster.conftest import Cluster, wait_until
from tests.evaluator.oracle import Expected, expected_alerts
from tests.evaluator.test_engine import make_rule
from workers.bot.numbers import Numbers
from workers.bot.polling import Lock
from workers.bot.send_requests import PATIENCE, SendRequests
from workers.fanout import Share
from workers.limits import Limits, Permit, Priority
from workers.pipeline.counters import Counters
from workers.pipeline.dedup import DedupMarkers
from workers.pipeline.requested import RequestCollector
from workers.pipeline.send import open_sending
from workers.quota import Quota

# redis-py leaves connections of a node that went away to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

SHARDS = 8
TOKENS = range(1, 25)
PUMPS = 3


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """While those warnings are still filtered."""
    yield
    gc.collect()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store("", tmp_path / "store.sqlite3")


@asynccontextmanager
async def publishing(redis: Redis) -> AsyncIterator[Publisher]:
    stopping = asyncio.Event()
    publisher = Publisher(redis, SHARDS, on_gap=print)
    running = asyncio.create_task(publisher.run_until(stopping))
    try:
        yield publisher
    finally:
        stopping.set()
        await running


@asynccontextmanager
async def pumping(redis: Redis) -> AsyncIterator[None]:
    """Several pumps on every shard."""
    stopping = asyncio.Event()
    pumps = [Pump(redis, shard, lambda *told: None) for shard in all_shards(SHARDS) for _ in range(PUMPS)]
    running = [asyncio.create_task(pump.run_until(stopping)) for pump in pumps]
    try:
        yield
    finally:
        stopping.set()
        await asyncio.gather(*running)


def a_market(count: int, seed: int) -> list[Tick]:
    dice = random.Random(seed)
    prices_e4, time_ms, ticks = dict.fromkeys(TOKENS, 1_000_000), 1_000_000, []
    for _ in range(count):
        token = dice.choice(TOKENS)
        prices_e4[token] += dice.choice([-2, -1, -1, 0, 1, 1, 2]) * 2_500
        time_ms += dice.choice([0, 50, 200])
        ticks.append(Tick(token, prices_e4[token], time_ms))
    return ticks


def some_rules(count: int, seed: int) -> list[Rule]:
    dice = random.Random(seed)
    return [
        make_rule(
            f"r{place:03d}",
            revision=0,
            token=dice.choice(TOKENS),
            kind=dice.choice([Kind.ROLLING, Kind.TRAILING]),
            direction=dice.choice(list(Direction)),
            percent_e2=dice.randint(20, 150),
            window_ms=dice.choice([5_000, 60_000]),
            repeat=dice.choice(list(Repeat)),
        )
        for place in range(count)
    ]


async def settled(redis: Redis, count: int) -> list[Expected]:
    """All alerts by time and rule, once the engine has read so many ticks."""
    async with asyncio.timeout(180):
        while True:
            try:
                read = sum([await entries_read(redis, shard.ticks) for shard in all_shards(SHARDS)])
            except process.UNREACHABLE:
                read = 0
            if read == count:
                break
            await asyncio.sleep(0.05)
    entries = [entry for shard in all_shards(SHARDS) for _, entry in await redis.xrange(shard.alerts)]
    alerts = [read_alert(entry) for entry in entries]  # type: ignore[arg-type]
    assert len({alert.id for alert in alerts}) == len(alerts)
    return sorted(Expected(it.time_ms, it.rule, it.direction, it.price_e4, it.reference_e4) for it in alerts)


async def entries_read(redis: Redis, stream: str) -> int:
    try:
        groups = await redis.xinfo_groups(stream)
    except ResponseError:
        return 0
    return int(groups[0]["entries-read"]) if groups else 0


def defined(ticks: Sequence[Tick], rules: Sequence[Rule]) -> list[Expected]:
    return sorted(expected_alerts(ticks, rules))


async def test_from_ingest_to_alerts_exactly_as_defined_with_several_pumps_a_shard(cluster: Cluster, store: Store) -> None:
    ticks, rules = a_market(4_000, seed=3), some_rules(200, seed=4)
    for rule in rules:
        store.save_rule(rule)
    async with process.connect(cluster.url) as redis:
        assert await RuleSync(redis, store, SHARDS).bring_over() == len(rules)
        async with publishing(redis) as publisher, pumping(redis):
            publisher.add_ticks(ticks)
            found = await settled(redis, len(ticks))
    assert found == defined(ticks, rules)
    assert len(found) > 100
    used = [node for node in cluster.nodes if any("ticks" in key for key in node.client.keys("*"))]  # type: ignore[union-attr]
    assert len(used) == len(cluster.nodes)


async def test_a_killed_node_comes_back_and_nothing_was_lost_or_repeated(cluster: Cluster, store: Store) -> None:
    ticks, rules = a_market(3_000, seed=5), some_rules(150, seed=6)
    for rule in rules:
        store.save_rule(rule)
    async with process.connect(cluster.url) as redis:
        await RuleSync(redis, store, SHARDS).bring_over()
        async with publishing(redis) as publisher, pumping(redis):
            publisher.add_ticks(ticks[:1_500])
            await settled(redis, 1_500)
            victim = cluster.node_of(shard_of(ticks[0].token, SHARDS).ticks)
            victim.kill()
            publisher.add_ticks(ticks[1_500:])
            await asyncio.to_thread(wait_until, lambda: publisher.published > 1_500)
            victim.start()
            await asyncio.to_thread(cluster.wait_until_whole)
            found = await settled(redis, len(ticks))
    assert found == defined(ticks, rules)


async def test_the_rule_sync_follows_every_change(cluster: Cluster, store: Store) -> None:
    async with process.connect(cluster.url) as redis:
        rule_sync = RuleSync(redis, store, SHARDS)
        rules = [store.save_rule(rule) for rule in some_rules(40, seed=7)]
        assert await rule_sync.bring_over() == 40
        store.save_rule(rules[0].model_copy(update={"state": RuleState.PAUSED}))
        store.save_rule(rules[1].model_copy(update={"state": RuleState.DELETED}))
        assert await rule_sync.bring_over() == 2
        found = [read_armed(await redis.hgetall(shard_of(it.token, SHARDS).rule(it.id))) for it in rules[:3]]  # type: ignore[arg-type]
    assert [armed and armed.state for armed in found] == ["paused", None, "armed"]


async def test_what_the_other_processes_ask_of_redis(cluster: Cluster) -> None:
    async with process.connect(cluster.url) as redis:
        await process.wait_for_redis(redis)
        await Heartbeat("ingest", redis).beat()
        await redis.hset(FEED, "state", "streaming")
        config = parse(
            {"STORM_REDIS_URL": cluster.url, "STORM_QUEUE_URL": "redis://127.0.0.1:1/0", "STORM_SHARDS": str(SHARDS)}
        )
        status = await read_status(redis, config)
        assert (status["feed"], status["missing"]) == ({"state": "streaming"}, ["evaluator", "dispatch", "worker"])
        subjects = [throttle.of_name("asha"), throttle.of_address("127.0.0.1")]
        assert await throttle.take_a_try(redis, subjects) == 0
        await throttle.forget(redis, subjects)
        async with redis.pubsub() as topic:
            await topic.subscribe(keys.QUOTES_TOPIC)
            await topic.get_message(timeout=30)
            await redis.publish(keys.QUOTES_TOPIC, "{}")
            message = await topic.get_message(timeout=30)
        assert message and message["data"] == "{}"
    async with process.connect(cluster.url) as client:
        markers = DedupMarkers(client)
        assert await markers.claim("d1")
        assert not await markers.claim("d1")
        await markers.mark_sent("d1", "provider-1")
        assert await markers.provider_ids(["d1", "d2"]) == {"d1": "provider-1"}
        limits = Limits(client, parse({}))
        permit = await limits.take("d1", ChannelKind.TELEGRAM, "-42", Priority.ALERT)
        assert isinstance(permit, Permit)
        await limits.settle(permit)
        assert not isinstance(await limits.take("d2", ChannelKind.TELEGRAM, "-42", Priority.ALERT), Permit)
        alert = Alert(id="r1-1", rule="r1", user="u1", token=1, symbol="NSE:A", kind=Kind.DAY, direction=Direction.UP,
                      price_e4=1, reference_e4=1, percent_e2=1, window_ms=0, time_ms=1)  # fmt: skip
        assert await Quota(client).over([(alert, 1)], {alert.user: Share(Burst(most=9, within_s=9), per_hour=60)}) == {}


async def test_metrics_and_doctor_tell_of_every_node(cluster: Cluster, store: Store) -> None:
    config = parse({"STORM_REDIS_URL": cluster.url, "STORM_QUEUE_URL": "redis://127.0.0.1:1/0", "STORM_SHARDS": str(SHARDS)})
    async with process.connect(cluster.url) as redis:
        heart = Heartbeat("ingest", redis)
        await heart.beat()
        await heart.beat()
        facts = replace(await read_facts(redis, config), **await read_more(redis, store, config))
    hot = next(server for server in facts.servers if server.role == HOT)
    assert hot.nodes is not None and len(hot.nodes) == 3 and all(info["aof_enabled"] for info in hot.nodes.values())
    assert (facts.starts, len(facts.streams)) == ({"ingest": 1}, 2 * SHARDS)
    found = list(servers.check_redis(Case(config, config, store, now_ms())))
    assert sum(each.what == "the append-only file is on" for each in found) == 3
    assert {each.part for each in found if each.level is Level.BAD} == {"queue redis"}


async def test_a_script_that_reaches_for_another_shard_is_refused(cluster: Cluster) -> None:
    text = f'#!lua\nreturn redis.call("SET", "{Shard("s1").ticks}", 1)\n'
    async with process.connect(cluster.url) as redis:
        with pytest.raises(ResponseError, match="slot"):
            await redis.eval(text, 1, Shard("s0").ticks)


async def test_a_cluster_whose_node_is_away_is_unreachable_and_no_refusal(cluster: Cluster, store: Store) -> None:
    rule = some_rules(1, seed=8)[0]
    async with process.connect(cluster.url) as redis:
        await redis.ping()
        victim = cluster.node_of(shard_of(rule.token, SHARDS).ticks)
        victim.kill()
        try:
            with pytest.raises(process.UNREACHABLE):
                await engine.evaluate(shard_of(rule.token, SHARDS), count=1, hold_ms=1, burst=1).run(redis)
        finally:
            victim.start()
            await asyncio.to_thread(cluster.wait_until_whole)


def test_a_cluster_without_a_redis_for_the_queue_is_a_problem_of_the_settings() -> None:
    with pytest.raises(SettingsError, match="STORM_QUEUE_URL: RQ cannot run on a cluster"):
        parse({"STORM_REDIS_URL": "redis+cluster://127.0.0.1:7000"})


async def test_links_codes_numbers_and_send_requests_of_the_bot(cluster: Cluster, store: Store) -> None:
    client, threads = process.connect(cluster.url), process.connect_in_thread(cluster.url)
    channel = store.save_channel(Channel(id="c1", user="u1", kind=ChannelKind.EMAIL, address="a@b.example", is_verified=False))
    links = Linking(threads, parse({"STORM_MASTER_SECRET": "m" * 32}))
    assert links.use_link(links.make_link("u1")) == "u1"
    links.check_code(channel, links.make_code(channel))
    numbers = Numbers(store, threads)
    rule = store.save_rule(make_rule("r1", Kind.DAY, 0, 200, token=1, direction=Direction.UP, revision=0))
    numbers.give("42", [rule])
    assert numbers.rule(rule.user, "42", "1") == rule
    lock = Lock(client, "first")
    assert [await lock.take(), await lock.take()] == [True, True]
    stopping = asyncio.Event()
    sending = open_sending(client, threads, store, Limits(client, parse({})), {}, PATIENCE, Counters())
    collector = RequestCollector(threads, store, links, now_ms)
    running = asyncio.create_task(SendRequests(client, threads, collector, sending).run_until(stopping))
    request = send_requests.ask(threads, SendKind.TEST, "c1")
    while send_requests.result(threads, request) == SendResult(SendState.WAITING):
        await asyncio.sleep(0.02)
    assert send_requests.result(threads, request) == SendResult(SendState.FAILED, "the channel is not verified")
    stopping.set()
    await running
    await client.aclose()
    threads.close()
