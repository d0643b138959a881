"""Prometheus' rules and Grafana's panel, held against what /metrics tells and what docs/operations.md says."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dashboard.metrics.names import METRICS, Metric, MetricKind

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
GROUPS = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"]
RULES: dict[str, dict[str, Any]] = {rule["alert"]: rule for group in GROUPS for rule in group["rules"]}
PROMETHEUS = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
BOARD = json.loads((DEPLOY / "grafana" / "stormalert.json").read_text())
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()


def served() -> Iterator[tuple[str, Metric]]:
    for metric in METRICS:
        if metric.kind is MetricKind.HISTOGRAM:
            yield from ((f"{metric.name}_{part}", metric) for part in ("bucket", "count", "sum"))
        else:
            yield metric.name, metric


SERVED = dict(served())
QUERIES = [(name, rule["expr"]) for name, rule in RULES.items()]
QUERIES += [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]
QUERIES += [(note["name"], note["expr"]) for note in BOARD["annotations"]["list"]]
SELECTOR = re.compile(r"(stormalert_\w+)(\{[^}]*\})?(\[\w+\])?")


@pytest.mark.parametrize(("where", "query"), QUERIES)
def test_a_query_asks_for_what_is_told(where: str, query: str) -> None:
    for opening, closing in ("()", "{}", "[]"):
        assert query.count(opening) == query.count(closing)
    assert query.count('"') % 2 == 0
    known: set[str] = set()
    for name, labels, window in SELECTOR.findall(query):
        assert name in SERVED, name
        metric = SERVED[name]
        known |= {*metric.labels, *(["le"] if metric.kind is MetricKind.HISTOGRAM else [])}
        assert set(re.findall(r"(\w+)\s*=", labels)) <= set(metric.labels), name
        # What only grows says something by how fast it does.
        assert bool(window) == (metric.kind is not MetricKind.GAUGE), name
    for grouped in re.findall(r"\bby \(([^)]*)\)", query):
        assert set(re.split(r",\s*", grouped)) <= known, grouped


@pytest.mark.parametrize("name", RULES)
def test_an_alert_says_what_to_do_and_where_more_is_written(name: str) -> None:
    rule = RULES[name]
    assert re.fullmatch(r"StormAlert[A-Z]\w+", name)
    assert rule["labels"]["severity"] in ("page", "ticket")
    told = rule["annotations"]
    assert told.keys() == {"summary", "action", "runbook"}
    assert told["summary"].endswith(".") and told["action"].endswith(".")
    document, _, anchor = told["runbook"].partition("#")
    assert document == "docs/operations.md" and anchor in anchors(OPERATIONS)
    labels = set(re.findall(r"\$labels\.(\w+)", told["summary"] + told["action"]))
    assert labels <= {label for it, *_ in SELECTOR.findall(rule["expr"]) for label in SERVED[it].labels}


def test_no_two_alerts_have_one_name() -> None:
    assert len(RULES) == sum(len(group["rules"]) for group in GROUPS) > 20


def test_prometheus_reads_the_rules_and_comes_with_a_token_from_a_file() -> None:
    assert PROMETHEUS["rule_files"] == ["alerts.yml"]
    (job,) = PROMETHEUS["scrape_configs"]
    assert (job["job_name"], job["metrics_path"]) == ("stormalert", "/metrics")
    assert job["authorization"]["type"] == "Bearer" and "credentials" not in job["authorization"]
    # As the rules know it.
    assert 'up{job="stormalert"}' in RULES["StormAlertNotScraped"]["expr"]


def test_the_board_has_a_panel_for_each_part_and_says_what_each_shows() -> None:
    rows = [panel["title"] for panel in BOARD["panels"] if panel["type"] == "row"]
    assert rows == ["Is it well", "Feed", "Engine", "Delivery", "Relay and people", "Resources"]
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])
    assert all(panel["description"].endswith(".") for panel in PANELS)
    assert {panel["datasource"]["uid"] for panel in PANELS} == {"${datasource}"}


def test_no_panel_covers_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken and at["x"] + at["w"] <= 24, panel["title"]
        taken |= cells


def test_nearly_everything_that_is_told_is_shown_or_watched() -> None:
    asked = {name for _, query in QUERIES for name, *_ in SELECTOR.findall(query)}
    unused = {metric.name for metric in METRICS if not any(name.startswith(metric.name) for name in asked)}
    # For questions that nobody asks every day.
    assert unused == {
        "stormalert_processes",
        "stormalert_process_start_time_seconds",
        "stormalert_kite_login_timestamp_seconds",
        "stormalert_stream_entries",
        "stormalert_alerts_refused_total",
        "stormalert_deliveries_requeued_total",
        "stormalert_bot_errands_total",
        "stormalert_redis_info",
        "stormalert_redis_start_time_seconds",
        "stormalert_redis_clients",
        "stormalert_store_answer_seconds",
    }


def anchors(text: str) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
