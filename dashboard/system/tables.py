"""The status in depth as HTML: what is not well on top, then every part in a table. Pure; every text is escaped."""

from collections.abc import Iterable
from html import escape
from typing import Any

from dashboard import texts
from stormalert import words
from stormalert.health.finding import Level, worst
from stormalert.histogram import Counted
from stormalert.units import SECOND_MS

_STYLE = """<style>
.sys{font-variant-numeric:tabular-nums;font-size:.9rem;line-height:1.45}
.sys h3{font-size:1rem!important;margin:1.4rem 0 .3rem;padding:0;display:flex;gap:.6rem;align-items:center}
.sys td.wide{min-width:15rem}.sys td.name{width:14rem;opacity:.7}
.sys .scroll{overflow-x:auto}
.sys table{border-collapse:collapse;width:100%;margin:0}
.sys th{font-weight:500;font-size:.78rem;opacity:.7;text-align:left}
.sys th,.sys td{padding:.3rem .7rem .3rem 0;border:0;border-bottom:1px solid color-mix(in srgb,currentColor 13%,transparent);
vertical-align:top}
.sys .n{text-align:right;white-space:nowrap}.sys .soft{opacity:.7}.sys .nowrap{white-space:nowrap}
.sys .mark{display:inline-block;min-width:3.9rem;padding:0 .55rem;border-radius:1rem;font-weight:600;font-size:.78rem;
color:#fff;text-align:center;white-space:nowrap}
.sys .good{background:#00734f}.sys .wait{background:#8a6100}.sys .bad{background:#b3261e}
.sys .overall{font-size:1.05rem;font-weight:600;display:flex;gap:.7rem;align-items:center;margin-bottom:.4rem}
.sys ul{list-style:none;margin:0;padding:0}.sys li{display:flex;gap:.7rem;padding:.35rem 0;align-items:baseline}
.sys li small{display:block;opacity:.75;font-size:.85rem}
</style>"""
_MARKS = {Level.GOOD: "✓ good", Level.WAIT: "… wait", Level.BAD: "! bad"}
_TOLD = {
    Level.GOOD: "All is well.",
    Level.WAIT: "Something is not as it should be.",
    Level.BAD: "Something is wrong.",
}
# Told in columns of their own.
_COLUMNS = frozenset(("name", "process", "version", "rss_bytes", "late_ms", "started_ms", "beat_ms", "login_ms"))


def page(system: dict[str, Any]) -> str:
    findings = system["findings"]

    def level(*parts: str) -> str:
        return worst(it["level"] for it in findings if it["part"] in parts)

    sections = (
        _section("Processes", level("processes"), _processes(system)),
        _section("Feed", level("feed"), _feed(system)),
        _section("Streams", level("streams"), _streams(system)),
        _section("Queue of messages", level("queue"), _queue(system["queue"])),
        _section("Redis", level("servers"), _servers(system["servers"], system["latency_ms"])),
        _section("Store", level("store"), _store(system["store"])),
        _section("Notices that are open", level("notices"), _notices(system)),
    )
    return f'{_STYLE}<div class="sys">{_overall(findings)}{"".join(sections)}</div>'


def mark(level: str) -> str:
    return f'<span class="mark {level}">{_MARKS[Level(level)]}</span>'


def _overall(findings: list[dict[str, str]]) -> str:
    level = worst(it["level"] for it in findings)
    told = _TOLD[level]
    rows = "".join(
        f"<li>{mark(it['level'])}<span>{escape(it['what'])}<small>{escape(it['todo'])}</small></span></li>" for it in findings
    )
    return f'<div class="overall" role="status">{mark(level)}<span>{told}</span></div><ul>{rows}</ul>'


def _section(title: str, level: str, body: str) -> str:
    return f"<h3>{mark(level)} {title}</h3>{body}"


def _table(columns: Iterable[str], rows: Iterable[Iterable[str]], numbers: frozenset[int], wide: int = -1) -> str:
    """Cells are HTML; `numbers` are the columns that are set to the right, `wide` is one that needs room."""

    def cell(tag: str, place: int, html: str) -> str:
        kind = "n" if place in numbers else "wide soft" if place == wide else ""
        return f'<{tag} class="{kind}">{html}</{tag}>' if kind else f"<{tag}>{html}</{tag}>"

    head = "".join(cell("th", place, escape(name)) for place, name in enumerate(columns))
    body = "".join(f"<tr>{''.join(cell('td', place, html) for place, html in enumerate(row))}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _processes(system: dict[str, Any]) -> str:
    now_ms = system["time_ms"]
    rows = [
        (
            f"<b>{escape(it['name'])}</b>",
            f'<span class="soft nowrap">{escape(it["process"])}</span>',
            escape(str(it.get("version", "?"))),
            texts.lasted(max(0, now_ms - int(it["started_ms"]))) if "started_ms" in it else "?",
            texts.size(int(it["rss_bytes"])) if "rss_bytes" in it else "?",
            f"{words.grouped(int(it.get('late_ms', 0)))} ms",
            f"{max(0, now_ms - int(it.get('beat_ms', now_ms))) / SECOND_MS:.0f} s ago",
            _counters(it),
        )
        for it in system["processes"]
    ]
    if not rows:
        return '<p class="soft">None beats.</p>'
    names = ("Process", "Host and number", "Version", "Up for", "Memory", "Wakes late by", "Beat", "Its own counters")
    return _table(names, rows, frozenset((3, 4, 5, 6)), wide=7)


def _counters(process: dict[str, Any]) -> str:
    return " · ".join(
        f"{escape(name.replace('_', ' '))} {_told(value)}" for name, value in process.items() if name not in _COLUMNS
    )


def _told(value: Any) -> str:
    """Of a histogram how often, and how long on average."""
    if counted := Counted.read(value) if isinstance(value, str) else None:
        times = sum(counted.by_bucket)
        return f"{words.grouped(times)} of {counted.sum_ms / times:.1f} ms" if times else "0"
    return words.grouped(value) if isinstance(value, int) else escape(str(value))


def _feed(system: dict[str, Any]) -> str:
    feed = system["feed"]
    if not feed:
        return '<p class="soft">Not reported yet.</p>'
    since = f" since {words.moment(int(feed['since_ms']))} IST" if feed.get("since_ms") else ""
    because = f": {escape(str(feed['reason']))}" if feed.get("reason") else ""
    rows = [("State", f"{escape(texts.feed_state(str(feed.get('state', ''))))}{because}{since}")]
    for name, told in (
        ("ticks_per_s", "Ticks a second"),
        ("delay_p99_ms", "Delay in ingest, ms"),
        ("instruments", "Instruments"),
    ):
        if name in feed:
            rows.append((told, _told(feed[name])))
    if refused := texts.refusals({name: str(value) for name, value in feed.items()}):
        rows.append(("Packets that are no ticks", escape(refused)))
    rows += [("Gap" if number else "Newest gap", escape(texts.gap(gap))) for number, gap in enumerate(system["gaps"][:5])]
    told = "".join(f'<tr><td class="name">{name}</td><td>{value}</td></tr>' for name, value in rows)
    return f'<div class="scroll"><table><tbody>{told}</tbody></table></div>'


def _streams(system: dict[str, Any]) -> str:
    rows = [
        (
            escape(it["shard"]),
            escape(it["stream"]),
            words.grouped(it["length"]),
            words.grouped(it["lag"]),
            texts.lasted(it["waits_ms"]) if it["waits_ms"] else "–",
        )
        for it in system["streams"]
    ]
    return _table(("Shard", "Stream", "Entries kept", "Unread", "The oldest waits for"), rows, frozenset((2, 3, 4)))


def _queue(queue: dict[str, Any]) -> str:
    if not queue:
        return '<p class="soft">dispatch, which counts it, tells nothing.</p>'
    oldest = texts.lasted(queue.get("oldest_ms", 0)) if queue.get("queued") else "–"
    row = [words.grouped(queue.get(name, 0)) for name in ("queued", "waiting_to_retry", "failed")]
    return _table(
        ("Wait for a worker", "Wait for their turn", "Failed", "The next waits for"), [[*row, oldest]], frozenset(range(4))
    )


def _servers(servers: list[dict[str, Any]], latency_ms: float) -> str:
    rows = []
    for it in servers:
        if not it["is_told"]:
            rows.append((escape(it["role"]), "silent" if it["is_there"] else "away", *[""] * 5))
            continue
        memory = texts.size(it["used_bytes"]) + (f" of {texts.size(it['max_bytes'])}" if it["max_bytes"] else ", no limit")
        log = "off" if not it["is_logged"] else "on" if it["is_log_well"] else "failing"
        counts = (words.grouped(it[name]) for name in ("evicted", "clients"))
        server = escape(f"{it['server']} {it['version']}")
        rows.append((escape(it["role"]), server, texts.lasted(it["uptime_s"] * SECOND_MS), memory, log, *counts))
    names = ("Holds", "ServerReading", "Up for", "Memory", "Append-only file", "Thrown away", "Clients")
    table = _table(names, rows, frozenset((2, 3, 5, 6)))
    return f'{table}<p class="soft">The first one answered in {latency_ms} ms.</p>'


def _store(store: dict[str, Any]) -> str:
    if not store["is_there"]:
        return f'<p class="soft">{store["kind"]}, away.</p>'
    size = texts.size(store["size_bytes"]) if "size_bytes" in store else "–"
    row = (store["kind"], size, words.grouped(store["users"]), f"{store['latency_ms']} ms")
    return _table(("Kind", "Size", "Users", "Answers in"), [row], frozenset((1, 2, 3)))


def _notices(system: dict[str, Any]) -> str:
    if not system["notices"]:
        if not any(it["name"] == "bot" for it in system["processes"]):
            return '<p class="soft">Nobody looks for trouble: the bot tells nothing.</p>'
        return '<p class="soft">None: the bot, which looks for trouble, finds none.</p>'
    rows = [
        (
            escape(str(it["headline"] or it["name"])),
            f"{words.moment(it['since_ms'])} IST" if it["since_ms"] else "",
            "well again" if it["well_ms"] else "told" if it["is_told"] else "not told yet: it may be a blip",
        )
        for it in system["notices"]
    ]
    return _table(("What", "Since", "Admins"), rows, frozenset())
