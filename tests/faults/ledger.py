"""What came of the alerts of each fault: expected, in stream and store, delivered, shown; lost, twice, and what was told."""

from bisect import bisect_right
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

from stormalert.model import Tick
from tests.e2e import accounts
from tests.e2e.accounts import Accounts
from tests.evaluator.oracle import expected_alerts
from tests.faults.fault_run import FaultRun, Injection


@dataclass(frozen=True)
class Told:
    """A notice: its first line, and how long after the fault began it went out."""

    text: str
    after_ms: int


@dataclass
class LedgerRow:
    """One injection. `lost`: alerts that the definition has and that are not on every channel, and what fired against it;
    `worst_ms`: the longest way of an alert to a channel, by kind."""

    fault: str
    lasted_ms: int
    recovered_ms: int
    expected: int = 0
    in_stream: int = 0
    in_store: int = 0
    delivered: int = 0
    shown: int = 0
    lost: list[str] = field(default_factory=list)
    twice: int = 0
    # By channel kind.
    worst_ms: dict[str, int] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def draw_up(run: FaultRun) -> list[LedgerRow]:
    """Ends the run: all rules are paused, and what is queued has gone out."""
    seen = len(run.follower.ticks)
    run.product.wait_until(lambda: len(run.follower.ticks) > seen, accounts.QUIET_WITHIN_S, "no tick came")
    ticks = list(run.follower.ticks)
    accounts.pause_all_rules(run.product)
    found = accounts.draw_up(run.product)
    run.product.wait_until(
        lambda: run.page.shown >= {alert.id for alert in found.alerts},
        accounts.QUIET_WITHIN_S,
        "the page does not show every alert",
    )
    assert run.follower.lost_before == "", "ticks were trimmed away before they were read"
    return _rows(run, ticks, found)


def _rows(run: FaultRun, ticks: list[Tick], found: Accounts) -> list[LedgerRow]:
    # A tick may follow with the time of the last one, so what happened at that time is left out.
    last_ms = {rule.id: max(tick.time_ms for tick in ticks if tick.token == rule.token) for rule in run.rules}
    wanted = [each for each in expected_alerts(ticks, run.rules) if each.time_ms < last_ms[each.rule]]
    alerts = [alert for alert in found.alerts if alert.time_ms < last_ms.get(alert.rule, 0)]
    messages = accounts.messages_of_alerts(run.product)
    sent_ms = {_key(it): it["time_ms"] for it in messages}
    deliveries = defaultdict(list)
    for delivery in found.deliveries:
        deliveries[delivery.alert].append(delivery)
    missing = {line.partition(" by ")[0] for line in found.missing}
    rows = [LedgerRow(it.fault, it.mended_ms - it.began_ms, it.recovered_ms - it.mended_ms) for it in run.injections]
    when = _Periods(run.injections)
    by_alert = {accounts.as_expected(alert): alert for alert in alerts}
    for each in wanted:
        row, alert = rows[when.of(each.time_ms)], by_alert.pop(each, None)
        row.expected += 1
        if alert is None:
            row.lost.append(f"{each.rule} at {each.time_ms} is not in the stream")
            continue
        row.in_stream += 1
        row.in_store += bool(deliveries[alert.id])
        row.shown += alert.id in run.page.shown
        row.delivered += alert.id not in missing
        if alert.id in missing:
            row.lost.append(f"{alert.id} is not on every channel")
        for delivery in deliveries[alert.id]:
            took_ms = sent_ms.get(accounts.key_of(delivery), alert.time_ms) - alert.time_ms
            row.worst_ms[delivery.channel_kind] = max(took_ms, row.worst_ms.get(delivery.channel_kind, 0))
    for alert in by_alert.values():
        rows[when.of(alert.time_ms)].lost.append(f"{alert.id} is not what the definition has")
    _count_repeated(rows, when, found, messages)
    _tell(rows, when, run)
    return rows


class _Periods:
    """Which injection a moment belongs to: from its beginning to that of the next."""

    def __init__(self, injections: list[Injection]) -> None:
        self._began_ms = [it.began_ms for it in injections]
        assert all(before < after for before, after in pairwise(self._began_ms))

    def of(self, time_ms: int) -> int:
        # What fired before the first is as much of it.
        return max(0, bisect_right(self._began_ms, time_ms) - 1)

    def began_ms(self, place: int) -> int:
        return self._began_ms[place]


def _count_repeated(rows: list[LedgerRow], when: _Periods, found: Accounts, messages: list[dict[str, Any]]) -> None:
    """To the fault under which its alert fired: of a message whose answer was lost no delivery knows, but of its words."""
    fired_ms = {alert.id: alert.time_ms for alert in found.alerts}
    alert_ms = {accounts.key_of(each): fired_ms[each.alert] for each in found.deliveries}
    keys = {_words(it): key for it in messages if (key := _key(it)) in alert_ms}
    for it in messages:
        if found.repeated[_key(it)]:
            rows[when.of(alert_ms.get(keys.get(_words(it)), it["time_ms"]))].twice += found.repeated[_key(it)]


def _key(message: dict[str, Any]) -> tuple[str, str]:
    return message["channel"], accounts.provider_id(message)


def _words(message: dict[str, Any]) -> tuple[str, str]:
    return message["channel"], message["text"]


def _tell(rows: list[LedgerRow], when: _Periods, run: FaultRun) -> None:
    known: set[str] = set()
    for message in run.product.outbox():
        if message["text"].startswith(accounts.NOTICES):
            place = when.of(message["time_ms"])
            line = message["text"].splitlines()[0]
            if (key := f"{place} {line}") not in known:
                known.add(key)
                rows[place].told.append(Told(line, message["time_ms"] - when.began_ms(place)))
