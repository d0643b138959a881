from pathlib import Path

import pytest
from redis.asyncio import Redis

from evaluator.rule_sync import RuleSync
from stormalert import process
from stormalert.errors import StoreError
from stormalert.model import Instrument, Kind, Repeat, Rule, RuleState
from stormalert.redis import keys
from stormalert.redis.keys import Shard
from stormalert.redis.streams import read_alert
from stormalert.rules.engine import read_armed
from stormalert.store import Store, open_store
from tests.evaluator.test_pump import append, evaluate, ticks
from tests.store.away import away

SHARD = Shard("s0")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = open_store("", tmp_path / "store.sqlite3")
    store.save_instruments([Instrument(token=token, symbol=f"NSE:S{token}") for token in range(1, 5)])
    store.save_watchlist("u", [1, 2])
    return store


def on_watchlist(**fields: object) -> Rule:
    usual = {"id": "w", "user": "u", "token": 0, "symbol": "My watchlist", "kind": Kind.ROLLING, "direction": "both"}
    return Rule.model_validate(usual | {"percent_e2": 200, "window_ms": 60_000} | fields)


async def states(redis: Redis) -> dict[int, str]:
    """State of the rule by token, for those that the engine knows."""
    found = {token: read_armed(await redis.hgetall(SHARD.rule(f"w_{token}"))) for token in range(1, 5)}  # type: ignore[arg-type]
    return {token: armed.state for token, armed in found.items() if armed}


async def test_a_watchlists_rule_is_armed_on_each_of_its_instruments_and_fires_on_each(redis_url: str, store: Store) -> None:
    async with process.connect(redis_url) as redis:
        store.save_rule(on_watchlist())
        assert await RuleSync(redis, store, 1).bring_over() == 2
        await append(redis, ticks(100, 102))
        await append(redis, [tick._replace(token=2) for tick in ticks(100, 98)])
        await append(redis, [tick._replace(token=3) for tick in ticks(100, 90)])
        await evaluate(redis)
        alerts = [read_alert(entry) for _, entry in await redis.xrange(SHARD.alerts)]  # type: ignore[arg-type]
        assert [(it.rule, it.symbol, it.direction) for it in alerts] == [("w_1", "NSE:S1", "up"), ("w_2", "NSE:S2", "down")]
        assert await states(redis) == {1: "cooling", 2: "cooling"}


async def test_the_rule_follows_the_watchlist_without_touching_what_stays(redis_url: str, store: Store) -> None:
    async with process.connect(redis_url) as redis:
        rule_sync = RuleSync(redis, store, 1)
        store.save_rule(on_watchlist())
        await rule_sync.bring_over()
        await append(redis, [tick._replace(token=2) for tick in ticks(100, 98)])
        await evaluate(redis)
        store.save_watchlist("u", [2, 3])
        assert await rule_sync.bring_over() == 2
        assert await states(redis) == {2: "cooling", 3: "armed"}
        assert await redis.smembers(keys.spread("w")) == {"2", "3"}
        assert await rule_sync.bring_over() == 0


async def test_a_change_on_whose_way_the_store_fails_is_brought_over_when_it_is_back(
    redis_url: str, store: Store, tmp_path: Path
) -> None:
    async with process.connect(redis_url) as redis:
        rule_sync = RuleSync(redis, store, 1)
        store.save_rule(on_watchlist())
        await rule_sync.bring_over()
        store.save_watchlist("u", [2, 3])
        with away(tmp_path / "store.sqlite3", "instruments"), pytest.raises(StoreError):
            await rule_sync.bring_over()
        assert await rule_sync.bring_over() == 2
        assert await states(redis) == {2: "armed", 3: "armed"}


async def test_what_left_the_watchlist_while_no_evaluator_ran_is_disarmed(redis_url: str, store: Store) -> None:
    async with process.connect(redis_url) as redis:
        store.save_rule(on_watchlist())
        await RuleSync(redis, store, 1).bring_over()
        store.save_watchlist("u", [2])
        await RuleSync(redis, store, 1).bring_over()
        assert await states(redis) == {2: "armed"}


async def test_it_is_changed_paused_and_deleted_as_one(redis_url: str, store: Store) -> None:
    async with process.connect(redis_url) as redis:
        rule_sync = RuleSync(redis, store, 1)
        rule = store.save_rule(on_watchlist())
        await rule_sync.bring_over()
        rule = store.save_rule(rule.model_copy(update={"percent_e2": 300}))
        assert await rule_sync.bring_over() == 2
        assert await redis.hget(SHARD.rule("w_2"), "rule") == "2 both 3% 1m u 2"
        rule = store.save_rule(rule.model_copy(update={"state": RuleState.PAUSED}))
        await rule_sync.bring_over()
        assert await states(redis) == {1: "paused", 2: "paused"}
        store.save_rule(rule.model_copy(update={"state": RuleState.DELETED}))
        await rule_sync.bring_over()
        assert await states(redis) == {}
        assert not await redis.exists(keys.spread("w"))


async def test_a_redis_that_was_emptied_repeats_no_alert_of_it(redis_url: str, store: Store) -> None:
    async with process.connect(redis_url) as redis:
        rule_sync = RuleSync(redis, store, 1)
        store.save_rule(on_watchlist(repeat=Repeat.ONCE))
        await rule_sync.bring_over()
        await append(redis, ticks(100, 102))
        await evaluate(redis)
        for _, entry in await redis.xrange(SHARD.alerts):
            store.record_alert(read_alert(entry))  # type: ignore[arg-type]
        await redis.flushall()
        await rule_sync.bring_over()
        assert await states(redis) == {2: "armed"}


def test_a_level_makes_no_sense_on_a_watchlist() -> None:
    with pytest.raises(ValueError, match="a level rule is not on a watchlist"):
        on_watchlist(kind=Kind.LEVEL, percent_e2=0, price_e4=1, window_ms=0)
