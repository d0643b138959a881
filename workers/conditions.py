"""What an admin must know of, read off the facts: one function a kind of trouble, in the order of the data's way.

Pure. Each says whether it is wrong, well, or not to be told now; `notices` decides what is told of it.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from stormalert import channels, words
from stormalert.health.room import Room
from stormalert.model import ChannelKind
from stormalert.notify.alarms import Alarm
from stormalert.units import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from workers.notices import Level, Reading, lasted

# A socket that reconnects, or a process that is started again, is back before that.
FEED_AFTER_MS = 60 * SECOND_MS
MISSING_AFTER_MS = 60 * SECOND_MS
LOGIN_AFTER_MS = 20 * SECOND_MS
TROUBLE_AFTER_MS = 5 * MINUTE_MS
# Kite's token dies at 06:00: told then when the market opens that day, and not on a day without trading.
AHEAD_MS = 3 * HOUR_MS

# Gaps too short to be a feed that is down, taken together.
GAPS_MS = 10 * MINUTE_MS
SHORT_GAP_MS = 90 * SECOND_MS
LOST_MS = 30 * SECOND_MS

TICK_WAITS_MS = 10 * SECOND_MS
DELIVERY_WAITS_MS = 2 * MINUTE_MS
BEHIND_AFTER_MS = 30 * SECOND_MS

# Of the tries of some minutes.
REFUSED_MIN = 5
REFUSING_AFTER_MS = 30 * SECOND_MS

# certbot renews thirty days before the end: with so few left it has failed for two weeks.
CERTIFICATE_MS = 14 * DAY_MS

# Without one of these, alerts are late or missing.
NEEDED = frozenset(("ingest", "evaluator", "dispatch", "worker"))
# A server that its owner chose is the owner's to mend, whom its failed messages tell.
_CHANNELS = {kind: name for kind, name in words.CHANNELS.items() if not channels.of(kind).is_owners_server}
_TROUBLES = {
    "year": "No holidays for the year",
    "calendar": "The calendar is not used",
    "left_out": "Instruments are left out",
    "instruments": "Instruments are not refreshed",
    "unlisted": "Instruments are no longer listed",
    "store": "Ingest cannot use the store",
}


class Gap(NamedTuple):
    from_ms: int
    to_ms: int


class Tries(NamedTuple):
    """How many messages a provider took and refused lately, those to dead addresses left out."""

    taken: int
    refused: int


@dataclass(frozen=True)
class Facts:
    now_ms: int
    # As ingest writes it.
    feed: Mapping[str, str] = field(default_factory=dict)
    # Those of the last minutes.
    gaps: Sequence[Gap] = ()
    # Names of processes: that beat now, and that ever did.
    beating: Collection[str] = ()
    roll: Collection[str] = ()
    # When the oldest tick was written that the evaluator, and the oldest alert that dispatch has not read, by shard.
    unread_ticks_ms: Mapping[str, int] = field(default_factory=dict)
    unread_alerts_ms: Mapping[str, int] = field(default_factory=dict)
    # Deliveries of which nothing was heard for DELIVERY_WAITS_MS, and since when of the oldest.
    waiting: int = 0
    waiting_since_ms: int = 0
    tries: Mapping[ChannelKind, Tries] = field(default_factory=dict)
    # What providers said that only an admin can mend, kept until an admin has said that it is mended.
    alarms: Sequence[Alarm] = ()
    room: Room = field(default_factory=Room)
    # When that of the public address ends; 0 when nobody can tell.
    certificate_ends_ms: int = 0
    # Where the dashboard is; empty when nobody knows it from outside.
    dashboard: str = ""

    @property
    def opens_ms(self) -> int:
        return int(self.feed.get("opens_ms") or 0)

    @property
    def is_open(self) -> bool:
        return self.opens_ms <= self.now_ms

    @property
    def opens_soon(self) -> bool:
        return self.opens_ms <= self.now_ms + AHEAD_MS

    @property
    def is_feed_known(self) -> bool:
        """Without ingest the hash tells of the past."""
        return bool(self.feed) and "ingest" in self.beating

    @property
    def kite_page(self) -> str:
        return self._admin_page("Kite")

    @property
    def queue_page(self) -> str:
        return self._admin_page("Queue")

    def _admin_page(self, part: str) -> str:
        return f"{self.dashboard}/admin?part={part}" if self.dashboard else f"StormAlert, page Admin, {part}"

    @property
    def status_page(self) -> str:
        return self.dashboard or "StormAlert"


def readings(facts: Facts, told: Iterable[str]) -> list[Reading]:
    """Of all that can be wrong; `told` are the names of what was wrong at the last look."""
    found = [_login(facts), _feed(facts), _gaps(facts)]
    for several in (_troubles(facts, told), _missing(facts), _alarms(facts), _refusing(facts)):
        found += several
    return [*found, _evaluator(facts), _queue(facts), _memory(facts), _certificate(facts)]


def _login(facts: Facts) -> Reading:
    is_needed = facts.feed.get("state") == "login_needed"
    is_told = facts.is_feed_known and (facts.opens_soon or not is_needed)
    return Reading(
        "login",
        is_needed if is_told else None,
        "Kite login needed: no prices come",
        f"Log in to Kite: {facts.kite_page}",
        "Logged in to Kite again",
        after_ms=LOGIN_AFTER_MS,
        since_ms=_since_ms(facts),
    )


def _feed(facts: Facts) -> Reading:
    state = facts.feed.get("state")
    is_bad = {"streaming": False, "stale": True, "connecting": True}.get(state or "")
    if not facts.is_feed_known or (is_bad and not facts.is_open):
        is_bad = None
    reason = facts.feed.get("reason") or "no connection"
    return Reading(
        "feed",
        is_bad,
        "Feed down: no prices from Kite",
        f"{_sentence(reason)} StormAlert goes on trying. See {facts.kite_page}",
        "The feed is back",
        after_ms=FEED_AFTER_MS,
        # What was silent before the market opened is missed since then.
        since_ms=max(_since_ms(facts), facts.opens_ms) if is_bad else _since_ms(facts),
    )


def _gaps(facts: Facts) -> Reading:
    short = [gap for gap in facts.gaps if _is_missed(gap, facts)]
    lost_ms = sum(gap.to_ms - gap.from_ms for gap in short)
    is_bad = lost_ms >= LOST_MS
    return Reading(
        "gaps",
        is_bad,
        f"The feed has gaps: {lasted(lost_ms)} without prices in the last {lasted(GAPS_MS)}",
        f"Alerts of that time may be missing. The gaps are listed at {facts.kite_page}",
        "The feed is steady again,",
        since_ms=min(gap.from_ms for gap in short) if is_bad else 0,
    )


def _is_missed(gap: Gap, facts: Facts) -> bool:
    is_recent = gap.to_ms > facts.now_ms - GAPS_MS
    return is_recent and facts.opens_ms <= gap.from_ms and gap.to_ms - gap.from_ms < SHORT_GAP_MS


def _troubles(facts: Facts, told: Iterable[str]) -> Iterator[Reading]:
    troubles: dict[str, str] = json.loads(facts.feed.get("troubles") or "{}")
    subjects = dict.fromkeys([*troubles, *(name.removeprefix("trouble-") for name in told if name.startswith("trouble-"))])
    for subject in subjects:
        sentence = troubles.get(subject, "")
        headline = _TROUBLES.get(subject, "The feed has a trouble")
        yield Reading(
            f"trouble-{subject}",
            bool(sentence) if facts.is_feed_known and (facts.opens_soon or not sentence) else None,
            headline,
            f"{_sentence(sentence)} See {facts.kite_page}",
            f"Over: {headline[0].lower()}{headline[1:]},",
            Level.QUIET,
            after_ms=TROUBLE_AFTER_MS,
        )


def _missing(facts: Facts) -> Iterator[Reading]:
    # The evaluator is also missed where it never was, once there is work for it.
    expected = set(facts.roll) | ({"evaluator"} if any(facts.unread_ticks_ms.values()) else set())
    for name in sorted(expected):
        yield Reading(
            f"missing-{name}",
            name not in facts.beating,
            f"{name} is not running" + (": alerts are late or missing" if name in NEEDED else ""),
            "It is usually started again by itself. Look at its log.",
            f"{name} is running again",
            Level.URGENT if name in NEEDED else Level.QUIET,
            after_ms=MISSING_AFTER_MS,
        )


def _alarms(facts: Facts) -> Iterator[Reading]:
    by_kind = {alarm.kind: alarm for alarm in facts.alarms}
    for kind, name in _CHANNELS.items():
        alarm = by_kind.get(kind)
        yield Reading(
            f"alarm-{kind}",
            alarm is not None,
            f"{name} takes no messages from us",
            f"{_sentence(alarm.reason if alarm else '')} Mend it, then say so: {facts.queue_page}",
            f"{name}: marked as mended",
            since_ms=alarm.time_ms if alarm else 0,
        )


def _refusing(facts: Facts) -> Iterator[Reading]:
    alarmed = {alarm.kind for alarm in facts.alarms}
    for kind, name in _CHANNELS.items():
        tries = facts.tries.get(kind, Tries(0, 0))
        is_failing = tries.refused >= REFUSED_MIN and tries.refused >= tries.taken
        is_well = tries.taken > tries.refused
        yield Reading(
            f"refusing-{kind}",
            # An alarm tells it better; without tries nobody knows.
            None if kind in alarmed else True if is_failing else False if is_well else None,
            f"{name} messages fail: {tries.refused} of the last {tries.refused + tries.taken} tries",
            f"They are tried again for an hour. The reasons are in the history: {facts.status_page}",
            f"{name} messages go out again",
            after_ms=REFUSING_AFTER_MS,
        )


def _evaluator(facts: Facts) -> Reading:
    shard, oldest_ms = _oldest(facts.unread_ticks_ms)
    waits_ms = facts.now_ms - oldest_ms if oldest_ms else 0
    is_behind = waits_ms >= TICK_WAITS_MS
    return Reading(
        "evaluator",
        is_behind if "evaluator" in facts.beating else None,
        f"Alerts are late: the evaluator is {lasted(waits_ms)} behind",
        f"Ticks of shard {shard} wait. Is its machine busy? More shards or evaluators help. See {facts.status_page}",
        "The evaluator has caught up",
        after_ms=BEHIND_AFTER_MS,
    )


def _queue(facts: Facts) -> Reading:
    _, alert_ms = _oldest(facts.unread_alerts_ms)
    is_undispatched = bool(alert_ms) and facts.now_ms - alert_ms >= DELIVERY_WAITS_MS
    since_ms = min(ms for ms in (facts.waiting_since_ms, alert_ms if is_undispatched else 0, facts.now_ms) if ms)
    count = f"{words.grouped(facts.waiting)} messages wait" if facts.waiting else "alerts wait to be dispatched"
    return Reading(
        "queue",
        bool(facts.waiting) or is_undispatched,
        f"The queue grows: {count}, the oldest for {lasted(facts.now_ms - since_ms)}",
        f"Are the workers well? More of them help (STORM_WORKERS). See {facts.status_page}",
        "The queue is short again",
        after_ms=BEHIND_AFTER_MS,
    )


def _memory(facts: Facts) -> Reading:
    """When it is full nothing goes this way any more: bot/full.py tells that."""
    return Reading(
        "memory",
        facts.room.is_nearly_full,
        f"Redis is nearly full: {facts.room.words}",
        "When it is full, no new prices are evaluated and alerts are late. Give it more memory: docs/operations.md.",
        "Redis has room again",
    )


def _certificate(facts: Facts) -> Reading:
    left_ms = facts.certificate_ends_ms - facts.now_ms
    days = left_ms // DAY_MS
    return Reading(
        "certificate",
        left_ms < CERTIFICATE_MS if facts.certificate_ends_ms else None,
        f"The dashboard's certificate ends in {days} day{'s' if days != 1 else ''}"
        if left_ms > 0
        else "The dashboard's certificate has ended",
        "It was not renewed. Where the reason is: docs/operations.md, Certificates.",
        "The dashboard's certificate is renewed",
        Level.QUIET,
    )


def _oldest(by_shard: Mapping[str, int]) -> tuple[str, int]:
    return min(((shard, ms) for shard, ms in by_shard.items() if ms), key=lambda each: each[1], default=("", 0))


def _since_ms(facts: Facts) -> int:
    return int(facts.feed.get("since_ms") or 0)


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    return f"{text[:1].upper()}{text[1:]}" + ("" if text.endswith((".", "!", "?")) or not text else ".")
