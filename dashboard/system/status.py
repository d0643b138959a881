"""How the whole of StormAlert is doing, as /api/admin/system-status and the live page tell it. Pure, but for read_status."""

from typing import Any

from redis.asyncio import Redis

from stormalert.config.settings import Settings
from stormalert.health.checks.processes import NEEDED
from stormalert.health.facts import Facts, FeedGap, OpenNotice
from stormalert.health.reading import read_facts

GAPS_SHOWN = 20
# Of the feed, what was at a moment that is told with it.
_MOMENTS = ("frame_ms", "listed", "listed_ms")

Status = dict[str, Any]


async def read_status(redis: Redis, config: Settings) -> Status:
    """Raises RedisError."""
    return status_of(await read_facts(redis, config))


def status_of(facts: Facts) -> Status:
    """Feed, newest gaps, what waits in both streams, the processes, which are missing, the notices."""
    capacity = facts.capacity
    return {
        "time_ms": facts.now_ms,
        "feed": feed_of(facts.feed, _silence(facts)),
        "gaps": [gap_of(gap) for gap in facts.gaps[:GAPS_SHOWN]],
        "waiting": {name: sum(it.waiting for it in facts.streams if it.name == name) for name in ("ticks", "alerts")},
        "memory": {"percent": capacity.percent, "words": capacity.words},
        "is_disk_full": capacity.is_disk_full,
        "missing": [name for name in NEEDED if name not in facts.beating] if facts.are_beats_known else [],
        "processes": list(facts.processes),
        "notices": [_notice(notice) for notice in facts.notices],
    }


def for_everyone(status: Status) -> Status:
    """Without hosts, process ids and what is wrong inside, which are an admin's business."""
    feed = {name: value for name, value in status["feed"].items() if name not in ("trouble", "troubles")}
    return {
        name: value for name, value in status.items() if name not in ("processes", "gaps", "memory", "is_disk_full", "notices")
    } | {"feed": feed}


def feed_of(stats: Status, silence: str) -> Status:
    """As ingest tells it; when it tells nothing any more, and why, the rest is of the past and no state of now."""
    if not silence:
        return stats
    still_true = {name: stats[name] for name in _MOMENTS if name in stats}
    return {"state": "unknown", "reason": silence} | still_true


def _silence(facts: Facts) -> str:
    if not facts.are_beats_known:
        return "Redis is full, so that nobody can tell of themselves"
    return "" if "ingest" in facts.beating else "ingest is not running"


def gap_of(gap: FeedGap) -> Status:
    """A stretch in which prices were lost: from_ms, to_ms, reason, lost."""
    return gap._asdict()


def _notice(notice: OpenNotice) -> Status:
    """What is wrong, as the bot keeps it: name, headline, since_ms, is_told, well_ms."""
    return {key: value for key, value in notice._asdict().items() if key != "level"}
