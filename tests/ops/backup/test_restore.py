"""A backup of an installation that is alive, and what becomes of it elsewhere."""

import asyncio
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from evaluator.rule_sync import RuleSync
from ops.backup import archive, make
from ops.backup.engine import read_engine
from ops.backup.restore import restore
from stormalert import process
from stormalert.access.security import Sealer
from stormalert.config.settings import Settings, parse
from stormalert.errors import InputError
from stormalert.model import DeliveryState, Direction, Kind, Repeat, Rule, RuleState, Tick
from stormalert.redis import keys
from stormalert.redis.keys import ENGINE, Shard
from stormalert.redis.streams import read_alert
from stormalert.rules.engine import read_armed
from stormalert.store import Store
from stormalert.units import HOUR_MS, now_ms
from tests.evaluator.oracle import Expected, expected_alerts
from tests.evaluator.test_changes import CLOSES_E4
from tests.evaluator.test_engine import a_long_market, make_rule
from tests.evaluator.test_pump import SHARD, append, arm, disarm, evaluate, rolling, ticks
from tests.ops.backup.conftest import MASTER
from tests.store import mongo
from tests.store.records import a_channel, a_delivery, a_mute, a_rule, a_session, a_user, an_alert, an_entry, an_instrument

PREFIX = SHARD.prefix


def backed_up(config: Settings, store: Store, source: Redis, path: Path) -> Path:
    archive.write(path, make.rows(config, store, source))
    return path


def put_back(config: Settings, store: Store, target: Redis, path: Path, *, is_forced: bool = False) -> list[str]:
    return list(restore(config, store, target, path, is_forced=is_forced))


def contents(client: Redis, names: Iterable[bytes]) -> dict[bytes, Any]:
    """Of keys by any type but streams."""
    read = {
        b"string": client.get,
        b"hash": client.hgetall,
        b"set": client.smembers,
        b"zset": lambda name: client.zrange(name, 0, -1, withscores=True),
    }
    return {name: read[client.type(name)](name) for name in names}


def engine_names(client: Redis) -> list[bytes]:
    families = (*ENGINE, Shard.instrument)
    return [name for name in client.keys(f"{PREFIX}*") if any(it.pattern.fullmatch(name.decode()) for it in families)]  # type: ignore[union-attr]


async def lively(url: str, market: Iterable[Tick], book: Iterable[Rule]) -> None:
    async with process.connect(url) as client:
        for token, close_e4 in CLOSES_E4.items():
            await client.hset(SHARD.quote(token), "close", f"{close_e4 / 10_000:.2f}")
        await arm(client, *book)
        await append(client, market)
        await evaluate(client)


async def test_every_key_of_the_engine_is_in_a_backup_whatever_the_rules(redis_url: str, source: Redis) -> None:
    market, book = a_long_market()
    resting = [
        rolling("paused", percent_e2=900),
        rolling("once", percent_e2=1, repeat=Repeat.ONCE, direction=Direction.BOTH),
        rolling("later", armed_at_ms=2**40),
        make_rule("fresh", Kind.TRAILING, 0, 5_000, token=77, direction=Direction.BOTH),
        make_rule("day", Kind.DAY, 0, 5_000, token=1, direction=Direction.BOTH),
        make_rule("level", Kind.LEVEL, 0, 0, price_e4=99_000_000, token=1, direction=Direction.BOTH),
    ]
    await lively(redis_url, market, [*book, *resting])
    async with process.connect(redis_url) as client:
        await disarm(client, resting[0].model_copy(update={"state": RuleState.PAUSED}))
    exported = {row[1] for row in read_engine(source, [SHARD])}
    assert exported == set(engine_names(source))
    assert {name.decode().removeprefix(PREFIX).split(":")[0] for name in exported} == {
        it.noun for it in (*ENGINE, Shard.instrument)
    }


async def test_a_restored_engine_goes_on_exactly_as_defined(
    redis_url: str,
    target_url: str,
    source: Redis,
    target: Redis,
    store: Store,
    other_store: Store,
    config: Settings,
    tmp_path: Path,
) -> None:
    market, book = a_long_market()
    half = len(market) // 2
    await lively(redis_url, market[:half], book)
    path = backed_up(config, store, source, tmp_path / "backup")
    before = contents(source, engine_names(source))
    put_back(config, other_store, target, path)
    assert contents(target, engine_names(target)) == before
    async with process.connect(target_url) as client:
        await append(client, market[half:])
        await evaluate(client)
        alerts = [read_alert(entry) for _, entry in await client.xrange(SHARD.alerts)]  # type: ignore[arg-type]
    found = [Expected(it.time_ms, it.rule, it.direction, it.price_e4, it.reference_e4) for it in alerts]
    assert found == list(expected_alerts(market, book))
    assert len({alert.id for alert in alerts}) == len(alerts)


async def test_an_instrument_is_whole_while_evaluators_run(
    redis_url: str,
    target_url: str,
    source: Redis,
    target: Redis,
    store: Store,
    other_store: Store,
    config: Settings,
    tmp_path: Path,
) -> None:
    """Under load: each instrument is restored as it was at one moment, and so fires as the definition says from there on."""
    market, book = a_long_market()
    async with process.connect(redis_url) as client:
        await arm(client, *book)
        stopping = threading.Event()

        def feed() -> None:
            asyncio.run(fed())

        async def fed() -> None:
            async with process.connect(redis_url) as mine:
                for start in range(0, len(market), 20):
                    await append(mine, market[start : start + 20])
                    await evaluate(mine)
                    if stopping.is_set():
                        return

        feeding = threading.Thread(target=feed)
        feeding.start()
        paths = []
        while feeding.is_alive() and len(paths) < 5:
            paths.append(await asyncio.to_thread(backed_up, config, store, source, tmp_path / f"backup{len(paths)}"))
        stopping.set()
        feeding.join()
    assert paths
    for path in paths:
        put_back(config, other_store, target, path, is_forced=True)
        async with process.connect(target_url) as client:
            known = {entry["alert"] for _, entry in await client.xrange(SHARD.alerts)}  # type: ignore[index]
            rules = {rule.id: read_armed(await client.hgetall(SHARD.rule(rule.id))) for rule in book}  # type: ignore[arg-type]
            # What is armed has not fired under that epoch; what fired is not armed.
            assert not [
                armed for rule, armed in rules.items() if armed and armed.state == "armed" and f"{rule}-{armed.epoch}" in known
            ]
            # A shock that every armed rule must notice.
            for token in {tick.token for tick in market}:
                last_ms = max(tick.time_ms for tick in market)
                await append(
                    client, [Tick(token, price_e4, last_ms + HOUR_MS) for price_e4 in (10_000_000, 100_000, 10_000_000)]
                )
            ids = await evaluate(client)
            assert len(set(ids)) == len(ids)
            fired = {read_alert(entry).rule for _, entry in await client.xrange(SHARD.alerts, min="-")}  # type: ignore[arg-type]
            assert fired >= {rule for rule, armed in rules.items() if armed and armed.state == "armed"}


async def test_a_rule_that_fired_while_the_backup_was_made_rests_and_is_not_told_again(
    redis_url: str,
    target_url: str,
    source: Redis,
    target: Redis,
    store: Store,
    other_store: Store,
    config: Settings,
    tmp_path: Path,
) -> None:
    every, once = rolling("every", cooldown_ms=HOUR_MS), rolling("once", repeat=Repeat.ONCE)
    async with process.connect(redis_url) as client:
        await arm(client, every, once)
        await append(client, ticks(100, 101))
        await evaluate(client)

    def rows() -> Iterator[archive.Row]:
        for row in make.rows(config, store, source):
            # The instrument has been read by then, and neither stream nor store.
            if row[0] == "key" and not fired:
                fire()
                fired.append(True)
            yield row

    fired: list[bool] = []

    def fire() -> None:
        asyncio.run(fire_both())

    async def fire_both() -> None:
        async with process.connect(redis_url) as mine:
            await append(mine, ticks(110, start_ms=3_000))
            await evaluate(mine)
            for _, entry in await mine.xrange(SHARD.alerts):
                store.record_alert(read_alert(entry))

    store.save_user(a_user())
    await asyncio.to_thread(archive.write, tmp_path / "backup", rows())
    assert fired
    told = put_back(config, other_store, target, tmp_path / "backup")
    assert told[-1] == "2 rules fired while the backup was made: they cool down, or are spent."
    async with process.connect(target_url) as client:
        assert await client.hgetall(SHARD.rule("every")) == {"cooling": "1", "rule": "1 up 2% 1m 1h u 1"}
        assert await client.hget(SHARD.rule("once"), "spent") == "1"
        await append(client, ticks(120, start_ms=4_000))
        assert len(await evaluate(client)) == 2
        # And after its cooldown it is there again.
        await append(client, ticks(120, 130, start_ms=3_000 + HOUR_MS))
        assert (await evaluate(client))[2:] == [f"every-{3_000 + HOUR_MS}"]


async def test_the_rule_sync_finds_nothing_to_do_after_a_restore_but_what_differs(
    redis_url: str,
    target_url: str,
    source: Redis,
    target: Redis,
    store: Store,
    other_store: Store,
    config: Settings,
    tmp_path: Path,
) -> None:
    rules = store.save_rules([rolling(name).model_copy(update={"revision": 0}) for name in ("a", "b")])
    async with process.connect(redis_url) as client:
        await RuleSync(client, store, 1).bring_over()
    path = backed_up(config, store, source, tmp_path / "backup")
    put_back(config, other_store, target, path)
    other_store.save_rule(rules[0].model_copy(update={"percent_e2": 500}))
    async with process.connect(target_url) as client:
        assert await RuleSync(client, other_store, 1).bring_over() == 1


def filled(store: Store) -> None:
    store.save_user(a_user(totp_sealed=Sealer(MASTER).seal("totp")))
    store.save_channel(a_channel())
    store.save_rules([a_rule("r1"), a_rule("r2", state=RuleState.PAUSED)])
    store.save_session(a_session())
    store.save_mute(a_mute())
    store.save_instruments([an_instrument(), an_instrument(2, "NSE:ÄB", "straße")])
    store.save_watchlist("u1", [408065, 2])
    store.save_setting("house", "{}")
    store.record_audit(an_entry())
    store.record_fired(
        [an_alert(f"r1-{n}", time_ms=n) for n in range(300)], [a_delivery(f"r1-{n}-c1", alert=f"r1-{n}") for n in range(300)]
    )


def test_one_kind_of_store_is_restored_to_the_other_and_back(
    source: Redis,
    target: Redis,
    store: Store,
    other_store: Store,
    config: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    filled(store)
    first = backed_up(config, store, source, tmp_path / "first")
    with mongo.mocked(monkeypatch) as through:
        put_back(config, through, target, first)
        assert through.counts() == store.counts()
        assert sorted(map(str, through.dump())) == sorted(map(str, store.dump()))
        # The next change of a rule is later than all before it.
        rules = through.rules_of("u1")
        changed = through.save_rule(rules[0])
        assert changed.updated_ms > max(rule.updated_ms for rule in rules)
        second = backed_up(config, through, source, tmp_path / "second")
    put_back(config, other_store, target, second)
    pages = [other_store.alerts_of("u1", limit=40)]
    while pages[-1]:
        pages.append(other_store.alerts_of("u1", (pages[-1][-1].time_ms, pages[-1][-1].id), limit=40))
    assert [alert.id for page in pages for alert in page] == [f"r1-{n}" for n in reversed(range(300))]


def test_a_message_that_went_out_while_the_store_was_read_has_its_mark(
    source: Redis, target: Redis, store: Store, other_store: Store, config: Settings, tmp_path: Path
) -> None:
    store.record_fired([an_alert()], [a_delivery()])
    rows = []
    for row in make.rows(config, store, source):
        rows.append(row)
        if row[:2] == ["record", "deliveries"]:
            source.set(keys.sent("r1-1-c1"), "provider-1", ex=3_600)
            (queued,) = store.deliveries_of("r1-1")
            store.save_delivery(queued.model_copy(update={"state": DeliveryState.SENT}))
    archive.write(tmp_path / "backup", rows)
    put_back(config, other_store, target, tmp_path / "backup")
    assert other_store.deliveries_of("r1-1")[0].state is DeliveryState.QUEUED
    assert target.get(keys.sent("r1-1-c1")) == b"provider-1"
    assert 3_000_000 < target.pttl(keys.sent("r1-1-c1")) <= 3_600_000  # type: ignore[operator]


def test_what_is_only_true_now_is_not_kept(source: Redis, store: Store, config: Settings, tmp_path: Path) -> None:
    source.xadd(SHARD.ticks, {"token": 1})
    source.set(keys.NOTICES_LOCK, "x")
    source.hset(keys.alive("ingest", "host", 1), "beat_ms", 1)
    source.set("rq:job:x", "y")
    path = backed_up(config, store, source, tmp_path / "backup")
    assert [row[1] for row in archive.rows(path) if row[0] != "record"] == []


def snapshot(store: Store, client: Redis) -> tuple[list[str], set[bytes]]:
    return sorted(map(str, store.dump())), set(client.keys("*"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        ("damage", "is damaged"),
        ("store", "this installation is not empty: the store holds 1 user, Redis 0 keys. Give --force"),
        ("redis", "this installation is not empty: the store holds nothing, Redis 1 keys. Give --force"),
        ("running", r"StormAlert runs here \(evaluator\): stop everything"),
        ("secret", "STORM_MASTER_SECRET is not the one of the installation that was backed up"),
        ("shards", "with STORM_SHARDS=1, here it is 4: set it as it was"),
    ],
)
def test_what_cannot_be_restored_is_refused_before_anything_is_written(
    source: Redis, target: Redis, store: Store, other_store: Store, config: Settings, tmp_path: Path, prepare: str, reason: str
) -> None:
    filled(store)
    source.set(keys.sent("d"), "p")
    path = backed_up(config, store, source, tmp_path / "backup")
    match prepare:
        case "damage":
            packed = path.read_bytes()
            path.write_bytes(packed[:-20] + bytes(20))
        case "store":
            other_store.save_user(a_user("u9", "mina"))
        case "redis":
            target.set(keys.sent("d9"), "p")
        case "running":
            target.zadd(keys.BEATS, {keys.alive("evaluator", "host", 1): now_ms()})
        case "secret":
            config = parse({"STORM_MASTER_SECRET": "x" * 32})
        case "shards":
            config = parse({"STORM_MASTER_SECRET": MASTER, "STORM_SHARDS": "4"})
    before = snapshot(other_store, target)
    with pytest.raises(InputError, match=reason):
        put_back(config, other_store, target, path)
    assert snapshot(other_store, target) == before


def test_with_force_a_backup_takes_the_place_of_all_that_is_there(
    source: Redis, target: Redis, store: Store, other_store: Store, config: Settings, tmp_path: Path
) -> None:
    filled(store)
    source.set(keys.sent("d"), "p")
    path = backed_up(config, store, source, tmp_path / "backup")
    other_store.save_user(a_user("u9", "mina"))
    other_store.save_rule(a_rule("r9"))
    target.set(Shard("s0").rule("r9"), "x")
    told = put_back(config, other_store, target, path, is_forced=True)
    assert "1 user, 1 session, 1 channel, 1 mute, 2 rules, 300 deliveries, 300 alerts" in told[0]
    assert snapshot(other_store, target) == snapshot(store, source)


def test_a_record_that_the_product_does_not_know_is_refused_without_its_content(
    target: Redis, other_store: Store, config: Settings, tmp_path: Path
) -> None:
    header = ["header", {"format": 1, "made_ms": 1, "shards": 1, "store": "SQLite", "seal": ""}]
    archive.write(tmp_path / "backup", [header, ["record", "users", {"id": "u1", "shoe_size": "planted"}]])
    with pytest.raises(InputError, match="one of the users cannot be read, because of name, ") as refused:
        put_back(config, other_store, target, tmp_path / "backup")
    assert "planted" not in str(refused.value)
