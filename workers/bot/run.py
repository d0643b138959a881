"""`python -m workers bot`: wires the send requests, the watch and, where there is a bot, its polling or its webhook."""

import asyncio
import logging
import os
import socket
from contextlib import AsyncExitStack
from functools import partial

import uvloop
from redis.asyncio import Redis

from stormalert import process
from stormalert.access import security
from stormalert.config import overrides
from stormalert.config.settings import Settings
from stormalert.notify.linking import Linking
from stormalert.process import REDIS_ERRORS
from stormalert.redis import keys
from stormalert.store import open_store_late
from stormalert.units import now_ms
from workers.bot import polling
from workers.bot.full import Full
from workers.bot.last_known import LastKnown, kept_overrides
from workers.bot.polling import Lock, Poller
from workers.bot.send_requests import PATIENCE, SendRequests
from workers.bot.talk import App, Talk
from workers.bot.watch import HealthWatch
from workers.bot.webhook import Webhook
from workers.channels import open_channels
from workers.limits import Limits
from workers.names import NamingLoop
from workers.pipeline.counters import Counters
from workers.pipeline.requested import RequestCollector
from workers.pipeline.send import open_sending

log = logging.getLogger("stormalert")

FACTS_S = 2.0
SOON_S = 0.5


def run() -> None:
    run_loop = partial(uvloop.run, loop_factory=NamingLoop)
    process.run("bot", main, run_loop, follows=overrides.CHANNELS, last_known=kept_overrides)


async def main(config: Settings, stopping: asyncio.Event) -> None:
    client = process.connect(config.redis_url)
    heartbeat = process.Heartbeat("bot", client, config.beat_path)
    async with AsyncExitStack() as closing:
        closing.push_async_callback(client.aclose)
        thread_client = process.connect_in_thread(config.redis_url)
        closing.callback(thread_client.close)
        store = open_store_late(config.mongodb_uri, config.sqlite_path)
        closing.callback(store.close)
        channels = await open_channels(config)
        for sender in channels.values():
            closing.push_async_callback(sender.close)
        links = Linking(thread_client, config)
        limits = Limits(client, config)
        last_known = LastKnown(thread_client, store, config)
        collector = RequestCollector(thread_client, store, links, now_ms, last_known.channel)
        sending = open_sending(client, thread_client, store, limits, channels, PATIENCE, Counters())
        requests = SendRequests(client, thread_client, collector, sending)
        owner = f"{socket.gethostname()}-{os.getpid()}-{security.new_id()[:6]}"
        watch = HealthWatch(client, thread_client, store, config, owner, Full(client, last_known, channels), last_known)
        talk = Talk(store, thread_client, links, limits)
        async with process.Tasks(stopping) as tasks:
            tasks.create_task(heartbeat.beat_until(stopping))
            tasks.create_task(requests.run_until(stopping))
            tasks.create_task(watch.run_until(stopping))
            if config.telegram_bot_token.get_secret_value():
                tasks.create_task(_listen(config, talk, Lock(client, owner), client, heartbeat, stopping))
            else:
                heartbeat.stats |= {"telegram": "off"}
                log.info("no telegram bot: TELEGRAM_BOT_TOKEN is not set; send requests only")
            tasks.create_task(_facts(heartbeat, requests, talk, stopping))


async def _listen(
    config: Settings, talk: Talk, lock: Lock, client: Redis, heartbeat: process.Heartbeat, stopping: asyncio.Event
) -> None:
    application = talk.application(config)
    heartbeat.stats |= {"telegram": "connecting"}
    try:
        if not await polling.initialize(application, stopping):
            return
        if config.telegram_webhook_url:
            webhook = Webhook(application, config)
            heartbeat.stats |= {"telegram": "webhook"}
            async with process.Tasks(stopping) as tasks:
                tasks.create_task(webhook.run_until(stopping))
                tasks.create_task(_tell_name(application, client, stopping, None))
            return
        poller = Poller(application, lock)
        heartbeat.stats |= {"telegram": "polling"}
        async with process.Tasks(stopping) as tasks:
            tasks.create_task(poller.run_until(stopping))
            tasks.create_task(_tell_name(application, client, stopping, poller))
    finally:
        await application.shutdown()
        # Also when it was never initialized.
        await application.bot.shutdown()


async def _tell_name(application: App, client: Redis, stopping: asyncio.Event, poller: Poller | None) -> None:
    """For the links that the dashboard shows: there as long as somebody listens."""
    tell = partial(client.set, keys.BOT_NAME, application.bot.username, ex=keys.BOT_NAME.kept_s)
    while not stopping.is_set():
        is_listening = poller is None or poller.is_polling
        if is_listening:
            try:
                await tell()
            except REDIS_ERRORS as error:
                log.debug("name not told", extra={"reason": type(error).__name__})
        await process.sleep_unless(stopping, keys.BOT_NAME.kept_s / 6 if is_listening else SOON_S)


async def _facts(heartbeat: process.Heartbeat, requests: SendRequests, talk: Talk, stopping: asyncio.Event) -> None:
    while not stopping.is_set():
        heartbeat.stats |= {"errands": requests.done, **talk.counts}
        await process.sleep_unless(stopping, FACTS_S)
