from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from stormalert import process, settings
from stormalert.model import Alert
from stormalert.units import HOUR_MS
from stormalert.wishes import Burst
from workers.quota import Quota
from workers.summary import Why


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with process.connect(redis_url) as client:
        yield client


@pytest.fixture
def quota(redis: Redis) -> Quota:
    return Quota(redis, settings.parse({"STORM_ALERTS_PER_HOUR": "2"}))


def fired(alert: Alert, *times_ms: int, user: str = "user1") -> list[tuple[Alert, int]]:
    return [(alert.model_copy(update={"id": f"{user}-{at_ms}", "user": user}), at_ms) for at_ms in times_ms]


async def over(quota: Quota, fired: list[tuple[Alert, int]], most: int = 100, within_s: int = 1) -> dict[str, Why]:
    return await quota.over(fired, {alert.user: Burst(most=most, within_s=within_s) for alert, _ in fired})


async def test_what_a_user_is_sent_in_any_hour_has_an_end(quota: Quota, alert: Alert) -> None:
    assert await over(quota, fired(alert, 1, 2, 3)) == {"user1-3": Why.HOUR}
    assert await over(quota, fired(alert, HOUR_MS)) == {f"user1-{HOUR_MS}": Why.HOUR}
    assert await over(quota, fired(alert, HOUR_MS + 1)) == {}


async def test_asked_again_the_answer_is_the_same(quota: Quota, alert: Alert) -> None:
    for _ in range(2):
        assert await over(quota, fired(alert, 1, 2, 3)) == {"user1-3": Why.HOUR}
    for _ in range(2):
        assert await over(quota, fired(alert, 1, 2, 3, user="user2"), most=1) == dict.fromkeys(
            ("user2-2", "user2-3"), Why.BURST
        )


async def test_each_user_has_an_hour_of_its_own(quota: Quota, alert: Alert) -> None:
    await over(quota, fired(alert, 1, 2, 3))
    assert await over(quota, fired(alert, 4, user="user2")) == {}


async def test_too_many_at_once_are_told_together_until_there_are_fewer(quota: Quota, alert: Alert) -> None:
    # Also those that are told together count: as long as it goes on, it is one burst.
    assert await over(quota, fired(alert, 0, 400, 800, 1_200, 1_600), most=2) == {
        "user1-800": Why.BURST,
        "user1-1200": Why.BURST,
        "user1-1600": Why.BURST,
    }
    assert await over(quota, fired(alert, 9_000), most=2) == {"user1-9000": Why.HOUR}
