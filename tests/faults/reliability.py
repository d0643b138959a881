"""docs/reliability.md: a row a fault, as `make faults` measured it."""

from collections.abc import Iterable, Iterator
from statistics import median

from stormalert.units import SECOND_MS
from tests.faults.catalogue import FAULTS
from tests.faults.ledger import LedgerRow

HEAD = """# Reliability

Made by `make faults`: it plays a market whose alerts are known, breaks one thing at a time, and holds what arrived against the
definition. `make test` does so with some of the faults, for a shorter time each.

*Expected* are the alerts that the definition has from the fault's beginning to that of the next one; each goes to five
channels, to the store and to an open page. *Lost*: those that are not in the stream, or not on every channel. *Twice*:
messages that went out once more; a provider that took a message and whose answer was lost gets it again, since nobody
can know. *Recovery*: from the end of the fault until an alert that fired after it was on every channel. *Slowest*: the
longest way of an alert to a channel that was not broken, the fault included. *Told*: what went to the channels of
admins and user, and how long after the fault began.

| fault | lasts | times | expected | lost | twice | recovery, median | worst | slowest | told |
|---|---|---|---|---|---|---|---|---|---|
"""


def document(rows: Iterable[LedgerRow]) -> str:
    by_fault: dict[str, list[LedgerRow]] = {}
    for row in rows:
        by_fault.setdefault(row.fault, []).append(row)
    return HEAD + "".join(f"| {' | '.join(_cells(fault, those))} |\n" for fault, those in by_fault.items())


def _cells(fault: str, rows: list[LedgerRow]) -> Iterator[str]:
    broken = FAULTS[fault].channel
    yield fault
    yield _seconds(max(row.lasted_ms for row in rows))
    yield str(len(rows))
    yield str(sum(row.expected for row in rows))
    yield str(sum(len(row.lost) for row in rows))
    yield str(sum(row.twice for row in rows))
    yield _seconds(median(row.recovered_ms for row in rows))
    yield _seconds(max(row.recovered_ms for row in rows))
    yield _seconds(max((ms for row in rows for kind, ms in row.worst_ms.items() if kind != broken), default=0))
    yield "; ".join(f"{told.text} ({_seconds(told.after_ms)})" for row in rows for told in row.told) or "-"


def _seconds(time_ms: float) -> str:
    return f"{time_ms / SECOND_MS:.1f} s"
