from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from stormalert import process, settings
from stormalert.model import Alert
from stormalert.units import HOUR_MS
from workers.quota import Quota


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with process.connect(redis_url) as client:
        yield client


@pytest.fixture
def quota(redis: Redis) -> Quota:
    return Quota(redis, settings.parse({"STORM_ALERTS_PER_HOUR": "2"}))


def fired(alert: Alert, *times_ms: int, user: str = "user1") -> list[tuple[Alert, int]]:
    return [(alert.model_copy(update={"id": f"{user}-{at_ms}", "user": user}), at_ms) for at_ms in times_ms]


async def test_what_a_user_is_sent_in_any_hour_has_an_end(quota: Quota, alert: Alert) -> None:
    assert await quota.over(fired(alert, 1, 2, 3)) == {"user1-3"}
    assert await quota.over(fired(alert, HOUR_MS)) == {f"user1-{HOUR_MS}"}
    assert await quota.over(fired(alert, HOUR_MS + 1)) == set()


async def test_asked_again_the_answer_is_the_same(quota: Quota, alert: Alert) -> None:
    for _ in range(2):
        assert await quota.over(fired(alert, 1, 2, 3)) == {"user1-3"}


async def test_each_user_has_an_hour_of_its_own(quota: Quota, alert: Alert) -> None:
    await quota.over(fired(alert, 1, 2, 3))
    assert await quota.over(fired(alert, 4, user="user2")) == set()
