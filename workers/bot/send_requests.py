"""Runs send requests: each goes through the stages of the pipeline, and who asked is told what became of it."""

import asyncio
import logging
import os
import socket
import time
from dataclasses import replace
from typing import Any

from redis import Redis as ThreadRedis
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from stormalert.errors import InputError, StormError
from stormalert.model import DeliveryState
from stormalert.notify import send_requests
from stormalert.notify.send_requests import SendResult, SendState
from stormalert.process import AWAY_S, REDIS_ERRORS, UNREACHABLE, cancel
from stormalert.redis import keys
from workers.pipeline.dedup import DedupMarkers
from workers.pipeline.insist import insist
from workers.pipeline.outcome import Done, Later
from workers.pipeline.outgoing import Outgoing
from workers.pipeline.pace import Patience
from workers.pipeline.requested import RequestCollector, Requested
from workers.pipeline.send import Sending
from workers.pipeline.threads import in_thread

log = logging.getLogger("stormalert")

# Below redis-py's socket time-out, and as long as stopping may take.
BLOCK_MS = 1_000
# How many a process has in hand: a provider that does not answer holds up no other's.
HANDS = 50
# Somebody waits before the screen: not long, then they are told.
PATIENCE = Patience(turn_s=15.0, total_s=15.0)
AGAIN_MAX_S = 10.0
# Longer than two tries, their waits and the pause between them, so that only a dead process's requests are taken over.
CLAIM_IDLE_MS = 60_000
CLAIM_EVERY_S = 10.0
# For what is in hand when the process is to stop.
STOPPING_S = 10.0

Entry = tuple[str, dict[str, str]]


class SendRequests:
    def __init__(
        self,
        client: Redis,
        thread_client: ThreadRedis,
        collector: RequestCollector,
        sending: Sending,
    ) -> None:
        self._client = client
        self._thread_client = thread_client
        self._collector = collector
        self._sending = sending
        self._markers = DedupMarkers(client)
        self._name = f"{socket.gethostname()}-{os.getpid()}"
        self._has_group = False
        self._claimed_s = float("-inf")
        self._hands: dict[str, asyncio.Task[None]] = {}
        self.done = 0

    async def run_until(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            if len(self._hands) >= HANDS:
                await asyncio.wait(self._hands.values(), timeout=BLOCK_MS / 1_000, return_when=asyncio.FIRST_COMPLETED)
                continue
            try:
                entries = await self._left_behind() or await self._unread()
            except REDIS_ERRORS as error:
                if "NOGROUP" in str(error):
                    # Somebody emptied the server.
                    self._has_group = False
                elif not isinstance(error, UNREACHABLE):
                    log.error("send requests cannot be read", extra={"reason": str(error)})
                log.debug("redis is away", extra={"reason": type(error).__name__})
                await asyncio.sleep(AWAY_S)
                continue
            for entry_id, fields in entries:
                if entry_id not in self._hands:
                    self._hands[entry_id] = asyncio.create_task(self._finish(entry_id, fields))
        if self._hands:
            await asyncio.wait(self._hands.values(), timeout=STOPPING_S)
        # What is not done by now is not acknowledged: another process finds it.
        await cancel(*self._hands.values())

    async def _finish(self, entry_id: str, fields: dict[str, str]) -> None:
        try:
            outcome = await self._run(entry_id, fields)
            if isinstance(outcome, Later):
                # Not acknowledged, it is claimed and tried again, as what a dead process had in its hands.
                log.info("notice put off", extra={"channel": fields.get("channel", ""), "reason": outcome.reason})
                return
            await self._record(fields, outcome)
            await self._client.xack(keys.SEND_REQUESTS, keys.SEND_REQUESTS_GROUP, entry_id)
        except UNREACHABLE as error:
            log.debug("redis is away", extra={"reason": type(error).__name__})
        except Exception:  # boundary: it comes again until nobody waits for it, and the others in hand go on
            log.exception("send request broke", extra={"request": entry_id})
        finally:
            self._hands.pop(entry_id, None)

    async def _run(self, entry_id: str, fields: dict[str, str]) -> Done | Later:
        """Later only for a notice: nobody waits before a screen for it."""
        try:
            requested = Requested.read(entry_id, fields)
        except InputError as error:
            return Done(DeliveryState.FAILED, str(error))
        try:
            outcome = await self._send(requested)
        except StormError as error:
            outcome = Done(DeliveryState.FAILED, str(error)) if isinstance(error, InputError) else Later(0.0, str(error))
        if isinstance(outcome, Later) and requested.is_watched:
            return Done(DeliveryState.FAILED, outcome.reason)
        return outcome

    async def _send(self, requested: Requested) -> Done | Later:
        sent = await insist(lambda: self._markers.provider_ids([requested.id]))
        if sent:
            # It went out before its process died, or was asked for twice.
            return Done(DeliveryState.SENT)
        outgoing = await in_thread(lambda: self._collector.collect(requested))
        if not isinstance(outgoing, Outgoing):
            return outgoing
        outcome = await self._sending.send(outgoing)
        if isinstance(outcome, Later) and outcome.after_s <= AGAIN_MAX_S:
            await asyncio.sleep(outcome.after_s)
            outcome = await self._sending.send(replace(outgoing, attempts=1))
        return outcome

    async def _record(self, fields: dict[str, str], outcome: Done) -> None:
        is_sent = outcome.state is DeliveryState.SENT
        request = fields.get("errand", "")
        if not is_sent:
            log.warning("not sent", extra={"request": request or fields.get("notice", ""), "reason": outcome.reason})
        if request:
            result = SendResult(SendState.SENT if is_sent else SendState.FAILED, outcome.reason)
            await in_thread(lambda: send_requests.settle(self._thread_client, request, result))
        self.done += 1

    async def _unread(self) -> list[Entry]:
        if not self._has_group:
            await self._make_group()
        found: Any = await self._client.xreadgroup(
            keys.SEND_REQUESTS_GROUP, self._name, {keys.SEND_REQUESTS: ">"}, count=10, block=BLOCK_MS
        )
        return [entry for _stream, entries in found for entry in entries]

    async def _left_behind(self) -> list[Entry]:
        """What a dead process had in its hands."""
        if not self._has_group or time.monotonic() - self._claimed_s < CLAIM_EVERY_S:
            return []
        self._claimed_s = time.monotonic()
        claimed = await self._client.xautoclaim(
            keys.SEND_REQUESTS, keys.SEND_REQUESTS_GROUP, self._name, CLAIM_IDLE_MS, count=10
        )
        entries: list[Entry] = claimed[1]
        return entries

    async def _make_group(self) -> None:
        try:
            await self._client.xgroup_create(keys.SEND_REQUESTS, keys.SEND_REQUESTS_GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise
        self._has_group = True
