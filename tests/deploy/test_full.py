"""A Redis whose memory is used up: it is told, nothing ends, and once it has room again nothing was lost or comes twice."""

from typing import cast

import pytest
import redis

from stormalert import keys
from stormalert.process import ALIVE_MS
from stormalert.units import now_ms
from tests.e2e import accounts
from tests.e2e.product import Product
from workers.bot.full import HEADLINE

MB = 1_000_000


@pytest.mark.e2e
def test_a_full_redis_is_told_and_costs_nothing_but_time(run: Product) -> None:
    pids = run.pids()
    with run.redis() as client:
        client.config_set("maxmemory", int(client.info("memory")["used_memory"]) - MB)
        run.wait_until(lambda: HEADLINE in " ".join(str(it["text"]) for it in run.outbox()), 60, "no admin was told")
        # Nobody can beat any more: it has been full for long enough to end what cannot bear it.
        run.wait_until(lambda: not beating(client), 60, "somebody beats")
        assert run.pids() == pids
        before = len(accounts.stream_alerts(run))
        client.config_set("maxmemory", 0)
        run.wait_until(lambda: {beat.split(":")[2] for beat in beating(client)} >= {"ingest", "worker", "bot"}, 60, "no beats")
        run.wait_until(lambda: len(accounts.stream_alerts(run)) > before, 60, "no alert")
    accounts.pause_all_rules(run)
    drawn_up = accounts.draw_up(run)
    assert run.pids() == pids
    assert drawn_up.unsent == []
    assert drawn_up.missing == []
    assert drawn_up.repeated_ids == []
    # E-mails and webhooks have the delivery's own id, whoever sends them.
    assert [key for key, count in drawn_up.messages.items() if count > 1] == []


def beating(client: redis.Redis) -> list[str]:
    return cast(list[str], client.zrangebyscore(keys.BEATS, now_ms() - ALIVE_MS, "+inf"))
