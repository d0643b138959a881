"""Whether all processes run, in one version, and have time for what they do."""

from collections.abc import Iterator

from stormalert import VERSION
from stormalert.health.facts import Facts
from stormalert.health.finding import Finding, Level
from stormalert.health.limits import LOOP_LATE_WAIT_MS
from stormalert.units import SECOND_MS

PART = "processes"
# Without one of these, alerts are late or missing.
NEEDED = ("ingest", "evaluator", "dispatch", "worker")
# What stands still without it, and how it is started by hand.
_PROCESSES = {
    "ingest": ("no prices come", "python -m ingest"),
    "evaluator": ("no rule is looked at", "python -m evaluator"),
    "dispatch": ("alerts do not become messages", "python -m workers dispatch"),
    "worker": ("messages are not sent", "python -m workers work"),
    "relay": ("the Live page does not move", "python -m dashboard.relay"),
    "bot": ("codes, test messages, Telegram's commands and notices to admins are not sent", "python -m workers bot"),
    "board": ("the queue's board is not there", "python -m workers board"),
    "dashboard": ("there is no page", "python -m dashboard"),
}


def check_missing(facts: Facts) -> Iterator[Finding]:
    if not facts.are_beats_known:
        return
    if not facts.processes:
        todo = "Before the first start that is right; else: docker compose up -d, or make run."
        yield Finding(Level.WAIT, PART, "No process is running", todo, name="none")
    for name, (purpose, command) in _PROCESSES.items():
        if running := len(facts.of(name)):
            yield Finding(Level.GOOD, PART, f"{name} x{running}" if running > 1 else name, name=f"missing-{name}")
        elif facts.processes:
            level = Level.BAD if name in NEEDED else Level.WAIT
            todo = f"It is usually started again by itself. Look at its log, and whether its supervisor starts it: {command}."
            yield Finding(level, PART, f"{name} is not running: {purpose}", todo, name=f"missing-{name}")


def check_versions(facts: Facts) -> Iterator[Finding]:
    """Against the version of who looks."""
    told = [it for it in facts.processes if "version" in it]
    others = sorted({f"{it['name']} {it['version']}" for it in told if it["version"] != VERSION})
    if others:
        todo = "Restart those with this version."
        yield Finding(Level.WAIT, PART, f"Of another version than {VERSION} run: {', '.join(others)}", todo, name="versions")
    elif told:
        yield Finding(Level.GOOD, PART, f"all of version {VERSION}", name="versions")


def check_late_loops(facts: Facts) -> Iterator[Finding]:
    for it in facts.processes:
        if (late_ms := it.get("late_ms", 0)) >= LOOP_LATE_WAIT_MS:
            what = f"{it['name']} ({it['process']}) wakes {late_ms / SECOND_MS:.1f} s too late"
            todo = "The machine has too little time for it: see what else runs there."
            yield Finding(Level.WAIT, PART, what, todo, name="busy")
