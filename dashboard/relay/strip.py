"""The whole of StormAlert in one colour, with the reasons in words: what the strip on top of the live page says. Pure."""

from collections.abc import Iterator
from typing import Any

from stormalert import words
from stormalert.health.capacity import NEARLY_PERCENT
from stormalert.units import HOUR_MS, SECOND_MS

GOOD, WAIT, BAD = "good", "wait", "bad"
# Kite's login can wait until some hours before the market opens.
AHEAD_MS = 3 * HOUR_MS
LATE_MS, VERY_LATE_MS = 1 * SECOND_MS, 5 * SECOND_MS
FULL_PERCENT = 100
# Notices of which no figure tells: a provider that takes nothing until an admin mends it, and one that fails often.
_PROVIDERS = {"alarm": BAD, "refusing": WAIT}
TICKS_WAIT, ALERTS_WAIT, MESSAGES_WAIT = 5_000, 100, 500


def figures(status: dict[str, Any]) -> dict[str, int]:
    """Of the whole: workers, messages that wait, and the milliseconds from a tick's arrival to its alert, at the slowest."""
    of = {name: [it for it in status["processes"] if it["name"] == name] for name in ("worker", "dispatch", "evaluator")}
    evaluated_ms = max((int(it.get("delay_ms", 0)) for it in of["evaluator"]), default=0)
    return {
        "workers": len(of["worker"]),
        "queued": max((int(it.get("queued", 0)) for it in of["dispatch"]), default=0),
        "latency_ms": int(status["feed"].get("delay_p99_ms", 0)) + evaluated_ms,
    }


def health_report(status: dict[str, Any], session: dict[str, Any], now_ms: int) -> dict[str, Any]:
    """`level`: good, wait or bad; `reasons`: sentences, the worst first. `status` has its `figures`."""
    is_on = session["is_open"]
    opens_soon = is_on or session["turn_ms"] - now_ms < AHEAD_MS
    found: list[tuple[str, str]] = []
    memory = status["memory"]
    is_full = status["is_disk_full"] or memory["percent"] >= FULL_PERCENT
    if is_full:
        what = "cannot write to its disk" if status["is_disk_full"] else f"is full, {memory['words']}"
        found.append((BAD, f"Redis {what}: no new prices are evaluated, and alerts are late."))
    elif memory["percent"] >= NEARLY_PERCENT:
        found.append((WAIT, f"Redis is nearly full: {memory['words']}."))
    # A full one takes no beats either, so nobody can tell who is there.
    for name in [] if is_full else status["missing"]:
        found.append((BAD, f"{name} is not running: alerts are late or missing."))
    feed = status["feed"]
    # Without ingest nothing is known of it.
    if "ingest" not in status["missing"]:
        found += _feed(feed, is_on=is_on, opens_soon=opens_soon)
    latency_ms = status["figures"]["latency_ms"]
    if latency_ms >= LATE_MS:
        level = BAD if latency_ms >= VERY_LATE_MS else WAIT
        found.append((level, f"From tick to alert it takes {latency_ms / SECOND_MS:.1f} s."))
    ticks, alerts = status["waiting"]["ticks"], status["waiting"]["alerts"]
    if ticks > TICKS_WAIT:
        found.append((BAD if ticks > 10 * TICKS_WAIT else WAIT, f"{words.grouped(ticks)} ticks wait for the evaluator."))
    if alerts > ALERTS_WAIT:
        found.append((WAIT, f"{words.grouped(alerts)} alerts wait for dispatch."))
    if (queued := status["figures"]["queued"]) > MESSAGES_WAIT:
        found.append((WAIT, f"{words.grouped(queued)} messages wait for a worker."))
    if left_out := feed.get("left_out"):
        found.append((WAIT, f"{words.grouped(int(left_out))} instruments are left out: Kite takes 9,000."))
    for notice in open_notices(status["notices"]):
        kind = notice["name"].partition("-")[0]
        if kind in _PROVIDERS:
            found.append((_PROVIDERS[kind], f"{headline(notice)}."))
    found.sort(key=lambda it: it[0] != BAD)
    return {"level": found[0][0] if found else GOOD, "reasons": [sentence for _, sentence in found]}


def _feed(feed: dict[str, Any], *, is_on: bool, opens_soon: bool) -> Iterator[tuple[str, str]]:
    state, reason = feed.get("state", ""), str(feed.get("reason") or "")
    if state == "login_needed":
        yield BAD if opens_soon else WAIT, _sentence("Log in to Kite", reason)
    elif state in ("stale", "unknown"):
        yield BAD if is_on else WAIT, _sentence("No prices come", reason)
    elif state != "streaming":
        yield WAIT, _sentence("The feed is starting", reason)


def open_notices(notices: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What admins were told of and is not over."""
    return [notice for notice in notices if notice["is_told"] and not notice["well_ms"]]


def headline(notice: dict[str, Any]) -> str:
    return str(notice["headline"] or notice["name"])


def _sentence(what: str, reason: str) -> str:
    return f"{what}: {reason.rstrip('.')}." if reason else f"{what}."
