import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

import evaluator.rule_sync
from evaluator.rule_sync import RuleSync
from stormalert import process
from stormalert.model import Direction, Kind, Repeat, Rule, RuleState
from stormalert.redis.keys import Shard
from stormalert.redis.streams import read_alert
from stormalert.rules.engine import read_armed
from stormalert.store import Store, open_store
from stormalert.units import HOUR_MS
from tests.evaluator.test_pump import append, evaluate, rolling, ticks

SHARD = Shard("s0")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store("", tmp_path / "store.sqlite3")


def new_rule(rule_id: str = "r", **fields: object) -> Rule:
    return rolling(rule_id, **fields).model_copy(update={"revision": 0})


async def state(redis: Redis, rule_id: str = "r") -> str | None:
    armed = read_armed(await redis.hgetall(SHARD.rule(rule_id)))  # type: ignore[arg-type]
    return armed.state if armed else None


async def test_rules_of_the_store_are_armed_and_follow_every_change(redis_url: str, store: Store) -> None:
    async with process.connect(redis_url) as redis:
        rule_sync = RuleSync(redis, store, 1)
        rule = store.save_rule(new_rule())
        assert await rule_sync.bring_over() == 1
        assert await state(redis) == "armed"
        rule = store.save_rule(rule.model_copy(update={"state": RuleState.PAUSED}))
        assert await rule_sync.bring_over() == 1
        assert await state(redis) == "paused"
        rule = store.save_rule(rule.model_copy(update={"state": RuleState.ACTIVE, "percent_e2": 300}))
        assert await rule_sync.bring_over() == 1
        assert await state(redis) == "armed"
        assert await redis.hget(SHARD.rule("r"), "rule") == "1 up 3% 1m 0s u 3"
        store.save_rule(rule.model_copy(update={"state": RuleState.DELETED}))
        assert await rule_sync.bring_over() == 1
        assert await state(redis) is None


async def test_a_pass_without_changes_sends_nothing(redis_url: str, store: Store) -> None:
    async with process.connect(redis_url) as redis:
        rule_sync = RuleSync(redis, store, 1)
        store.save_rule(new_rule())
        assert [await rule_sync.bring_over() for _ in range(3)] == [1, 0, 0]


async def test_a_change_that_redis_forgot_as_it_lost_power_is_brought_over_once_more(
    redis_url: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with process.connect(redis_url) as redis:
        rule_sync = RuleSync(redis, store, 1)
        monkeypatch.setattr(evaluator.rule_sync, "ON_DISK_MS", HOUR_MS)
        assert await rule_sync.bring_over() == 0
        store.save_rule(new_rule())
        assert await rule_sync.bring_over() == 1
        # All but what was on its disk before.
        await redis.delete(*[key async for key in redis.scan_iter() if key != SHARD.rule_sync])
        assert await rule_sync.bring_over() == 0
        monkeypatch.setattr(evaluator.rule_sync, "ON_DISK_MS", 0)
        assert [await rule_sync.bring_over() for _ in range(3)] == [1, 0, 0]
        assert await state(redis) == "armed"


async def test_what_another_version_of_the_engine_left_is_forgotten_and_re_armed(redis_url: str, store: Store) -> None:
    async with process.connect(redis_url) as redis:
        store.save_rule(new_rule())
        await RuleSync(redis, store, 1).bring_over()
        await append(redis, ticks(100))
        assert await evaluate(redis) == []
        await redis.set(SHARD.rule_sync, "1")
        await redis.set(f"{SHARD.prefix}state:1", "too short")
        await append(redis, ticks(100, 102, start_ms=5_000))
        with pytest.raises(ResponseError, match="too short"):
            await evaluate(redis)
        assert await RuleSync(redis, store, 1).bring_over() == 1
        assert len(await evaluate(redis)) == 1


async def test_a_second_rule_sync_changes_nothing(redis_url: str, store: Store) -> None:
    async with process.connect(redis_url) as redis:
        store.save_rule(new_rule())
        await RuleSync(redis, store, 1).bring_over()
        await append(redis, ticks(100, 102))
        before = await evaluate(redis)
        assert await RuleSync(redis, store, 1).bring_over() == 0
        assert await evaluate(redis) == before


@pytest.mark.parametrize("repeat", list(Repeat))
async def test_a_redis_that_was_emptied_is_filled_again_without_repeating_an_alert(
    redis_url: str, store: Store, repeat: Repeat
) -> None:
    async with process.connect(redis_url) as redis:
        rule_sync = RuleSync(redis, store, 1)
        store.save_rule(new_rule(repeat=repeat, cooldown_ms=60_000))
        await rule_sync.bring_over()
        await append(redis, ticks(100, 102))
        (first,) = await evaluate(redis)
        ((_, entry),) = await redis.xrange(SHARD.alerts)
        alert = read_alert(entry)
        store.record_alert(alert)
        if repeat is Repeat.ONCE:
            store.mark_spent("r", int(first.partition("-")[2]))
        await redis.flushall()
        await rule_sync.bring_over()
        await append(redis, ticks(100, 103, start_ms=3_000))
        assert await evaluate(redis) == []
        await append(redis, ticks(110, 120, start_ms=70_000))
        again = await evaluate(redis)
    assert len(again) == (0 if repeat is Repeat.ONCE else 1)
    assert first not in again


async def test_rules_lie_on_the_shard_of_their_instrument(redis_url: str, store: Store) -> None:
    for token in range(1, 21):
        store.save_rule(new_rule(f"r{token}", token=token))
    async with process.connect(redis_url) as redis:
        assert await RuleSync(redis, store, 4).bring_over() == 20
        rules = [key async for key in redis.scan_iter(Shard.rule.glob())]
        shards = {key.split(":")[1] for key in rules}
    assert len(rules) == 20
    assert len(shards) > 1


async def test_a_rule_of_the_store_reaches_the_engine_while_it_runs(redis_url: str, store: Store) -> None:
    async with process.connect(redis_url) as redis:
        stopping = asyncio.Event()
        running = asyncio.create_task(RuleSync(redis, store, 1).run_until(stopping))
        store.save_rule(new_rule(kind=Kind.TRAILING, direction=Direction.DOWN, window_ms=0))

        async def is_armed() -> bool:
            return await state(redis) == "armed"

        await until(is_armed)
        stopping.set()
        await running


async def until(condition: Callable[[], object], within_s: float = 60) -> None:
    async with asyncio.timeout(within_s):
        while not await condition():  # type: ignore[misc]
            await asyncio.sleep(0.02)
