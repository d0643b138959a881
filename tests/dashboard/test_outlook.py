"""What the relay remembers of an instrument ends when nobody looks at it any more."""

import pytest

from dashboard.relay import outlook
from dashboard.relay.outlook import Outlook, Trends
from stormalert.process import connect
from stormalert.redis.keys import Shard
from stormalert.rules import engine
from stormalert.units import now_ms
from tests.store.records import INFY, a_rule

SHARD = Shard("s0")


async def test_what_nobody_saw_for_a_while_is_not_told_from_memory(redis_url: str) -> None:
    async with connect(redis_url) as client:
        await engine.arm(SHARD, a_rule(user="mina")).run(client)
        await client.xadd(SHARD.ticks, {"token": INFY, "price": "100.00", "time": 1_000})
        await engine.evaluate(SHARD, count=10, hold_ms=100, burst=10).run(client)
        triggers = Outlook(client, 1)
        await triggers.look({INFY})
        assert [side for side, _, _ in triggers.of("mina", [INFY])[INFY]] == ["down", "up"]
        assert await triggers.look(set()) == {}
        assert triggers.of("mina", [INFY]) == {}


async def test_trends_are_read_anew_and_only_those_that_are_asked_for_are_kept(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connect(redis_url) as client:
        await client.xadd(SHARD.bars(INFY), {"close": "1.50"}, id="60000-0")
        trends = Trends(client, 1)
        assert await trends.of([INFY, 1, 2]) == {INFY: [1.5]}
        await client.xadd(SHARD.bars(INFY), {"close": "2.50"}, id="120000-0")
        assert await trends.of([INFY]) == {INFY: [1.5]}
        monkeypatch.setattr(outlook, "now_ms", lambda: now_ms() + 2 * outlook.TREND_GOOD_MS)
        assert await trends.of([INFY]) == {INFY: [1.5, 2.5]}
        assert set(trends._found) == {INFY}
