"""Pace, claim, post, sort: the stages of every message, in a worker and in the bot.

At least once. A message goes out twice only when a process dies, or the connection, between the provider's yes and our marker.
"""

import time
from collections.abc import Callable, Mapping
from functools import partial

from redis import Redis as ThreadRedis
from redis.asyncio import Redis

from stormalert import channels as descriptions
from stormalert.errors import DeliveryError
from stormalert.model import Channel, ChannelKind
from stormalert.notify import channels
from stormalert.store import Store
from stormalert.units import now_ms
from workers import post
from workers.channels import Sender
from workers.limits import Limits
from workers.pipeline.answers import Accepted, Answer, Answers, Refused
from workers.pipeline.counters import Counters
from workers.pipeline.dedup import DedupMarkers
from workers.pipeline.insist import insist
from workers.pipeline.outcome import Done, Later
from workers.pipeline.outgoing import Outgoing
from workers.pipeline.pace import Pacer, Patience
from workers.pipeline.slowness import Slowness

# When another process has the message: it will be done, or dead, soon.
CLAIMED_PAUSE_S = 2.0
# When those who wait for a slow provider are enough.
SLOW_PAUSE_S = 5.0


class Sending:
    """Belongs into one event loop."""

    def __init__(
        self,
        pacer: Pacer,
        markers: DedupMarkers,
        senders: Mapping[ChannelKind, Sender],
        answers: Answers,
        counters: Counters,
        clock_ms: Callable[[], int],
    ) -> None:
        self._pacer = pacer
        self._markers = markers
        self._senders = senders
        self._answers = answers
        self._counters = counters
        self._now_ms = clock_ms
        self._slowness = Slowness()

    async def send(self, outgoing: Outgoing) -> Done | Later:
        """Raises StormError when the store is away and the answer concerns the channel; then it did not go out."""
        if self._slowness.is_full(_place(outgoing.channel)):
            return Later(SLOW_PAUSE_S, "its provider answers slowly")
        async with self._pacer.turn(outgoing) as permit:
            if isinstance(permit, Later):
                return permit
            if not await insist(lambda: self._markers.claim(outgoing.id)):
                await self._pacer.settle(permit)
                return Later(CLAIMED_PAUSE_S, "another worker is at it")
            answer = await self._post(outgoing)
            if isinstance(answer, Accepted):
                await insist(partial(self._markers.mark_sent, outgoing.id, answer.provider_id))
            else:
                await insist(lambda: self._markers.release(outgoing.id))
            await self._pacer.settle(permit, answer.pause_s if isinstance(answer, Refused) else 0.0)
        return await self._answers.sort(outgoing, answer)

    async def _post(self, outgoing: Outgoing) -> Answer:
        kind, began_s = outgoing.channel.kind, time.monotonic()
        answer: Answer
        try:
            with self._slowness.watched(_place(outgoing.channel)):
                answer = Accepted(await post.send(self._senders, kind, outgoing.channel.address, outgoing.message))
        except DeliveryError as error:
            answer = Refused(error)
        self._counters.note(f"{kind}_answers", (time.monotonic() - began_s) * 1_000)
        if isinstance(answer, Accepted):
            self._counters.count(f"{kind}_taken")
            self._counters.note(f"{kind}_delays", self._now_ms() - outgoing.since_ms)
        elif answer.is_about_provider:
            self._counters.count(f"{kind}_refused")
        return answer


def open_sending(
    client: Redis,
    thread_client: ThreadRedis,
    store: Store,
    limits: Limits,
    senders: Mapping[ChannelKind, Sender],
    patience: Patience,
    counters: Counters,
    clock_ms: Callable[[], int] = now_ms,
) -> Sending:
    answers = Answers(store, partial(channels.switch_off, store, thread_client), clock_ms)
    return Sending(Pacer(limits, counters, patience), DedupMarkers(client), senders, answers, counters, clock_ms)


def _place(channel: Channel) -> str:
    """Who answers: one provider for all of a kind, or a server for each address."""
    return f"{channel.kind} {channel.address}" if descriptions.of(channel.kind).is_owners_server else channel.kind
