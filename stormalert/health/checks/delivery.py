"""Whether messages go out, and providers take them."""

from collections.abc import Iterator

from stormalert import channels, words
from stormalert.health.facts import Facts, Tries
from stormalert.health.finding import Finding, Level, sentence
from stormalert.health.limits import MESSAGES_LATE_BAD_MS, MESSAGES_MANY_WAIT, REFUSED_BAD

PART = "queue"
# A server that its owner chose is the owner's to mend, whom its failed messages tell.
_CHANNELS = {kind: name for kind, name in words.CHANNELS.items() if not channels.of(kind).is_owners_server}


def check_queue(facts: Facts) -> Iterator[Finding]:
    """By the queue as dispatch counts it, and by the deliveries in the store where those were looked at."""
    now_ms, waiting = facts.now_ms, facts.waiting
    queued, since_ms = int(facts.queue.get("queued", 0)), int(facts.queue.get("queued_since_ms", 0))
    if waiting and waiting.deliveries:
        since_ms, count = waiting.since_ms, waiting.deliveries
    else:
        count = queued
    if count and since_ms and now_ms - since_ms >= MESSAGES_LATE_BAD_MS:
        what = f"The queue grows: {_messages(count)}, the oldest for {words.rough_duration(now_ms - since_ms)}"
        todo = "Are the workers well? More of them help: STORM_WORKERS."
        yield Finding(Level.BAD, PART, what, todo, since_ms, "queue")
    elif queued > MESSAGES_MANY_WAIT:
        todo = "It empties as fast as providers take them; more workers may be started: STORM_WORKERS."
        yield Finding(Level.WAIT, PART, f"{_messages(queued)} for a worker", todo, name="queued")
    elif waiting is not None:
        yield Finding(Level.GOOD, PART, "no message waits for long", name="queue")


def check_failed_jobs(facts: Facts) -> Iterator[Finding]:
    if failed := int(facts.queue.get("failed", 0)):
        what = f"{words.count_of(failed, 'job')} failed"
        yield Finding(Level.WAIT, PART, what, "See why under Admin, Queue; what is still news is tried again.", name="failed")


def check_alarms(facts: Facts) -> Iterator[Finding]:
    if facts.alarms is None:
        return
    by_kind = {alarm.kind: alarm for alarm in facts.alarms}
    for kind, name in words.CHANNELS.items():
        if alarm := by_kind.get(kind):
            todo = f"{sentence(alarm.reason)} Mend it, then say so under Admin, Queue."
            yield Finding(Level.BAD, PART, f"{name} takes no messages from us", todo, alarm.time_ms, f"alarm-{kind}")
        else:
            yield Finding(Level.GOOD, PART, f"{name} raised no alarm", name=f"alarm-{kind}")


def check_refusals(facts: Facts) -> Iterator[Finding]:
    """Nothing of one without tries, of which nobody knows, nor of one that an alarm tells better."""
    alarmed = {alarm.kind for alarm in facts.alarms or ()}
    for kind, name in _CHANNELS.items():
        tries = (facts.tries or {}).get(kind, Tries(0, 0))
        if kind in alarmed:
            continue
        if tries.refused >= REFUSED_BAD and tries.refused >= tries.taken:
            what = f"{name} messages fail: {tries.refused} of the last {tries.refused + tries.taken} tries"
            todo = "They are tried again for an hour. The history of any of them says what the provider answered."
            yield Finding(Level.BAD, PART, what, todo, name=f"refusing-{kind}")
        elif tries.taken > tries.refused:
            yield Finding(Level.GOOD, PART, f"{name} takes our messages", name=f"refusing-{kind}")


def _messages(count: int) -> str:
    return f"{words.count_of(count, 'message')} {'waits' if count == 1 else 'wait'}"
