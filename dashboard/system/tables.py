"""The status in depth as HTML: what is not well on top, then every part in a table. Pure."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from dashboard import texts
from dashboard.web.html import render
from stormalert import words
from stormalert.health.finding import Level, worst
from stormalert.histogram import Counted
from stormalert.units import SECOND_MS

_MARKS = {Level.GOOD: "✓ good", Level.WAIT: "… wait", Level.BAD: "! bad"}
_TOLD = {
    Level.GOOD: "All is well.",
    Level.WAIT: "Something is not as it should be.",
    Level.BAD: "Something is wrong.",
}
# Told in columns of their own.
_COLUMNS = frozenset(("name", "process", "version", "rss_bytes", "late_ms", "started_ms", "beat_ms", "login_ms"))


# Classes of columns in the style: set to the right; one that needs room.
_NUMBER, _WIDE = "number", "wide soft"


class PartTable(NamedTuple):
    """`columns`: titles and classes; `note` is said below the rows, or instead of them."""

    columns: tuple[tuple[str, str], ...] = ()
    rows: Sequence[Sequence[str]] = ()
    note: str = ""


def page(system: dict[str, Any]) -> str:
    findings = system["findings"]

    def section(title: str, part: str, table: PartTable) -> dict[str, Any]:
        return {"title": title, "level": worst(it["level"] for it in findings if it["part"] == part), "table": table}

    level = worst(it["level"] for it in findings)
    return render(
        "system/page.html",
        marks=_MARKS,
        level=level,
        overall=_TOLD[level],
        findings=findings,
        sections=(
            section("Processes", "processes", _processes(system)),
            section("Feed", "feed", _feed(system)),
            section("Streams", "streams", _streams(system)),
            section("Queue of messages", "queue", _queue(system["queue"])),
            section("Redis", "servers", _servers(system["servers"], system["latency_ms"])),
            section("Store", "store", _store(system["store"])),
            section("Notices that are open", "notices", _notices(system)),
        ),
    )


def _processes(system: dict[str, Any]) -> PartTable:
    now_ms = system["time_ms"]
    rows = [
        (
            it["name"],
            it["process"],
            str(it.get("version", "?")),
            texts.lasted(max(0, now_ms - int(it["started_ms"]))) if "started_ms" in it else "?",
            texts.size(int(it["rss_bytes"])) if "rss_bytes" in it else "?",
            f"{words.grouped(int(it.get('late_ms', 0)))} ms",
            f"{max(0, now_ms - int(it.get('beat_ms', now_ms))) / SECOND_MS:.0f} s ago",
            _counters(it),
        )
        for it in system["processes"]
    ]
    if not rows:
        return PartTable(note="None beats.")
    columns = (
        ("Process", "strong"),
        ("Host and number", "soft nowrap"),
        ("Version", ""),
        ("Up for", _NUMBER),
        ("Memory", _NUMBER),
        ("Wakes late by", _NUMBER),
        ("Beat", _NUMBER),
        ("Its own counters", _WIDE),
    )
    return PartTable(columns, rows)


def _counters(process: dict[str, Any]) -> str:
    return " · ".join(f"{name.replace('_', ' ')} {_told(value)}" for name, value in process.items() if name not in _COLUMNS)


def _told(value: Any) -> str:
    """Of a histogram how often, and how long on average."""
    if counted := Counted.read(value) if isinstance(value, str) else None:
        times = sum(counted.by_bucket)
        return f"{words.grouped(times)} of {counted.sum_ms / times:.1f} ms" if times else "0"
    return words.grouped(value) if isinstance(value, int) else str(value)


def _feed(system: dict[str, Any]) -> PartTable:
    feed = system["feed"]
    if not feed:
        return PartTable(note="Not reported yet.")
    since = f" since {words.moment(int(feed['since_ms']))} IST" if feed.get("since_ms") else ""
    because = f": {feed['reason']}" if feed.get("reason") else ""
    rows = [("State", f"{texts.feed_state(str(feed.get('state', '')))}{because}{since}")]
    for name, told in (
        ("ticks_per_s", "Ticks a second"),
        ("delay_p99_ms", "Delay in ingest, ms"),
        ("instruments", "Instruments"),
    ):
        if name in feed:
            rows.append((told, _told(feed[name])))
    if refused := texts.refusals({name: str(value) for name, value in feed.items()}):
        rows.append(("Packets that are no ticks", refused))
    rows += [("Gap" if number else "Newest gap", texts.gap(gap)) for number, gap in enumerate(system["gaps"][:5])]
    return PartTable((("", "name"), ("", "")), rows)


def _streams(system: dict[str, Any]) -> PartTable:
    rows = [
        (
            it["shard"],
            it["stream"],
            words.grouped(it["length"]),
            words.grouped(it["lag"]),
            texts.lasted(it["waits_ms"]) if it["waits_ms"] else "–",
        )
        for it in system["streams"]
    ]
    numbers = (("Entries kept", _NUMBER), ("Unread", _NUMBER), ("The oldest waits for", _NUMBER))
    return PartTable((("Shard", ""), ("Stream", ""), *numbers), rows)


def _queue(queue: dict[str, Any]) -> PartTable:
    if not queue:
        return PartTable(note="dispatch, which counts it, tells nothing.")
    oldest = texts.lasted(queue.get("oldest_ms", 0)) if queue.get("queued") else "–"
    counts = (words.grouped(queue.get(name, 0)) for name in ("queued", "waiting_to_retry", "failed"))
    titles = ("Wait for a worker", "Wait for their turn", "Failed", "The next waits for")
    return PartTable(tuple((title, _NUMBER) for title in titles), [(*counts, oldest)])


def _servers(servers: list[dict[str, Any]], latency_ms: float) -> PartTable:
    rows: list[tuple[str, ...]] = []
    for it in servers:
        if not it["is_told"]:
            rows.append((it["role"], "silent" if it["is_there"] else "away", *[""] * 5))
            continue
        memory = texts.size(it["used_bytes"]) + (f" of {texts.size(it['max_bytes'])}" if it["max_bytes"] else ", no limit")
        log = "off" if not it["is_logged"] else "on" if it["is_log_well"] else "failing"
        counts = (words.grouped(it[name]) for name in ("evicted", "clients"))
        server = f"{it['server']} {it['version']}"
        rows.append((it["role"], server, texts.lasted(it["uptime_s"] * SECOND_MS), memory, log, *counts))
    columns = (
        ("Holds", ""),
        ("Server", ""),
        ("Up for", _NUMBER),
        ("Memory", _NUMBER),
        ("Append-only file", ""),
        ("Thrown away", _NUMBER),
        ("Clients", _NUMBER),
    )
    return PartTable(columns, rows, f"The first one answered in {latency_ms} ms.")


def _store(store: dict[str, Any]) -> PartTable:
    if not store["is_there"]:
        return PartTable(note=f"{store['kind']}, away.")
    size = texts.size(store["size_bytes"]) if "size_bytes" in store else "–"
    row = (store["kind"], size, words.grouped(store["users"]), f"{store['latency_ms']} ms")
    return PartTable((("Kind", ""), ("Size", _NUMBER), ("Users", _NUMBER), ("Answers in", _NUMBER)), [row])


def _notices(system: dict[str, Any]) -> PartTable:
    if not system["notices"]:
        if not any(it["name"] == "bot" for it in system["processes"]):
            return PartTable(note="Nobody looks for trouble: the bot tells nothing.")
        return PartTable(note="None: the bot, which looks for trouble, finds none.")
    rows = [
        (
            str(it["headline"] or it["name"]),
            f"{words.moment(it['since_ms'])} IST" if it["since_ms"] else "",
            "well again" if it["well_ms"] else "told" if it["is_told"] else "not told yet: it may be a blip",
        )
        for it in system["notices"]
    ]
    return PartTable((("What", ""), ("Since", ""), ("Admins", "")), rows)
