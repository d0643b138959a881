"""What the status in depth means: each thing that is not well, with what to do about it. Pure.

For the admin who looks; who does not look is told by the bot's notices, which wait until a trouble has lasted.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from dashboard import texts
from dashboard.relay.strip import ALERTS_WAIT, BAD, GOOD, MESSAGES_WAIT, TICKS_WAIT, WAIT, headline, open_notices
from stormalert import words
from stormalert.units import HOUR_MS, MINUTE_MS, SECOND_MS

# What stands still without it.
_PURPOSES = {
    "ingest": "no prices come",
    "evaluator": "no rule is looked at",
    "dispatch": "alerts do not become messages",
    "worker": "messages are not sent",
    "relay": "the Live page does not move",
    "bot": "codes, test messages, Telegram's commands and notices to admins are not sent",
    "board": "the queue's board is not there",
    "dashboard": "there is no page",
}
OLDEST_MS = 2 * MINUTE_MS
LATE_MS, SLOW_STORE_MS = SECOND_MS, 500
FULL, VERY_FULL = 0.8, 0.95
FLOOR = (7, 0)
_WORST_FIRST = (BAD, WAIT, GOOD)


class Finding(NamedTuple):
    level: str
    # feed, processes, streams, queue, servers, store or notices.
    part: str
    what: str
    todo: str

    def as_dict(self) -> dict[str, str]:
        return self._asdict()


def checkup(system: dict[str, Any]) -> list[Finding]:
    """The worst first; none: all is well."""
    parts = (_notices, _processes, _feed, _streams, _queue, _servers, _store)
    found = [finding for part in parts for finding in part(system)]
    return sorted(found, key=lambda it: _WORST_FIRST.index(it.level))


def worst(levels: list[str]) -> str:
    return next((level for level in _WORST_FIRST if level in levels), GOOD)


def _notices(system: dict[str, Any]) -> Iterator[Finding]:
    for notice in open_notices(system["notices"]):
        since = f", since {words.moment(notice['since_ms'], system['time_ms'])} IST" if notice["since_ms"] else ""
        yield Finding(BAD, "notices", f"{headline(notice)}{since}.", "All admins have been told of it.")


def _processes(system: dict[str, Any]) -> Iterator[Finding]:
    beating = {process["name"] for process in system["processes"]}
    for name, purpose in _PURPOSES.items():
        if name not in beating:
            todo = f"Look at its log, and whether its supervisor starts it again: {_command(name)}."
            yield Finding(BAD if name in system["missing"] else WAIT, "processes", f"{name} is not running: {purpose}.", todo)
    if len(versions := sorted({str(it["version"]) for it in system["processes"] if "version" in it})) > 1:
        told = f"Processes of several versions run: {', '.join(versions)}."
        yield Finding(WAIT, "processes", told, "Restart those that are older; the table below says which.")
    for process in system["processes"]:
        if (late_ms := process.get("late_ms", 0)) >= LATE_MS:
            what = f"{process['name']} ({process['process']}) wakes {late_ms / SECOND_MS:.1f} s too late."
            yield Finding(WAIT, "processes", what, "The machine has too little time for it: see what else runs there.")


def _command(name: str) -> str:
    return {
        "ingest": "python -m ingest",
        "evaluator": "python -m evaluator",
        "dispatch": "python -m workers dispatch",
        "worker": "python -m workers work",
        "relay": "python -m dashboard.relay",
        "bot": "python -m workers bot",
        "board": "python -m workers board",
        "dashboard": "python -m dashboard",
    }[name]


def _feed(system: dict[str, Any]) -> Iterator[Finding]:
    """Nothing of one that is unknown: that ingest is not running is told among the processes."""
    feed, now_ms = system["feed"], system["time_ms"]
    state, reason = feed.get("state", ""), str(feed.get("reason") or "").rstrip(".")
    because = f": {reason}" if reason else ""
    is_soon = int(feed.get("opens_ms") or 0) <= now_ms + 3 * HOUR_MS
    if state == "login_needed":
        yield Finding(BAD if is_soon else WAIT, "feed", f"Kite login needed{because}.", "Log in under Kite.")
    elif state == "stale":
        todo = "It connects again by itself; when it does not, see Kite's status page and the network."
        yield Finding(BAD if is_soon else WAIT, "feed", f"No prices come{because}.", todo)
    elif state not in ("streaming", "unknown"):
        yield Finding(WAIT, "feed", f"The feed is starting{because}.", "It takes some seconds.")
    if feed.get("trouble"):
        yield Finding(WAIT, "feed", f"{feed['trouble']}.", "It is tried again by itself; what is above says what to mend.")
    recent = [gap for gap in system["gaps"] if gap["to_ms"] > now_ms - HOUR_MS]
    if recent:
        lost = sum(gap["lost"] for gap in recent)
        what = f"{_several(len(recent), 'gap')} in the last hour" + (f", {words.grouped(lost)} prices lost." if lost else ".")
        yield Finding(WAIT, "feed", what, "See which under Kite; several in a row speak of the network.")


def _streams(system: dict[str, Any]) -> Iterator[Finding]:
    for it in system["streams"]:
        most, reader = (TICKS_WAIT, "evaluator") if it["stream"] == "ticks" else (ALERTS_WAIT, "dispatch")
        if it["lag"] > most:
            what = f"{words.grouped(it['lag'])} {it['stream']} of shard {it['shard']} wait for {reader}."
            todo = f"Is {reader} running, and has Redis time for it? More of it may be started."
            yield Finding(BAD if it["lag"] > 10 * most else WAIT, "streams", what, todo)
    if system["malformed"]:
        what = f"Entries of the ticks' streams that are no ticks: {words.grouped(system['malformed'])}."
        todo = "Something else than ingest writes there: storm:{s0}:counters has the last one."
        yield Finding(WAIT, "streams", what, todo)


def _queue(system: dict[str, Any]) -> Iterator[Finding]:
    queue = system["queue"]
    if queue.get("oldest_ms", 0) > OLDEST_MS:
        what = f"The next message has waited for {texts.lasted(queue['oldest_ms'])}."
        yield Finding(BAD, "queue", what, "Are workers running? More of them may be started: STORM_WORKERS.")
    elif queue.get("queued", 0) > MESSAGES_WAIT:
        what = f"Messages that wait for a worker: {words.grouped(queue['queued'])}."
        yield Finding(WAIT, "queue", what, "It empties as fast as providers take them; more workers may be started.")
    if queue.get("failed"):
        what = f"{_several(queue['failed'], 'job')} failed."
        yield Finding(WAIT, "queue", what, "See why under Queue; what is still news is tried again.")


def _servers(system: dict[str, Any]) -> Iterator[Finding]:
    for it in system["servers"]:
        name = f"The Redis of {it['role']}"
        if not it["is_there"]:
            yield Finding(BAD, "servers", f"{name} does not answer.", "Start it; nothing is lost meanwhile but prices.")
        elif not it["is_told"]:
            yield Finding(WAIT, "servers", f"{name} does not tell of itself.", "Our user there may not call INFO.")
        else:
            yield from _server(name, it)


def _server(name: str, it: dict[str, Any]) -> Iterator[Finding]:
    version = tuple(int(part) for part in str(it["version"]).split(".")[:2])
    if version < FLOOR:
        yield Finding(BAD, "servers", f"{name} is version {it['version']}.", "7.0 is needed, or Valkey 7.2.")
    if most := it.get("max_bytes"):
        share = it["used_bytes"] / most
        if share > FULL:
            what = f"{name} uses {share:.0%} of the memory it may have, {texts.size(most)}."
            todo = "Give it more (maxmemory); when it is full, it takes no ticks."
            yield Finding(BAD if share > VERY_FULL else WAIT, "servers", what, todo)
    if most and it.get("policy") not in ("noeviction", None):
        what = f"{name} throws keys away when it is full ({it['policy']})."
        yield Finding(BAD, "servers", what, "Set maxmemory-policy noeviction: a rule that is thrown away is silent.")
    if it.get("evicted"):
        what = f"{name} has thrown {_several(it['evicted'], 'key')} away since it was started."
        yield Finding(BAD, "servers", what, "Set maxmemory-policy noeviction, give it more memory, then restart the evaluator.")
    if not it["is_logged"]:
        what = f"{name} keeps nothing over a crash: its append-only file is off."
        yield Finding(WAIT, "servers", what, "Set appendonly yes; else windows, peaks and unsent alerts go with it.")
    elif not it["is_log_well"]:
        yield Finding(BAD, "servers", f"{name} cannot write its append-only file.", "Is its disk full? See its log.")
    if it.get("rejected"):
        what = f"{name} turned {_several(it['rejected'], 'connection')} away."
        yield Finding(WAIT, "servers", what, "Set maxclients higher.")


def _store(system: dict[str, Any]) -> Iterator[Finding]:
    store = system["store"]
    if not store["is_there"]:
        todo = "Is it running, and its address right? Rules stay armed; alerts are kept in Redis until it is back."
        yield Finding(BAD, "store", "The store does not answer.", todo)
    elif store["latency_ms"] > SLOW_STORE_MS:
        yield Finding(WAIT, "store", f"The store takes {store['latency_ms']:.0f} ms to answer.", "Is its disk or network slow?")


def _several(count: int, noun: str) -> str:
    return f"{words.grouped(count)} {noun}{'' if count == 1 else 's'}"
