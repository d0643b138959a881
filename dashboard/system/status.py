"""How the whole of StormAlert is doing, from what its processes leave in Redis."""

import asyncio
import json
import re
from typing import Any, cast

from redis.asyncio import Redis
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from stormalert.config.settings import Settings
from stormalert.health.capacity import read_capacity
from stormalert.process import ALIVE_MS
from stormalert.redis import keys
from stormalert.units import now_ms

# A server that hangs is as good as away, and whoever asks is told so before they think that we hang.
ANSWER_WITHIN_S = 2
COUNTED_MAX = 10_000
GAPS_SHOWN = 20
# Without one of these, alerts are late.
NEEDED = ("ingest", "evaluator", "dispatch", "worker")
# Of the feed, what was at a moment that is told with it.
_MOMENTS = ("frame_ms", "listed", "listed_ms")

_NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?")
Texts = dict[str, str]
Status = dict[str, Any]
Entry = tuple[str, Texts]


async def read_status(redis: Redis, config: Settings) -> Status:
    """Feed, newest gaps, what waits in both streams, the processes, which are missing, the notices. Raises RedisError."""
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            return await _read(redis, config)
    except TimeoutError:
        raise RedisTimeoutError(f"no answer within {ANSWER_WITHIN_S} s") from None


async def _read(redis: Redis, config: Settings) -> Status:
    shards = keys.all_shards(config.shards)
    processes = await read_processes(redis)
    beating = {process["name"] for process in processes}
    room = await read_capacity(redis)
    return {
        "time_ms": now_ms(),
        "feed": feed_of(stats_of(cast(Texts, await redis.hgetall(keys.FEED))), is_told="ingest" in beating),
        "gaps": gaps(cast(list[Entry], await redis.xrevrange(keys.GAPS, count=GAPS_SHOWN))),
        "waiting": {
            "ticks": sum([await lag(redis, shard.ticks, keys.EVALUATOR_GROUP) for shard in shards]),
            "alerts": sum([await lag(redis, shard.alerts, keys.DISPATCH_GROUP) for shard in shards]),
        },
        "memory": {"percent": room.percent, "words": room.words},
        "is_disk_full": room.is_disk_full,
        "missing": [name for name in NEEDED if name not in beating],
        "processes": processes,
        "notices": notices(cast(Texts, await redis.hgetall(keys.NOTICES))),
    }


def for_everyone(status: Status) -> Status:
    """Without hosts, process ids and what is wrong inside, which are an admin's business."""
    feed = {name: value for name, value in status["feed"].items() if name not in ("trouble", "troubles")}
    return {
        name: value for name, value in status.items() if name not in ("processes", "gaps", "memory", "is_disk_full", "notices")
    } | {"feed": feed}


def feed_of(facts: Status, *, is_told: bool) -> Status:
    """As ingest tells it; when it tells nothing any more, the rest is of the past and no state of now."""
    if is_told:
        return facts
    still_true = {name: facts[name] for name in _MOMENTS if name in facts}
    return {"state": "unknown", "reason": "ingest is not running"} | still_true


def gaps(entries: list[Entry]) -> list[Status]:
    """Stretches in which prices were lost, newest first: from_ms, to_ms, reason, lost."""
    return [
        {"from_ms": int(it["from"]), "to_ms": int(it["to"]), "reason": it["reason"], "lost": int(it["lost"])}
        for _, it in entries
    ]


def notices(texts: Texts) -> list[Status]:
    """What is wrong, as the bot keeps it, the oldest first: name, headline, since_ms, is_told, well_ms."""
    found: list[Status] = []
    for name, text in texts.items():
        try:
            kept = json.loads(text)
        except ValueError:
            # Another version's.
            continue
        found.append({"name": name} | {key: kept.get(key) for key in ("headline", "since_ms", "is_told", "well_ms")})
    return sorted(found, key=lambda it: it["since_ms"] or 0)


async def read_processes(redis: Redis) -> list[Status]:
    beating = cast(list[str], await redis.zrangebyscore(keys.BEATS, now_ms() - ALIVE_MS, "+inf"))
    async with redis.pipeline(transaction=False) as pipe:
        for key in beating:
            pipe.hgetall(key)
        found = await pipe.execute()
    return [
        {"name": key.split(":")[2], "process": key.split(":", 3)[3], **stats_of(facts)}
        for key, facts in sorted(zip(beating, found, strict=True))
        if facts
    ]


async def lag(redis: Redis, stream: str, group: str) -> int:
    """Entries that the group has not read; those of a group that is not there yet are all."""
    try:
        groups = await redis.xinfo_groups(stream)
    except ResponseError:
        # No stream yet.
        return 0
    ours = next((each for each in groups if each["name"] == group), None)
    if ours is None:
        return int(await redis.xlen(stream))
    if ours["lag"] is None:
        # The server cannot tell it for a group that was put into the middle, or points into a gap.
        unread = await redis.xrange(stream, min=f"({ours['last-delivered-id']}", count=COUNTED_MAX)
        return len(cast(list[object], unread))
    return int(ours["lag"])


def stats_of(texts: Texts) -> Status:
    """Numbers as numbers."""
    return {name: _number(text) if _NUMBER.fullmatch(text) else text for name, text in texts.items()}


def _number(text: str) -> int | float:
    return float(text) if "." in text else int(text)
