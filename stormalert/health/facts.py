"""What the checks are made of, whoever read it. What was not asked, or could not be told, is None: nothing is said of it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from stormalert.health.capacity import Capacity, capacity_of
from stormalert.health.finding import Level
from stormalert.health.limits import LOGIN_AHEAD_MS
from stormalert.model import ChannelKind
from stormalert.notify.alarms import Alarm

# Fields of a hash in Redis, with numbers as numbers.
Stats = dict[str, Any]
HOT, QUEUE = "hot", "queue"


class FeedGap(NamedTuple):
    """A stretch in which prices were lost, and how many."""

    from_ms: int
    to_ms: int
    reason: str = ""
    lost: int = 0


class StreamReading(NamedTuple):
    """`oldest_ms`: when the oldest entry was written that its group has not read; 0 when there is none."""

    name: str
    shard: str
    length: int
    waiting: int
    oldest_ms: int


class ServerReading(NamedTuple):
    """`role`: HOT (ticks, rules, alerts) or QUEUE; `nodes`: INFO of each, none where we may not ask; None: it is away."""

    role: str
    nodes: Mapping[str, Mapping[str, Any]] | None


class OpenNotice(NamedTuple):
    """Something wrong as the bot keeps it; `is_told`: admins know of it; `well_ms`: since when it is well again, else 0."""

    name: str
    headline: str | None
    since_ms: int
    is_told: bool
    well_ms: int
    # Of one that an earlier version kept nobody knows it.
    level: Level = Level.BAD


class Waiting(NamedTuple):
    """Deliveries that nothing was heard of for MESSAGES_LATE_BAD_MS, and since when of the oldest; 0: there are none."""

    deliveries: int = 0
    since_ms: int = 0


class Tries(NamedTuple):
    """How many messages a provider took and refused lately, those to dead addresses left out."""

    taken: int
    refused: int


class StoreAnswer(NamedTuple):
    """How long the store took; None: it did not answer, for the reason that the headline says."""

    took_s: float | None
    headline: str = "The store does not answer"


@dataclass(frozen=True)
class Facts:
    now_ms: int
    # Of each that beats: `name`, `process` (host and number) and what it tells of itself.
    processes: Sequence[Stats] = ()
    # Names of processes that ever beat.
    roll: frozenset[str] = frozenset()
    # How often each kind of process was started.
    starts: Stats = field(default_factory=dict)
    # As ingest wrote it, now or when it still ran.
    feed: Stats = field(default_factory=dict)
    gaps: Sequence[FeedGap] = ()
    streams: Sequence[StreamReading] = ()
    # Entries of the ticks' streams that were no ticks.
    malformed: int | None = None
    servers: Sequence[ServerReading] = ()
    notices: Sequence[OpenNotice] = ()
    store: StoreAnswer | None = None
    # What providers said that only an admin can mend, kept until an admin has said that it is mended.
    alarms: Sequence[Alarm] | None = None
    waiting: Waiting | None = None
    tries: Mapping[ChannelKind, Tries] | None = None
    # When that of the public address ends; 0 when nobody can tell.
    certificate_ends_ms: int = 0

    @property
    def beating(self) -> frozenset[str]:
        return frozenset(str(it["name"]) for it in self.processes)

    @property
    def capacity(self) -> Capacity:
        """Of the fullest node that has ticks, rules and alerts; with room for all where we may not ask."""
        nodes = [info for server in self.servers if server.role == HOT for info in (server.nodes or {}).values()]
        return max(map(capacity_of, nodes), key=lambda it: (it.is_disk_full, it.percent), default=Capacity())

    @property
    def are_beats_known(self) -> bool:
        """A Redis that is full takes no beat, so nobody can tell who runs."""
        return not self.capacity.is_full

    @property
    def is_feed_known(self) -> bool:
        """Without ingest the hash tells of the past."""
        return self.are_beats_known and bool(self.feed) and "ingest" in self.beating

    @property
    def opens_ms(self) -> int:
        return int(self.feed.get("opens_ms") or 0)

    @property
    def is_open(self) -> bool:
        """Whether something that is subscribed trades now."""
        return self.opens_ms <= self.now_ms

    @property
    def opens_soon(self) -> bool:
        return self.opens_ms <= self.now_ms + LOGIN_AHEAD_MS

    @property
    def troubles(self) -> dict[str, str]:
        """What is wrong beside the feed's state: sentences by subject."""
        found: dict[str, str] = json.loads(str(self.feed.get("troubles") or "{}"))
        return found

    def of(self, name: str) -> list[Stats]:
        """The processes of a name."""
        return [it for it in self.processes if it["name"] == name]

    @property
    def queue(self) -> Stats:
        """The queue's figures as the dispatch with the newest beat counts them; empty when none does."""
        counted = [it for it in self.of("dispatch") if "queued" in it]
        return max(counted, key=lambda it: int(it.get("beat_ms", 0)), default={})
