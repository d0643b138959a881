"""kill -9 of every process in turn while alerts fire: each comes back by itself, and no alert is lost or repeated."""

import os
import signal
from collections.abc import Iterator

import pytest

from stormalert.model import Rule
from stormalert.units import now_ms
from tests.e2e import accounts
from tests.e2e.follower import Follower, in_thread
from tests.e2e.product import Product, product
from tests.evaluator.oracle import Expected, expected_alerts

pytestmark = pytest.mark.e2e

# Time for the rules to reach the engine before they count.
ARMED_AFTER_MS = 5_000
BACK_WITHIN_S = 240
ALERT_WITHIN_S = 180
# Those in whose hands a message may be when they die: between a provider's yes and our mark of it lies a moment.
MAY_REPEAT = ("worker-1", "worker-2", "redis", "sandbox", "supervisord")
OTHERS = ("ingest", "evaluator", "dispatch", "bot", "relay", "dashboard", "board")


class Run:
    def __init__(self, started: Product, rules: list[Rule], follower: Follower) -> None:
        self.product, self.rules, self.follower = started, rules, follower
        self.killed: list[str] = []

    def kill(self, name: str) -> None:
        os.kill(self.product.pids()[name], signal.SIGKILL)
        self.killed.append(name)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with product(tmp_path_factory.mktemp("kill")) as started:
        started.start("run")
        started.wait_for("Ctrl-C stops everything")
        rules = accounts.add_rules(started, "brisk", now_ms() + ARMED_AFTER_MS, cooldown_ms=5_000)
        with in_thread(Follower(started, {rule.token for rule in rules})) as follower:
            yield Run(started, rules, follower)


@pytest.mark.parametrize("name", OTHERS + MAY_REPEAT)
def test_a_killed_process_comes_back_by_itself_and_alerts_go_on(run: Run, name: str) -> None:
    told, before = len(run.product.output), run.product.pids()
    run.kill(name)
    # Everything ends with supervisord, and the last to be well again is the dashboard.
    waited_for = "dashboard" if name == "supervisord" else name
    run.product.wait_until(
        lambda: f"✓ {waited_for:10} is back" in run.product.output[told:], BACK_WITHIN_S, f"{waited_for} did not come back"
    )
    # Workers end themselves when Redis does, and are started again too.
    run.product.wait_until(lambda: all(run.product.pids().values()), BACK_WITHIN_S, "not every process runs")
    after = run.product.pids()
    assert set(after) == set(before)
    assert after[name] != before[name]
    known = {alert.id for alert in accounts.stream_alerts(run.product)}
    store = run.product.store()
    run.product.wait_until(
        lambda: accounts.went_out(store, [it for it in accounts.stream_alerts(run.product) if it.id not in known]),
        ALERT_WITHIN_S,
        f"no alert went out after {name} was killed",
    )
    store.close()


def test_at_the_end_no_alert_was_lost_or_repeated_and_each_went_out_once_a_channel(run: Run) -> None:
    seen = len(run.follower.ticks)
    run.product.wait_until(lambda: len(run.follower.ticks) > seen, ALERT_WITHIN_S, "no tick came")
    # What comes later finds the rules paused.
    ticks = list(run.follower.ticks)
    accounts.pause_all_rules(run.product)
    drawn_up = accounts.draw_up(run.product)
    assert drawn_up.repeated_ids == []
    assert drawn_up.unsent == []
    assert drawn_up.missing == []
    assert drawn_up.repeated.total() <= sum(name in MAY_REPEAT for name in run.killed)

    assert run.follower.lost_before == ""
    # A tick may follow with the time of the last one, so what happened at that time is left out.
    last_ms = {rule.id: max(tick.time_ms for tick in ticks if tick.token == rule.token) for rule in run.rules}
    wanted = [it for it in expected_alerts(ticks, run.rules) if it.time_ms < last_ms[it.rule]]
    found = [accounts.as_expected(it) for it in drawn_up.alerts if it.time_ms < last_ms.get(it.rule, 0)]
    assert len(wanted) > len(run.rules)
    assert by_rule(found) == by_rule(wanted)


def by_rule(alerts: list[Expected]) -> list[Expected]:
    return sorted(alerts, key=lambda alert: (alert.rule, alert.time_ms))
