"""What was found, for people and for machines."""

import json
import logging
import os
import sys
from collections import Counter
from collections.abc import Sequence

from ops.doctor.examine import examine
from stormalert.health.finding import Finding, Level, worst

SIGNS = {Level.GOOD: "✓", Level.WAIT: "!", Level.BAD: "✗"}
EXIT_CODES = {Level.GOOD: 0, Level.WAIT: 1, Level.BAD: 2}
_COLOURS = {Level.GOOD: "32", Level.WAIT: "33", Level.BAD: "31"}


def run(*, is_json: bool) -> int:
    """Exit code: 0 all is good, 1 something can wait, 2 something is wrong."""
    # What a check logs is among its findings too.
    logging.disable(logging.CRITICAL)
    findings = examine()
    is_coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    print(as_json(findings) if is_json else as_text(findings, is_coloured=is_coloured))
    return EXIT_CODES[worst(it.level for it in findings)]


def as_text(findings: Sequence[Finding], *, is_coloured: bool = False) -> str:
    width = max((len(finding.part) for finding in findings), default=0)
    lines = []
    for finding in findings:
        sign = SIGNS[finding.level]
        told = f"\033[{_COLOURS[finding.level]}m{sign}\033[0m" if is_coloured else sign
        lines.append(f"{told} {finding.part:{width}}  {finding.what}")
        if finding.todo:
            lines.append(f"  {'':{width}}  → {finding.todo}")
    return "\n".join([*lines, "", summary(findings)])


def summary(findings: Sequence[Finding]) -> str:
    counts = Counter(finding.level for finding in findings)
    told = [f"{counts[level]} {words}" for level, words in ((Level.BAD, "wrong"), (Level.WAIT, "can wait")) if counts[level]]
    return f"{', '.join(told)}, {counts[Level.GOOD]} good." if told else "All is good."


def as_json(findings: Sequence[Finding]) -> str:
    rows = [{"subject": it.part, "level": it.level, "found": it.what, "advice": it.todo} for it in findings]
    return json.dumps({"level": worst(it.level for it in findings), "findings": rows}, ensure_ascii=False, indent=2)
