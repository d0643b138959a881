"""`make run` from the first start to the last: alerts arrive, Redis is readable, Ctrl-C stops it all, the next run goes on."""

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.launch.browser import Browser
from stormalert.model import Alert, ChannelKind
from stormalert.units import HOUR_MS, now_ms
from tests.e2e import accounts
from tests.e2e.accounts import SHARD
from tests.e2e.product import Product, product

pytestmark = pytest.mark.e2e

ANNOUNCED = "Ctrl-C stops everything"
ALERT_FIELDS = [
    "alert",
    "rule",
    "user",
    "token",
    "symbol",
    "kind",
    "direction",
    "price",
    "reference",
    "percent",
    "window",
    "time",
]
ALERT_WITHIN_S = 180
ORPHANS_END_WITHIN_S = 90
# Rules that fire once in the time that the test takes.
PATIENT = "patient"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A run with some more rules than the demo's, and its first alerts."""
    with product(tmp_path_factory.mktemp("run")) as started:
        started.start("run")
        started.wait_for(ANNOUNCED)
        accounts.add_rules(started, "brisk", now_ms(), cooldown_ms=5_000)
        accounts.add_rules(started, PATIENT, now_ms(), cooldown_ms=HOUR_MS)
        wait_for_another_alert(started, [])
        yield started


def test_alerts_arrive_over_every_channel(run: Product) -> None:
    symbol = accounts.stream_alerts(run)[0].symbol
    messages = [message for message in run.outbox() if symbol in message["text"]]
    assert {message["channel"] for message in messages} == set(ChannelKind)


def test_the_announced_password_opens_the_announced_pages(run: Product) -> None:
    found = re.search(r"Sign in as +(\S+), password (\S+)", run.output)
    assert found
    browser = Browser()
    sign_in = browser.open(f"{run.dashboard_url}/login")
    form = next(form for form in sign_in.forms if form.asks_for_password)
    form.fill_in(*found.groups())
    browser.send(sign_in, form)
    for name in ("Dashboard", "Outbox", "Queue board"):
        url = re.search(rf"{name} +(http\S+)", run.output)
        assert url, f"no {name} in {run.output}"
        assert not any(form.asks_for_password for form in browser.open(url[1]).forms)


def test_redis_can_be_read_by_a_person(run: Product) -> None:
    with run.redis() as client:
        groups = client.xinfo_groups(SHARD.ticks)
        assert [group["name"] for group in groups] == ["evaluator"]
        run.wait_until(
            lambda: client.xinfo_groups(SHARD.ticks)[0]["lag"] < 2_000, ALERT_WITHIN_S, "the evaluator does not keep up"
        )
        _, tick = client.xrevrange(SHARD.ticks, count=1)[0]
        assert list(tick)[:3] == ["token", "price", "time"]
        assert re.fullmatch(r"\d+\.\d\d", tick["price"])
        _, alert = client.xrange(SHARD.alerts, count=1)[0]
        assert list(alert) == ALERT_FIELDS
        assert re.fullmatch(rf"{alert['rule']}-\d+", alert["alert"])
        instrument = client.hgetall(SHARD.instrument(int(alert["token"])))
        assert instrument["symbol"] == alert["symbol"]
        # A side on which every rule has just fired, and cools down, is empty.
        below, above = instrument["below"], instrument["above"]
        assert all(re.fullmatch(r"(\d+(\.\d+)?)?", price) for price in (below, above))
        assert not (below and above) or float(below) < float(above)
        assert [name for name in instrument if name.startswith("window ")]
        rule = client.hgetall(SHARD.rule(alert["rule"]))
        assert rule.keys() in ({"armed", "rule"}, {"cooling", "rule"})
        quote = client.hgetall(SHARD.quote(int(alert["token"])))
        assert {"last", "open", "high", "low", "close", "volume", "change", "time"} <= set(quote)


def test_a_second_run_in_the_same_place_says_that_there_is_one(run: Product) -> None:
    done = start_beside(run, run.environment)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"StormAlert already runs here, as process {run.pid}: stop it with Ctrl-C there, or with: kill {run.pid}"
    ]


def test_each_taken_port_is_named_with_the_setting_that_moves_it(run: Product) -> None:
    done = start_beside(run, run.environment | {"STORM_VAR": str(run.var / "other")})
    assert done.returncode == 1
    assert sorted(done.stderr.splitlines()) == sorted(
        f"port {number} is taken: free it, or set {name} to another number, in .env for instance"
        for name, number in run.ports.items()
    )
    assert not (run.var / "other" / "run.env").exists()


def test_ctrl_c_stops_everything_and_the_next_run_goes_on_where_it_was(run: Product) -> None:
    run.wait_until(lambda: cooling(run), ALERT_WITHIN_S, "no rule cools down")
    resting, before, pids = cooling(run), accounts.stream_alerts(run), run.pids()
    assert run.interrupt() == 0
    assert run.output.endswith("All stopped; `make run` goes on where it was.\n")
    assert [name for name, pid in pids.items() if is_alive(pid)] == []
    assert run.processes() == {}
    assert run.taken_ports() == {}

    sign_in = password_line(run)
    run.start("run")
    run.wait_for(ANNOUNCED)
    assert password_line(run) == sign_in
    assert accounts.stream_alerts(run)[: len(before)] == before
    assert {rule: state for rule, state in cooling(run).items() if rule in resting} == resting
    wait_for_another_alert(run, before)


def test_a_killed_launcher_takes_everything_with_it_and_the_next_run_copes(run: Product) -> None:
    pids = run.pids()
    run.kill_launcher()
    run.start("run")
    run.wait_for(ANNOUNCED)
    assert [name for name, pid in pids.items() if is_alive(pid)] == []
    assert set(run.pids()) == set(pids)
    wait_for_another_alert(run, accounts.stream_alerts(run))


def test_over_all_runs_each_alert_fired_once_and_went_out_once_a_channel(run: Product) -> None:
    accounts.pause_all_rules(run)
    drawn_up = accounts.draw_up(run)
    assert drawn_up.alerts
    assert drawn_up.unsent == []
    assert drawn_up.missing == []
    assert not drawn_up.repeated
    assert drawn_up.repeated_ids == []
    assert too_soon(run, drawn_up) == []
    fired = Counter(alert.rule for alert in drawn_up.alerts if alert.rule.startswith(PATIENT))
    assert fired
    assert set(fired.values()) == {1}


def test_ctrl_c_while_it_starts_leaves_nothing_behind(tmp_path: Path) -> None:
    with product(tmp_path) as starting:
        starting.start("run")
        starting.wait_for("starts with a demo market")
        assert starting.interrupt() == 0
        assert ANNOUNCED not in starting.output
        assert "Traceback" not in starting.output
        assert starting.processes() == {}
        assert starting.taken_ports() == {}


def test_what_a_killed_launcher_has_started_ends_by_itself(tmp_path: Path) -> None:
    with product(tmp_path) as starting:
        starting.start("run")
        starting.wait_for("✓ redis")
        starting.kill_launcher()
        assert starting.processes() != {}
        starting.wait_until_gone(ORPHANS_END_WITHIN_S)
        assert starting.taken_ports() == {}


def wait_for_another_alert(run: Product, before: list[Alert]) -> None:
    store = run.store()
    run.wait_until(
        lambda: accounts.went_out(store, accounts.stream_alerts(run)[len(before) :]),
        ALERT_WITHIN_S,
        "no alert went out over every channel",
    )
    store.close()


def cooling(run: Product) -> dict[str, dict[str, str]]:
    """The patient rules that have fired, as the engine knows them."""
    with run.redis() as client:
        found = {key: client.hgetall(key) for key in client.scan_iter(match=SHARD.rule(f"{PATIENT}-*"))}
    return {key: state for key, state in found.items() if "cooling" in state}


def password_line(run: Product) -> str:
    return next(line for line in run.output.splitlines() if "password" in line)


def too_soon(run: Product, drawn_up: accounts.Accounts) -> list[str]:
    """Alerts of a rule that was still cooling."""
    store = run.store()
    cooldowns_ms = {rule.id: rule.cooldown_ms for rule in store.rules_of("demo", limit=1_000)}
    store.close()
    ready_ms: dict[str, int] = {}
    found = []
    for alert in drawn_up.alerts:
        if alert.time_ms < ready_ms.get(alert.rule, 0):
            found.append(alert.id)
        ready_ms[alert.rule] = alert.time_ms + cooldowns_ms[alert.rule]
    return found


def start_beside(run: Product, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stormalert", "run"]
    return subprocess.run(command, cwd=run.checkout, env=environment, capture_output=True, text=True, timeout=180, check=False)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
