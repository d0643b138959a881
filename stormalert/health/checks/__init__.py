"""One function a check: pure, from the facts to a finding for each thing that it can judge.

A finding that is GOOD says that it is well; no finding, that nobody can tell, or that it does not matter.
"""

from collections.abc import Callable, Iterator

from stormalert.health.checks import delivery, feed, processes, servers, store, streams
from stormalert.health.facts import Facts
from stormalert.health.finding import Finding

Check = Callable[[Facts], Iterator[Finding]]
# In the order of the data's way.
CHECKS: tuple[Check, ...] = (
    processes.check_missing,
    processes.check_versions,
    processes.check_late_loops,
    feed.check_login,
    feed.check_feed,
    feed.check_troubles,
    feed.check_gaps,
    streams.check_ticks,
    streams.check_alerts,
    streams.check_malformed,
    streams.check_delay,
    delivery.check_queue,
    delivery.check_failed_jobs,
    delivery.check_alarms,
    delivery.check_refusals,
    servers.check_servers,
    servers.check_certificate,
    store.check_store,
)
