from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis import Redis as SyncRedis
from redis.asyncio import Redis

from stormalert import process
from stormalert.config import policy, settings
from stormalert.config.policy import Plan, Policy
from stormalert.model import Alert
from stormalert.notify.preferences import Burst
from stormalert.store import open_store
from stormalert.units import HOUR_MS
from tests.store.records import a_channel, a_user, an_alert
from workers.digest import Why
from workers.fanout import Fanout, Share
from workers.queues import open_queue
from workers.quota import Quota


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with process.connect(redis_url) as client:
        yield client


@pytest.fixture
def quota(redis: Redis) -> Quota:
    return Quota(redis)


def fired(alert: Alert, *times_ms: int, user: str = "user1") -> list[tuple[Alert, int]]:
    return [(alert.model_copy(update={"id": f"{user}-{at_ms}", "user": user}), at_ms) for at_ms in times_ms]


async def over(quota: Quota, fired: list[tuple[Alert, int]], most: int = 100, within_s: int = 1) -> dict[str, Why]:
    return await quota.over(fired, {alert.user: Share(Burst(most=most, within_s=within_s), per_hour=2) for alert, _ in fired})


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


def test_each_user_has_the_share_of_their_plan_and_one_who_is_off_has_none(redis_url: str, tmp_path: Path) -> None:
    store = open_store("", tmp_path / "store.sqlite3")
    policy.save(store, Policy(plans={"standard": Plan(), "pro": Plan(alerts_per_hour=500)}))
    for user_id, fields in (("u1", {}), ("u2", {"plan": "pro"}), ("u3", {"is_off": True})):
        store.save_user(a_user(user_id, user_id, **fields))
        store.save_channel(a_channel(f"c{user_id}", user=user_id))
    queue = open_queue(SyncRedis.from_url(redis_url))
    fanout = Fanout(store, queue, settings.parse({"STORM_ALERTS_PER_HOUR": "7"}))
    shares = fanout.shares(["u1", "u2", "u3", "nobody"])
    assert [shares[user].per_hour for user in ("u1", "u2", "u3", "nobody")] == [7, 500, 7, 7]
    assert [shares[user].takes_alerts for user in ("u1", "u2", "u3")] == [True, True, False]
    fanout.dispatch([(an_alert(f"a{user}", user=user), 1) for user in ("u1", "u3")])
    assert [job for job in queue.job_ids] == ["au1-cu1"]
    assert store.alert("au3") and store.deliveries_of("au3") == []
    store.close()
