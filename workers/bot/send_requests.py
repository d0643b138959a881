"""Runs errands: sends a code, a test message or a notice to one channel, and says what became of it."""

import asyncio
import logging
import os
import socket
import time
from collections.abc import Mapping
from typing import Any

from redis import Redis as ThreadRedis
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from stormalert.errors import DeliveryError, InputError, Permanent, Retryable, StormError
from stormalert.model import Channel, ChannelKind
from stormalert.notify import send_requests
from stormalert.notify.linking import Linking
from stormalert.notify.send_requests import SendKind, SendResult, SendState
from stormalert.process import REDIS_ERRORS
from stormalert.redis import keys
from stormalert.redis.streams import written_ms
from stormalert.store import Store
from stormalert.units import SECOND_MS, now_ms
from workers import post
from workers.channels import Sender
from workers.limits import Limits
from workers.markers import Marks
from workers.notices import Incident
from workers.render import Message

log = logging.getLogger("stormalert")

# Below redis-py's socket time-out, and as long as stopping may take.
BLOCK_MS = 1_000
AWAY_S = 0.5
# Longer than an errand may take, so that only a dead process's errands are taken over.
CLAIM_IDLE_MS = 60_000
CLAIM_EVERY_S = 10.0
# Somebody waits before the screen: not long, then they are told.
AGAIN_MAX_S = 10.0
TRIES = 2
# After this nobody waits any more.
USEFUL_MS = send_requests.KEPT_S * SECOND_MS
# A notice that waited so long may be over.
LATE_MS = 30_000
# For providers that keep a message until the phone is reachable.
NOTICE_USEFUL_S = 3_600

Entry = tuple[str, dict[str, str]]


class SendRequests:
    def __init__(
        self,
        client: Redis,
        thread_client: ThreadRedis,
        store: Store,
        links: Linking,
        channels: Mapping[ChannelKind, Sender],
        limits: Limits,
    ) -> None:
        self._client = client
        self._thread_client = thread_client
        self._store = store
        self._links = links
        self._channels = channels
        self._limits = limits
        self._marks = Marks(client)
        self._name = f"{socket.gethostname()}-{os.getpid()}"
        self._has_group = False
        self._claimed_s = float("-inf")
        self.done = 0

    async def run_until(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            try:
                entries = await self._left_behind() or await self._unread()
                # Together: a provider that does not answer holds up no other.
                await asyncio.gather(*(self._finish(entry_id, fields) for entry_id, fields in entries))
            except REDIS_ERRORS as error:
                # Somebody emptied the server.
                self._has_group &= "NOGROUP" not in str(error)
                log.debug("redis is away", extra={"reason": type(error).__name__})
                await asyncio.sleep(AWAY_S)

    async def _finish(self, entry_id: str, fields: dict[str, str]) -> None:
        try:
            await self._run(entry_id, fields)
            await self._client.xack(keys.ERRANDS, keys.ERRANDS_GROUP, entry_id)
        except StormError as error:
            # Not acknowledged, it is claimed and tried again, as what a dead process had in its hands.
            log.info("notice put off", extra={"channel": fields.get("channel", ""), "reason": str(error)})
        except REDIS_ERRORS as error:
            log.debug("redis is away", extra={"reason": type(error).__name__})

    async def _run(self, entry_id: str, fields: dict[str, str]) -> None:
        """Raises StormError for a notice that may go out later: nobody waits before a screen for it."""
        errand = fields.get("errand", "")
        kind = fields.get("kind", "")
        try:
            age_ms = now_ms() - written_ms(entry_id)
            if age_ms > USEFUL_MS:
                raise InputError("nobody ran it in time")
            if kind == SendKind.NOTICE and age_ms > LATE_MS and await self._is_over(fields):
                raise InputError("it was over before it could be told")
            await self._send(SendKind(kind), fields)
            outcome = SendResult(SendState.SENT)
        except (StormError, ValueError) as error:
            if kind == SendKind.NOTICE and isinstance(error, StormError) and not isinstance(error, Permanent | InputError):
                raise
            outcome = SendResult(SendState.FAILED, str(error))
            log.warning("errand failed", extra={"errand": errand or fields.get("notice", ""), "reason": str(error)})
        if errand:
            await asyncio.to_thread(send_requests.settle, self._thread_client, errand, outcome)
        self.done += 1

    async def _send(self, kind: SendKind, fields: dict[str, str]) -> None:
        channel = await asyncio.to_thread(self._store.channel, fields.get("channel", ""))
        if channel is None:
            raise InputError("the channel was removed")
        if kind is SendKind.NOTICE:
            await self._notify(channel, fields)
            return
        if kind is SendKind.TEST and not channel.is_verified:
            raise InputError("the channel is not verified")
        if kind is SendKind.CODE and channel.is_verified:
            raise InputError("the channel is verified already")
        # Made here and now, so that it is in no stream and no job.
        code = await asyncio.to_thread(self._links.make_code, channel) if kind is SendKind.CODE else ""
        await self._deliver(channel, _code_message(channel, code) if code else _test_message(channel))

    async def _is_over(self, fields: dict[str, str]) -> bool:
        """Of a notice that waited: what it tells came to its end, which was told by itself."""
        incident = fields.get("incident")
        if not incident:
            return False
        known = Incident.read(incident, str(await self._client.hget(keys.NOTICES, incident)))
        return known is None or known.id != fields.get("notice")

    async def _notify(self, channel: Channel, fields: dict[str, str]) -> None:
        message = _notice_message(channel, fields)
        async with self._limits.at_once(channel.kind, channel.address):
            # It was asked for twice when who asked died before it had noted so.
            if not channel.takes_alerts or not await self._marks.claim(message.delivery):
                return
            try:
                provider_id = await post.send(self._channels, channel.kind, channel.address, message)
            except DeliveryError:
                await self._marks.release(message.delivery)
                raise
            await self._marks.mark_sent(message.delivery, provider_id)

    async def _deliver(self, channel: Channel, message: Message) -> None:
        for tries_left in reversed(range(TRIES)):
            try:
                async with self._limits.at_once(channel.kind, channel.address):
                    await post.send(self._channels, channel.kind, channel.address, message)
                return
            except Retryable as error:
                if not tries_left or (error.after_s or 0) > AGAIN_MAX_S:
                    raise
                await asyncio.sleep(error.after_s or 1.0)

    async def _unread(self) -> list[Entry]:
        if not self._has_group:
            await self._make_group()
        found: Any = await self._client.xreadgroup(
            keys.ERRANDS_GROUP, self._name, {keys.ERRANDS: ">"}, count=10, block=BLOCK_MS
        )
        return [entry for _stream, entries in found for entry in entries]

    async def _left_behind(self) -> list[Entry]:
        """What a dead process had in its hands."""
        if not self._has_group or time.monotonic() - self._claimed_s < CLAIM_EVERY_S:
            return []
        self._claimed_s = time.monotonic()
        claimed = await self._client.xautoclaim(keys.ERRANDS, keys.ERRANDS_GROUP, self._name, CLAIM_IDLE_MS, count=10)
        entries: list[Entry] = claimed[1]
        return entries

    async def _make_group(self) -> None:
        try:
            await self._client.xgroup_create(keys.ERRANDS, keys.ERRANDS_GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise
        self._has_group = True


def _code_message(channel: Channel, code: str) -> Message:
    return Message(
        f"code-{channel.id}-{now_ms()}",
        f"Your StormAlert code is {code}",
        "It is good for 10 minutes. Enter it in StormAlert under Channels. If you did not ask for it, ignore this.",
        useful_s=600,
        channel=channel.id,
    )


def _notice_message(channel: Channel, fields: dict[str, str]) -> Message:
    delivery = f"{fields.get('notice', 'notice')}-{channel.id}"
    headline, details = fields.get("headline", ""), fields.get("details", "")
    is_silent = fields.get("silent") == "1"
    return Message(delivery, headline, details, useful_s=NOTICE_USEFUL_S, channel=channel.id, gap="\n", is_silent=is_silent)


def _test_message(channel: Channel) -> Message:
    details = "You asked for it in StormAlert; your alerts come the same way."
    return Message(f"test-{channel.id}-{now_ms()}", "This is a test.", details, useful_s=600, channel=channel.id)
