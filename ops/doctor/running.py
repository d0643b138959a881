"""What runs: the processes, the feed, what lies unread, and what goes out. The health report, as the doctor tells it."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import aclosing
from dataclasses import replace

from redis.exceptions import NoPermissionError

from ops.doctor.case import Case
from ops.doctor.servers import ASK_S
from stormalert.health.checks import servers, store
from stormalert.health.checks.delivery import check_alarms
from stormalert.health.facts import Facts
from stormalert.health.finding import Finding, Level, wait
from stormalert.health.reading import read_facts, read_more
from stormalert.health.report import report
from stormalert.notify.alarms import alarms
from stormalert.process import REDIS_ERRORS, connect

# Checks of their own tell these, with what can be asked from here: the reason, the way, the version.
_ELSEWHERE = (servers.PART, store.PART)


def check_running(case: Case) -> Iterator[Finding]:
    try:
        facts = asyncio.run(_facts(case))
    except NoPermissionError:
        yield wait("processes", "our user of Redis may not look at them", "Give the doctor the dashboard's user.")
        yield from told(check_alarms(_of_store(case)))
    except REDIS_ERRORS:
        # Its own check says so.
        yield wait("processes", "nobody knows without Redis", "Mend Redis first.")
        yield from told(check_alarms(_of_store(case)))
    else:
        yield from told(report(facts))


def told(findings: Iterable[Finding]) -> list[Finding]:
    """What is well in one line for each part; the rest as it was found."""
    found: list[Finding] = []
    ours = [it for it in findings if it.part not in _ELSEWHERE or (it.name == "store" and it.level is Level.WAIT)]
    for part in dict.fromkeys(it.part for it in ours):
        of_part = [it for it in ours if it.part == part]
        if well := [it for it in of_part if it.level is Level.GOOD]:
            found.append(well[0]._replace(what=", ".join(it.what for it in well)))
        found += [it for it in of_part if it.level is not Level.GOOD]
    return found


def _of_store(case: Case) -> Facts:
    return Facts(case.now_ms, alarms=alarms(case.store) if case.store else None)


async def _facts(case: Case) -> Facts:
    async with aclosing(connect(case.config.redis_url, ASK_S)) as client:
        facts = await read_facts(client, case.config)
        return replace(facts, **await read_more(client, case.store, case.config))
