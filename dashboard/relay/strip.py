"""The strip on top of the Live page: the health report in one colour and in words, as far as it concerns members. Pure."""

from collections.abc import Iterable
from typing import Any

from stormalert.health.checks.processes import NEEDED
from stormalert.health.checks.streams import tick_to_alert_ms
from stormalert.health.facts import Facts
from stormalert.health.finding import Finding, worst
from stormalert.health.report import not_good

# Kinds of findings that change what a member gets; disks, versions and settings are for admins.
SHOWN = frozenset("away login feed evaluator dispatch delay queue queued memory disk alarm refusing".split())
_SHOWN_BY_NAME = frozenset(("trouble-left_out", *(f"missing-{name}" for name in NEEDED)))


def figures(facts: Facts) -> dict[str, int]:
    """Of the whole: workers, messages that wait, and the milliseconds from a tick's arrival to its alert, at the slowest."""
    return {
        "workers": len(facts.of("worker")),
        "queued": int(facts.queue.get("queued", 0)),
        "latency_ms": tick_to_alert_ms(facts),
    }


def health_report(findings: Iterable[Finding]) -> dict[str, Any]:
    """`level`: good, wait or bad; `reasons`: sentences, the worst first."""
    shown = [it for it in not_good(findings) if is_shown(it)]
    return {"level": worst(it.level for it in shown), "reasons": [f"{it.what}." for it in shown]}


def is_shown(finding: Finding) -> bool:
    return finding.kind in SHOWN or finding.name in _SHOWN_BY_NAME
