"""The health report: what all checks found, and what admins were told of that these facts do not show. Pure."""

from collections.abc import Iterable, Iterator

from stormalert.health.checks import CHECKS
from stormalert.health.facts import Facts, OpenNotice
from stormalert.health.finding import WORST_FIRST, Finding, Level


def report(facts: Facts) -> list[Finding]:
    """Also what is well."""
    found = [finding for check in CHECKS for finding in check(facts)]
    return [*found, *_told(facts, {finding.name for finding in found})]


def not_good(findings: Iterable[Finding]) -> list[Finding]:
    """The worst first; none: all is well."""
    return sorted((it for it in findings if it.level is not Level.GOOD), key=lambda it: WORST_FIRST.index(it.level))


def _told(facts: Facts, judged: set[str]) -> Iterator[Finding]:
    """The bot asks what others do not: the deliveries in the store, the providers' answers, the certificate."""
    for notice in facts.notices:
        if is_open(notice) and notice.name not in judged:
            what, todo = notice.headline or notice.name, "All admins have been told of it."
            yield Finding(notice.level, "notices", what, todo, notice.since_ms, notice.name)


def is_open(notice: OpenNotice) -> bool:
    """What admins were told of and is not over."""
    return notice.is_told and not notice.well_ms
