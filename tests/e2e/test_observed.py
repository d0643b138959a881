"""The running product as an operator sees it: /metrics with a script's token, and the doctor."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from stormalert.model import ChannelKind
from stormalert.units import now_ms
from tests.e2e import accounts
from tests.e2e.product import Product, product
from tests.ingest.fixtures import missing_holidays

pytestmark = pytest.mark.e2e

ANNOUNCED = "Ctrl-C stops everything"
# Of a day on which nobody guesses at a password.
QUIET = {"stormalert_sign_ins_refused"}
Samples = dict[tuple[str, ...], float]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with product(tmp_path_factory.mktemp("observed")) as started:
        started.start("run")
        started.wait_for(ANNOUNCED)
        accounts.add_rules(started, "brisk", now_ms(), cooldown_ms=5_000)
        store = started.store()
        store.save_setting("calendar", json.dumps({"holidays": missing_holidays()}))
        store.close()
        yield started


def bearer(run: Product) -> dict[str, str]:
    """As docs/operations.md says: an admin's token with the scope read."""
    password = run.kept["DEMO_PASSWORD"]
    with httpx.Client(base_url=run.dashboard_url, timeout=60, trust_env=False) as admin:
        page = admin.get("/login")
        assert page.status_code == 200
        form = {"csrf": admin.cookies["storm_csrf"], "name": "demo", "password": password}
        assert admin.post("/login", data=form).status_code == 303
        made = admin.post("/api/auth/tokens", json={"label": "prometheus", "scopes": ["read"]})
        assert made.status_code == 201, made.text
        return {"Authorization": f"Bearer {made.json()['token']}"}


def scrape(run: Product, token: dict[str, str]) -> tuple[Samples, set[str]]:
    """Values by name and labels' values, in the order of the labels' names; and which metrics have none."""
    answer = httpx.get(f"{run.dashboard_url}/metrics", headers=token, timeout=60, trust_env=False)
    assert answer.status_code == 200, answer.text
    families = list(text_string_to_metric_families(answer.text))
    samples = [sample for family in families for sample in family.samples]
    values = {(it.name, *(it.labels[label] for label in sorted(it.labels))): it.value for it in samples}
    return values, {family.name for family in families if not family.samples}


def total(values: Samples, *beginning: str) -> float:
    return sum(value for key, value in values.items() if key[: len(beginning)] == beginning)


def test_a_scrape_tells_figures_of_every_metric_and_process(run: Product) -> None:
    token, deadline_s = bearer(run), time.monotonic() + 240
    while True:
        values, empty = scrape(run, token)
        sent = {kind: total(values, "stormalert_deliveries_total", kind, "sent") for kind in ChannelKind}
        if all(sent.values()) and empty <= QUIET:
            break
        assert time.monotonic() < deadline_s, (sent, empty)
        time.sleep(1)
    up = {key[1]: value for key, value in values.items() if key[0] == "stormalert_up"}
    assert up.keys() >= {"ingest", "evaluator", "dispatch", "worker", "bot", "relay", "dashboard", "board"}
    assert set(up.values()) == {1.0}
    assert values["stormalert_feed_state", "streaming"] == 1
    assert total(values, "stormalert_ticks_evaluated_total") > 100
    assert total(values, "stormalert_delivery_seconds_count") > 0
    assert total(values, "stormalert_processes", "worker") == 2


def test_the_doctor_finds_a_run_well(run: Product) -> None:
    deadline_s = time.monotonic() + 240
    while True:
        done = subprocess.run(
            [sys.executable, "-m", "stormalert", "doctor"],
            cwd=run.checkout,
            env=run.environment,
            capture_output=True,
            text=True,
        )
        # It would also say that a busy machine is late for a moment.
        if done.returncode == 0 or time.monotonic() > deadline_s:
            break
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert done.stdout.splitlines()[-1] == "All is good."
    for subject in ("settings", "sealed", "store", "redis", "kite", "telegram", "twilio", "mail", "feed", "streams"):
        assert f"\n✓ {subject} " in f"\n{done.stdout}", done.stdout
    secrets = [value for name, value in run.kept.items() if "SECRET" in name or "TOKEN" in name]
    assert len(secrets) >= 4 and not [secret for secret in secrets if secret in done.stdout]
