from pathlib import Path

import pytest

from evaluator.show import show
from stormalert import process
from stormalert.errors import InputError
from stormalert.model import Direction, Instrument, Kind
from stormalert.redis.keys import Shard
from stormalert.store import Store, open_store
from tests.evaluator.test_pump import append, arm, evaluate, rolling, ticks


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = open_store("", tmp_path / "store.sqlite3")
    store.save_instruments([Instrument(token=1, symbol="NSE:INFY", name="INFOSYS")])
    return store


async def test_explains_an_instrument_with_the_nearest_rules_first(redis_url: str, store: Store) -> None:
    async with process.connect(redis_url) as redis:
        await redis.hset(Shard("s0").quote(1), "close", "98.00")
        await arm(
            redis,
            rolling("far", percent_e2=500),
            rolling("near", percent_e2=300, direction=Direction.BOTH),
            rolling("turn", kind=Kind.TRAILING, direction=Direction.DOWN, percent_e2=1_000),
            rolling("day", kind=Kind.DAY, percent_e2=1_500),
            rolling("level", kind=Kind.LEVEL, price_e4=1_020_000),
            rolling("later", armed_at_ms=99_000),
        )
        await append(redis, ticks(100, 101))
        await evaluate(redis)
        text = await show(redis, store, 1, "nse:infy")
    lines = text.splitlines()
    assert lines[0] == "NSE:INFY  INFOSYS  token 1"
    assert "101.00 at 01 Jan 05:30:02" in lines[1]
    assert "window 60s    low 100.00 high 101.00 at 01 Jan 05:30:02" in text
    assert "waiting       1 rules, the next is armed at 01 Jan 05:31:39" in text
    rules = [line.split() for line in lines[lines.index("") + 2 :]]
    assert [(row[0], row[-1]) for row in rules] == [
        ("102.00", "(level)"),
        ("103.00", "(near)"),
        ("97.97", "(near)"),
        ("105.00", "(far)"),
        ("90.90", "(turn)"),
        ("112.70", "(day)"),
    ]
    assert rules[1][1:] == ["+1.98", "%", "100.00", "up:", "both", "3%", "1m", "0s", "(near)"]


async def test_looking_changes_nothing(redis_url: str, store: Store) -> None:
    async with process.connect(redis_url) as redis:
        await arm(redis, rolling("r"), rolling("t", kind=Kind.TRAILING, direction=Direction.BOTH, percent_e2=100))
        await append(redis, ticks(100))
        await evaluate(redis)
        await arm(redis, rolling("fresh", kind=Kind.TRAILING, direction=Direction.BOTH, percent_e2=150))
        for _ in range(3):
            await show(redis, store, 1, "NSE:INFY")
        await append(redis, ticks(101, 102, 103, start_ms=2_000))
        assert [name.partition("-")[0] for name in await evaluate(redis)] == ["t", "r", "fresh", "r"]


async def test_an_instrument_without_ticks_says_so(redis_url: str, store: Store) -> None:
    async with process.connect(redis_url) as redis:
        assert "No tick" in await show(redis, store, 1, "NSE:INFY")


async def test_an_unknown_symbol_is_a_sentence(redis_url: str, store: Store) -> None:
    async with process.connect(redis_url) as redis:
        with pytest.raises(InputError, match="no instrument 'INFY'"):
            await show(redis, store, 1, "INFY")
