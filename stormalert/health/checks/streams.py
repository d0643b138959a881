"""Whether what was written is read in time, and is what it should be."""

from collections.abc import Iterator

from stormalert import words
from stormalert.health.facts import Facts
from stormalert.health.finding import Finding, Level
from stormalert.health.limits import ALERTS_LATE_BAD_MS, DELAY_BAD_MS, DELAY_WAIT_MS, TICKS_LATE_BAD_MS
from stormalert.redis.keys import Shard
from stormalert.units import SECOND_MS

PART = "streams"


def check_ticks(facts: Facts) -> Iterator[Finding]:
    yield from _unread(facts, "ticks", "evaluator", TICKS_LATE_BAD_MS)


def check_alerts(facts: Facts) -> Iterator[Finding]:
    yield from _unread(facts, "alerts", "dispatch", ALERTS_LATE_BAD_MS)


def check_malformed(facts: Facts) -> Iterator[Finding]:
    if facts.malformed:
        what = f"Entries of the ticks' streams that are no ticks: {words.grouped(facts.malformed)}"
        todo = f"Something else than ingest writes there: HGET {Shard.counters.name} malformed_last shows the newest."
        yield Finding(Level.WAIT, PART, what, todo, name="malformed")


def check_delay(facts: Facts) -> Iterator[Finding]:
    delay_ms = tick_to_alert_ms(facts)
    if delay_ms >= DELAY_WAIT_MS:
        level = Level.BAD if delay_ms >= DELAY_BAD_MS else Level.WAIT
        todo = "Look at the processor of the Redis node; more shards spread the work."
        yield Finding(level, PART, f"From tick to alert it takes {delay_ms / SECOND_MS:.1f} s", todo, name="delay")


def tick_to_alert_ms(facts: Facts) -> int:
    """From a tick's arrival to its alert, at the slowest."""
    evaluated_ms = max((int(it.get("delay_ms", 0)) for it in facts.of("evaluator")), default=0)
    return (int(facts.feed.get("delay_p99_ms", 0)) if facts.is_feed_known else 0) + evaluated_ms


def _unread(facts: Facts, stream: str, reader: str, most_ms: int) -> Iterator[Finding]:
    """Of the shard whose oldest entry waits longest; a reader that is missing is told as that."""
    streams = [it for it in facts.streams if it.name == stream]
    if not streams or (facts.processes and reader not in facts.beating):
        return
    late = [it for it in streams if it.oldest_ms and facts.now_ms - it.oldest_ms >= most_ms]
    late.sort(key=lambda it: it.oldest_ms)
    if not late:
        shards = words.count_of(len(streams), "shard")
        yield Finding(Level.GOOD, PART, f"no {stream} wait, {shards}", name=reader)
        return
    oldest, behind = late[0], words.rough_duration(facts.now_ms - late[0].oldest_ms)
    more = f", as do those of {len(late) - 1} more" if len(late) > 1 else ""
    what = (
        f"Alerts are late: the evaluator is {behind} behind"
        if stream == "ticks"
        else f"Alerts are late: dispatch is {behind} behind"
    )
    todo = (
        f"{words.grouped(oldest.waiting)} {stream} of shard {oldest.shard} wait{more}. "
        f"Is {reader} well, and has Redis time for it? More of it may be started."
    )
    yield Finding(Level.BAD, PART, what, todo, oldest.oldest_ms, reader)
