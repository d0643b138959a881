"""`python -m workers dispatch`: makes deliveries and jobs of alerts, and sees to it that none is left lying."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial

from redis import Redis

from stormalert import process
from stormalert.config.settings import Settings
from stormalert.errors import StoreError
from stormalert.outage import Outage
from stormalert.redis.keys import all_shards
from stormalert.store import Store
from workers.fanout import Fanout
from workers.pipeline.threads import in_thread
from workers.queues import counts, open_digests, open_queue, open_scheduler
from workers.quota import Quota
from workers.reader import Reader
from workers.retention import FORGET_EVERY_S, Retention
from workers.sweep import Sweeper

log = logging.getLogger("stormalert")

SCHEDULE_S = 0.25
SWEEP_S = 2.0
FACTS_S = 2.0


def run() -> None:
    process.run("dispatch", main)


async def main(config: Settings, stopping: asyncio.Event) -> None:
    if store := await process.store_when_there(config, stopping):
        await _dispatch(config, store, stopping)


async def _dispatch(config: Settings, store: Store, stopping: asyncio.Event) -> None:
    client = process.connect(config.redis_url)
    heartbeat = process.Heartbeat("dispatch", client, config.beat_path)
    queue_client, plain_client = Redis.from_url(config.rq_url), process.connect_in_thread(config.redis_url)
    queue, digests, scheduler = open_queue(queue_client), open_digests(queue_client), open_scheduler(queue_client)
    quota = Quota(client)
    readers = [Reader(shard, client, Fanout(store, queue, config), quota) for shard in all_shards(config.shards)]
    retention = Retention(store, config)
    sweeper = Sweeper(store, queue, digests, plain_client)

    async def facts() -> None:
        heartbeat.stats |= await asyncio.to_thread(counts, queue)
        heartbeat.stats |= {"alerts": sum(reader.alerts for reader in readers), "swept": sweeper.swept}
        heartbeat.stats |= {"refused": sum(reader.refused for reader in readers)}
        heartbeat.stats |= {"behind": sum([await reader.behind() for reader in readers])}

    try:
        async with process.Tasks(stopping) as tasks:
            for reader in readers:
                tasks.create_task(reader.run_until(stopping))
            # What may wait for the store has other threads than what does not.
            for name, chore, period_s in (
                ("sweep", partial(in_thread, sweeper.sweep), SWEEP_S),
                ("schedule", partial(asyncio.to_thread, scheduler.enqueue_scheduled_jobs), SCHEDULE_S),
                ("retention", partial(in_thread, retention.forget), FORGET_EVERY_S),
                ("facts", facts, FACTS_S),
            ):
                tasks.create_task(repeat_until(stopping, period_s, chore, name))
            tasks.create_task(heartbeat.beat_until(stopping))
    finally:
        await client.aclose()
        for each in (queue_client, plain_client, store):
            each.close()


async def repeat_until(stopping: asyncio.Event, period_s: float, chore: Callable[[], Awaitable[object]], name: str) -> None:
    """Does the chore every so often; what it misses because a server is away, or because it broke, it does the next time."""
    away, is_broken = Outage("store", chore=name), False
    while not stopping.is_set():
        try:
            await chore()
        except process.UNREACHABLE as error:
            log.debug("redis is away", extra={"reason": type(error).__name__})
        except StoreError as error:
            away.begin(str(error))
        except Exception:  # boundary: no alert waits because something else broke
            if not is_broken:
                log.exception("chore broke", extra={"chore": name})
            is_broken = True
        else:
            away.end()
            is_broken = False
        await process.sleep_unless(stopping, period_s)
