"""Which findings of the health report admins are told of, and after how long. Pure.

How bad it is, and in which words, is the finding's: here is only what a message must have besides. `notices` decides when.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from stormalert import words
from stormalert.health.facts import Facts
from stormalert.health.finding import WORST_FIRST, Finding, Level
from stormalert.health.limits import (
    ALERTS_LATE_BAD_MS,
    CERTIFICATE_WAIT_DAYS,
    GAPS_LOST_WAIT_MS,
    GAPS_MANY_WAIT,
    GAPS_WITHIN_MS,
    LOGIN_AHEAD_MS,
    MEMORY_BAD_PERCENT,
    MEMORY_WAIT_PERCENT,
    MESSAGES_LATE_BAD_MS,
    REFUSED_BAD,
    REFUSED_WITHIN_MS,
    TICKS_LATE_BAD_MS,
)
from stormalert.units import MINUTE_MS, SECOND_MS
from workers.notices import Reading


def _lasts(duration_ms: int) -> str:
    return words.rough_duration(duration_ms)


@dataclass(frozen=True)
class NoticePolicy:
    """`after_ms`: it must have lasted so long; `least`: what is not so bad is not told."""

    # What docs/ARCHITECTURE.md says of it.
    what: str
    # In words, before "after 3 min".
    over: str
    after_ms: int = 0
    least: Level = Level.WAIT
    # Whether it can wait until some hours before the market opens.
    is_for_the_market: bool = False
    # The page of the dashboard, under Admin, that shows more.
    page: str = ""


# By kind of finding.
POLICIES = {
    "login": NoticePolicy(
        f"Kite login needed; from {_lasts(LOGIN_AHEAD_MS)} before the market opens, and while it is open",
        "Logged in to Kite again",
        20 * SECOND_MS,
        Level.BAD,
        page="Kite",
    ),
    # A socket that reconnects, or a process that is started again, is back before that.
    "feed": NoticePolicy(
        "no prices come, or only some, while the market is open", "The feed is back", 60 * SECOND_MS, Level.BAD, page="Kite"
    ),
    "gaps": NoticePolicy(
        f"short gaps of the feed within {_lasts(GAPS_WITHIN_MS)}: "
        f"together {_lasts(GAPS_LOST_WAIT_MS)}, or more than {GAPS_MANY_WAIT}; without a sound",
        "The feed is steady again,",
        page="Kite",
    ),
    "trouble": NoticePolicy(
        "a trouble of ingest: calendar, instruments, store; without a sound",
        "Over: {trouble},",
        5 * MINUTE_MS,
        is_for_the_market=True,
        page="Kite",
    ),
    "missing": NoticePolicy(
        "a process that was there and is not any more; without a sound where no alert is late for it",
        "{subject} is running again",
        60 * SECOND_MS,
    ),
    "alarm": NoticePolicy(
        "a provider takes no messages from us: token, account, template", "{channel}: marked as mended", page="Queue"
    ),
    "refusing": NoticePolicy(
        f"a provider refused most of the tries of {_lasts(REFUSED_WITHIN_MS)}, {REFUSED_BAD} at least",
        "{channel} messages go out again",
        30 * SECOND_MS,
    ),
    "evaluator": NoticePolicy(
        f"the oldest tick waits for its evaluator for {_lasts(TICKS_LATE_BAD_MS)}",
        "The evaluator has caught up",
        30 * SECOND_MS,
    ),
    "dispatch": NoticePolicy(
        f"the oldest alert waits for dispatch for {_lasts(ALERTS_LATE_BAD_MS)}", "Dispatch has caught up", 30 * SECOND_MS
    ),
    "queue": NoticePolicy(
        f"the oldest message waits for {_lasts(MESSAGES_LATE_BAD_MS)}",
        "The queue is short again",
        30 * SECOND_MS,
        page="Queue",
    ),
    # What restarts, or elects another primary, is back before that.
    "store": NoticePolicy("the store does not answer", "The store answers again", 15 * SECOND_MS, Level.BAD),
    "memory": NoticePolicy(
        f"Redis has used {MEMORY_WAIT_PERCENT} % of its memory; with a sound, and once more, at {MEMORY_BAD_PERCENT} %",
        "Redis has room again",
    ),
    "durability": NoticePolicy(
        "the append-only file of Redis is off, or cannot be rewritten", "Redis keeps its file again", 60 * SECOND_MS, Level.BAD
    ),
    "policy": NoticePolicy("Redis is set to throw keys away when it is full", "Redis throws no key away", least=Level.BAD),
    "evicted": NoticePolicy("Redis has thrown keys away", "Redis was started anew", least=Level.BAD),
    "old": NoticePolicy("Redis is of a version that is too old", "Redis is new enough", least=Level.BAD),
    "certificate": NoticePolicy(
        f"the certificate of the public address ends within {CERTIFICATE_WAIT_DAYS} days, without a sound; has ended",
        "The dashboard's certificate is renewed",
    ),
}
_TROUBLES = {
    "year": "no holidays for the year",
    "calendar": "the calendar is not used",
    "left_out": "instruments are left out",
    "instruments": "instruments are not refreshed",
    "unlisted": "instruments are no longer listed",
    "store": "ingest cannot use the store",
}


def readings(facts: Facts, findings: Iterable[Finding], dashboard: str) -> Iterator[Reading]:
    """Of all that was judged, the worst of each name; `dashboard`: its address, empty when nobody knows it from outside."""
    worst_first = sorted(findings, key=lambda it: WORST_FIRST.index(it.level))
    by_name: dict[str, Finding] = {}
    for finding in worst_first:
        if finding.kind in POLICIES:
            by_name.setdefault(finding.name, finding)
    return (_reading(facts, finding, POLICIES[finding.kind], dashboard) for finding in by_name.values())


def _reading(facts: Facts, finding: Finding, policy: NoticePolicy, dashboard: str) -> Reading:
    is_bad: bool | None = finding.level is not Level.GOOD
    if is_bad and not _is_told(facts, finding, policy):
        is_bad = None
    return Reading(
        finding.name,
        is_bad,
        finding.what,
        f"{finding.todo} See {_page(policy, dashboard)}",
        policy.over.format(**_subjects(finding)),
        finding.level,
        policy.after_ms,
        finding.since_ms,
    )


def _is_told(facts: Facts, finding: Finding, policy: NoticePolicy) -> bool:
    if finding.level is Level.WAIT and policy.least is Level.BAD:
        return False
    if policy.is_for_the_market and not facts.opens_soon:
        return False
    return finding.kind != "missing" or _subject(finding) in _expected(facts)


def _expected(facts: Facts) -> set[str]:
    """A process that never ran is not missed; but for the evaluator, once there is work for it."""
    has_work = any(it.name == "ticks" and it.oldest_ms for it in facts.streams)
    return set(facts.roll) | ({"evaluator"} if has_work else set())


def _subjects(finding: Finding) -> dict[str, Any]:
    subject = _subject(finding)
    channels = {str(kind): name for kind, name in words.CHANNELS.items()}
    trouble = _TROUBLES.get(subject, "a trouble of the feed")
    return {"subject": subject, "channel": channels.get(subject, ""), "trouble": trouble}


def _subject(finding: Finding) -> str:
    return finding.name.partition("-")[2]


def _page(policy: NoticePolicy, dashboard: str) -> str:
    if not policy.page:
        return dashboard or "StormAlert"
    return f"{dashboard}/admin?part={policy.page}" if dashboard else f"StormAlert, page Admin, {policy.page}"
