"""What runs: the processes, the feed, and whether anything lies unread."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, cast

import redis
from redis.exceptions import ResponseError

from ops.doctor.case import Case
from ops.doctor.finding import Finding, bad, good, wait
from ops.doctor.servers import ASK_S
from stormalert import VERSION
from stormalert.notify.alarms import alarms
from stormalert.process import ALIVE_MS, REDIS_ERRORS, connect_in_thread
from stormalert.redis import keys
from stormalert.redis.streams import written_ms
from stormalert.units import HOUR_MS, SECOND_MS, format_ist

# Without one of these, alerts are late or missing.
NEEDED = ("ingest", "evaluator", "dispatch", "worker")
EXPECTED = (*NEEDED, "bot", "relay", "dashboard")
AHEAD_MS = 3 * HOUR_MS
MUTE_MS = 30 * SECOND_MS
TICKS_WAIT_MS, ALERTS_WAIT_MS = 10 * SECOND_MS, 60 * SECOND_MS
_START = "docker compose up -d, or make run; its log says why it ended"


def check_running(case: Case) -> Iterator[Finding]:
    try:
        with closing(connect_in_thread(case.config.redis_url, ASK_S)) as client:
            beats = _beats(client, case.now_ms)
            yield from judge_processes([(key.split(":")[2], facts) for key, facts in beats])
            if beats:
                feed = cast(dict[str, str], client.hgetall(keys.FEED))
                yield from judge_feed(feed, case.now_ms, is_ingest_there=any(key.split(":")[2] == "ingest" for key, _ in beats))
            yield from _streams(client, case)
    except REDIS_ERRORS:
        # Its own check says so.
        yield wait("processes", "nobody knows without Redis", "mend Redis first")


def check_alarms(case: Case) -> Iterator[Finding]:
    """What a provider said that only an admin can mend, and nobody has yet."""
    for alarm in alarms(case.store) if case.store else ():
        said = f"our messages were refused at {format_ist(alarm.time_ms)}: {alarm.reason}"
        yield bad(alarm.kind, said, "mend it, then say so in the dashboard: Admin, Queue")


def _beats(client: redis.Redis, now_ms: int) -> list[tuple[str, Mapping[str, str]]]:
    beating = cast(list[str], client.zrangebyscore(keys.BEATS, now_ms - ALIVE_MS, "+inf"))
    return [(key, facts) for key in sorted(beating) if (facts := cast(dict[str, str], client.hgetall(key)))]


def judge_processes(beats: Sequence[tuple[str, Mapping[str, str]]]) -> Iterator[Finding]:
    names = [name for name, _ in beats]
    if not names:
        yield wait(
            "processes", "none is running", "before the first start that is right; else: docker compose up -d, or make run"
        )
        return
    counted = ", ".join(f"{name} x{names.count(name)}" if names.count(name) > 1 else name for name in sorted(set(names)))
    yield good("processes", f"running: {counted}")
    for name in (each for each in EXPECTED if each not in names):
        judge = bad if name in NEEDED else wait
        yield judge("processes", f"{name} is not running" + (": alerts are late or missing" if name in NEEDED else ""), _START)
    others = sorted({f"{name} {facts.get('version', 'unknown')}" for name, facts in beats if facts.get("version") != VERSION})
    if others:
        yield wait("processes", f"of another version than {VERSION}: {', '.join(others)}", "start them again with this one")


def judge_feed(feed: Mapping[str, str], now_ms: int, *, is_ingest_there: bool) -> Iterator[Finding]:
    if not feed or not is_ingest_there:
        return
    opens_ms, frame_ms = int(feed.get("opens_ms") or 0), int(feed.get("frame_ms") or 0)
    is_open, opens_soon = opens_ms <= now_ms, opens_ms <= now_ms + AHEAD_MS
    state, reason = feed.get("state", "unknown"), feed.get("reason", "")
    told = f"{state.replace('_', ' ')}{f': {reason}' if reason else ''}"
    silent_ms = now_ms - frame_ms
    if state == "login_needed":
        judge = bad if opens_soon else wait
        yield judge("feed", told, "in the dashboard: Admin, Kite" + ("" if is_open else f", before {format_ist(opens_ms)}"))
    elif state != "streaming":
        yield (bad if is_open else wait)("feed", told, "ingest goes on trying; its log and Kite's status page say more")
    elif is_open and silent_ms > MUTE_MS:
        yield bad("feed", f"the newest frame is {silent_ms // SECOND_MS} s old", "start ingest again, and compare the clocks")
    else:
        yield good("feed", f"{told}, {feed.get('instruments', 0)} instruments, {feed.get('ticks_per_s', 0)} ticks/s")
    for sentence in json.loads(feed.get("troubles") or "{}").values():
        yield wait("feed", str(sentence), "docs/operations.md, Watching it")


def _streams(client: redis.Redis, case: Case) -> Iterator[Finding]:
    shards = keys.all_shards(case.config.shards)
    for name, group, most_ms in (
        ("ticks", keys.EVALUATOR_GROUP, TICKS_WAIT_MS),
        ("alerts", keys.DISPATCH_GROUP, ALERTS_WAIT_MS),
    ):
        oldest = {shard.tag: _oldest_ms(client, getattr(shard, name), group) for shard in shards}
        yield judge_lag(name, oldest, case.now_ms, most_ms)


def judge_lag(name: str, oldest_ms: Mapping[str, int], now_ms: int, most_ms: int) -> Finding:
    """`oldest_ms`: when the oldest unread entry of each shard was written; 0: all is read."""
    late = {shard: now_ms - ms for shard, ms in oldest_ms.items() if ms and now_ms - ms > most_ms}
    if late:
        shard = max(late, key=lambda each: late[each])
        reader = "evaluator" if name == "ticks" else "dispatch"
        found = f"{name} of {shard} wait for {late[shard] // SECOND_MS:,} s" + (
            f", as do {len(late) - 1} more" if len(late) > 1 else ""
        )
        return bad("streams", found, f"is {reader} running, and well? docs/operations.md, Watching it")
    return good("streams", f"no {name} wait, {len(oldest_ms)} shard{'s' if len(oldest_ms) != 1 else ''}")


def _oldest_ms(client: redis.Redis, stream: str, group: str) -> int:
    try:
        groups = client.xinfo_groups(stream)
    except ResponseError:
        # No stream yet.
        return 0
    read_to = next((str(each["last-delivered-id"]) for each in groups if each["name"] == group), "0-0")
    unread = cast(list[tuple[str, Any]], client.xrange(stream, min=f"({read_to}", count=1))
    return written_ms(unread[0][0]) if unread else 0
