"""The stage that finds what a send request asks for: a code, a test message or a notice, and what stops it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

from redis import Redis

from stormalert import words
from stormalert.errors import InputError, StoreError
from stormalert.model import Channel, DeliveryState
from stormalert.notify.linking import Linking
from stormalert.notify.send_requests import SendKind
from stormalert.redis import keys
from stormalert.redis.streams import written_ms
from stormalert.store import Store
from stormalert.units import SECOND_MS
from workers.limits import Priority
from workers.notices import WORSE, Incident
from workers.pipeline.outcome import Done
from workers.pipeline.outgoing import Outgoing
from workers.render import Message

# After this nobody waits any more.
USEFUL_MS = keys.send_request.kept_s * SECOND_MS
# A notice that waited so long may be over.
LATE_MS = 30_000
# For providers that keep a message until the phone is reachable.
NOTICE_USEFUL_S = 3_600

_PRIORITIES = {SendKind.CODE: Priority.ANSWER, SendKind.NOTICE: Priority.NOTICE, SendKind.TEST: Priority.TEST}


@dataclass(frozen=True, slots=True)
class Requested:
    """A send request with what the stages found for it."""

    # Of the message; the same whoever runs the request.
    id: str
    kind: SendKind
    channel_id: str
    asked_ms: int
    # As the stream holds them.
    fields: Mapping[str, str]
    channel: Channel | None = None
    message: Message | None = None

    @classmethod
    def read(cls, entry_id: str, fields: Mapping[str, str]) -> Self:
        """Raises InputError."""
        kind, channel = fields.get("kind", ""), fields.get("channel", "")
        if kind not in set(SendKind):
            raise InputError(f"found a request for {kind!r}, expected one for a code, a test or a notice")
        # A notice that is asked for twice goes out once.
        name = f"{fields.get('notice', 'notice')}-{channel}" if kind == SendKind.NOTICE else f"{kind}-{channel}-{entry_id}"
        return cls(name, SendKind(kind), channel, written_ms(entry_id), fields)

    @property
    def is_watched(self) -> bool:
        """Whether somebody waits before a screen for what becomes of it."""
        return self.kind is not SendKind.NOTICE


Stage = Callable[[Requested], Requested | Done]
# A channel of an admin as the store last said.
LastKnown = Callable[[str], Channel | None]


class RequestCollector:
    """Runs in threads. Raises StormError when the store is away, or no more codes are sent to the user for now."""

    def __init__(
        self, client: Redis, store: Store, links: Linking, clock_ms: Callable[[], int], last_known: LastKnown | None = None
    ) -> None:
        self._client = client
        self._last_known = last_known
        self._store = store
        self._links = links
        self._now_ms = clock_ms
        self._policy: Mapping[SendKind, Sequence[Stage]] = {
            SendKind.CODE: (self._is_in_time, self._has_channel, _is_unverified, self._write_code),
            SendKind.TEST: (self._is_in_time, self._has_channel, _is_verified, _write_test),
            SendKind.NOTICE: (self._is_in_time, self._is_not_over, self._has_channel, _takes_alerts, _write_notice),
        }

    def collect(self, requested: Requested) -> Outgoing | Done:
        for stage in self._policy[requested.kind]:
            step = stage(requested)
            if isinstance(step, Done):
                return step
            requested = step
        assert requested.channel is not None and requested.message is not None, "found by the stages"
        return Outgoing(
            requested.channel,
            requested.message,
            _PRIORITIES[requested.kind],
            since_ms=requested.asked_ms,
            expires_ms=requested.asked_ms + USEFUL_MS,
            is_watched=requested.is_watched,
        )

    def _is_in_time(self, requested: Requested) -> Requested | Done:
        is_late = self._now_ms() - requested.asked_ms > USEFUL_MS
        return Done(DeliveryState.FAILED, "nobody ran it in time") if is_late else requested

    def _is_not_over(self, requested: Requested) -> Requested | Done:
        """What a notice that waited tells may have come to its end, which was told by itself."""
        name = requested.fields.get("incident")
        if not name or self._now_ms() - requested.asked_ms <= LATE_MS:
            return requested
        known = Incident.read(name, str(self._client.hget(keys.NOTICES, name)))
        is_open = known is not None and requested.fields.get("notice", "").removesuffix(WORSE) == known.id
        return requested if is_open else Done(DeliveryState.SUPPRESSED, "it was over before it could be told")

    def _has_channel(self, requested: Requested) -> Requested | Done:
        try:
            channel = self._store.channel(requested.channel_id)
        except StoreError:
            # Of a store that is away, too, admins are told.
            is_notice = requested.kind is SendKind.NOTICE
            channel = self._last_known(requested.channel_id) if is_notice and self._last_known else None
            if channel is None:
                raise
        return replace(requested, channel=channel) if channel else Done(DeliveryState.FAILED, "the channel was removed")

    def _write_code(self, requested: Requested) -> Requested:
        """Made here and now, so that it is in no stream and no job."""
        channel = _channel(requested)
        return replace(
            requested,
            message=Message(
                requested.id,
                f"Your StormAlert code is {self._links.make_code(channel)}",
                f"It is good for {words.duration(keys.code.kept_s * SECOND_MS)}. Enter it in StormAlert under Channels."
                " If you did not ask for it, ignore this.",
                useful_s=keys.code.kept_s,
                channel=channel.id,
            ),
        )


def _channel(requested: Requested) -> Channel:
    assert requested.channel is not None, "found by the stage before"
    return requested.channel


def _is_unverified(requested: Requested) -> Requested | Done:
    return Done(DeliveryState.FAILED, "the channel is verified already") if _channel(requested).is_verified else requested


def _is_verified(requested: Requested) -> Requested | Done:
    return requested if _channel(requested).is_verified else Done(DeliveryState.FAILED, "the channel is not verified")


def _takes_alerts(requested: Requested) -> Requested | Done:
    return requested if _channel(requested).takes_alerts else Done(DeliveryState.SUPPRESSED, "the channel takes no alerts")


def _write_test(requested: Requested) -> Requested:
    details = "You asked for it in StormAlert; your alerts come the same way."
    message = Message(requested.id, "This is a test.", details, useful_s=keys.send_request.kept_s, channel=requested.channel_id)
    return replace(requested, message=message)


def _write_notice(requested: Requested) -> Requested:
    fields = requested.fields
    return replace(
        requested,
        message=Message(
            requested.id,
            fields.get("headline", ""),
            fields.get("details", ""),
            useful_s=NOTICE_USEFUL_S,
            channel=requested.channel_id,
            gap="\n",
            is_silent=fields.get("silent") == "1",
        ),
    )
