"""The facts as families of samples for Prometheus. Pure."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family

from dashboard.metrics.names import BY_NAME, METRICS, Metric, MetricKind
from stormalert.health.capacity import capacity_of
from stormalert.health.checks.processes import NEEDED
from stormalert.health.facts import Facts, ServerReading, Stats
from stormalert.histogram import BOUNDS_MS, Counted
from stormalert.model import ChannelKind
from stormalert.units import SECOND_MS

FEED_STATES = ("starting", "login_needed", "connecting", "streaming", "stale", "unknown")
OUTCOMES = ("sent", "failed", "suppressed")
JOB_STATES = ("queued", "waiting_to_retry", "failed")
# Facts of one kind of process, which are counters of its replicas.
_COUNTERS = {
    "evaluator": {"ticks": "ticks_evaluated_total", "alerts": "alerts_fired_total"},
    "dispatch": {
        "alerts": "alerts_dispatched_total",
        "refused": "alerts_refused_total",
        "swept": "deliveries_requeued_total",
    },
    "bot": {"errands": "bot_errands_total"},
    "relay": {"listeners": "relay_listeners", "dropped": "relay_dropped_total", "held_back": "relay_held_back_total"},
    "dashboard": {"sign_ins": "sign_ins_total"},
}
_HISTOGRAMS = {"evaluator": {"delays": "tick_delay_seconds", "alert_delays": "alert_delay_seconds"}}
_REFUSED, _SIGN_INS_REFUSED = "refused_", "sign_ins_refused_"


def families(facts: Facts) -> Iterator[Family]:
    """All of names.METRICS, in its order, also those of which nothing is known yet."""
    sheet = _Sheet()
    _fill_kinds(sheet, facts)
    for process in facts.processes:
        _fill_process(sheet, process)
    _fill_feed(sheet, facts)
    _fill_streams(sheet, facts)
    _fill_queue(sheet, facts)
    for server in facts.servers:
        _fill_server(sheet, server)
    alarmed = {alarm.kind for alarm in facts.alarms or ()}
    for kind in ChannelKind:
        sheet.add("channel_alarm", kind in alarmed, kind)
    if facts.store is not None:
        sheet.add("store_up", facts.store.took_s is not None)
        sheet.add("store_answer_seconds", facts.store.took_s)
    yield from sheet.families()


class _Sheet:
    def __init__(self) -> None:
        self._samples: defaultdict[str, list[tuple[list[str], Any]]] = defaultdict(list)

    def add(self, name: str, value: object, *labels: object) -> None:
        """What is no number is not known, and left out."""
        metric = BY_NAME[f"stormalert_{name}"]
        assert len(labels) == len(metric.labels), name
        if metric.kind is MetricKind.HISTOGRAM:
            value = Counted.read(value) if isinstance(value, str) else None
        if isinstance(value, int | float | Counted):
            self._samples[metric.name].append(([str(label) for label in labels], value))

    def families(self) -> Iterator[Family]:
        for metric in METRICS:
            yield _family(metric, self._samples[metric.name])


def _family(metric: Metric, samples: list[tuple[list[str], Any]]) -> Family:
    if metric.kind is MetricKind.HISTOGRAM:
        histogram = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
        for labels, counted in samples:
            histogram.add_metric(labels, buckets=_buckets(counted), sum_value=counted.sum_ms / SECOND_MS)
        return histogram
    kind = CounterMetricFamily if metric.kind is MetricKind.COUNTER else GaugeMetricFamily
    family = kind(metric.name, metric.help, labels=metric.labels)
    for labels, value in samples:
        family.add_metric(labels, float(value))
    return family


def _buckets(counted: Counted) -> list[tuple[str, float]]:
    """Cumulative, by upper bound in seconds."""
    bounds, total, found = (*(str(bound / SECOND_MS) for bound in BOUNDS_MS), "+Inf"), 0, []
    for bound, count in zip(bounds, counted.by_bucket, strict=True):
        total += count
        found.append((bound, float(total)))
    return found


def _fill_kinds(sheet: _Sheet, facts: Facts) -> None:
    names = [process["name"] for process in facts.processes]
    for name in sorted({*NEEDED, *facts.roll, *names}):
        sheet.add("up", name in names, name)
        sheet.add("processes", names.count(name), name)
        sheet.add("process_starts_total", facts.starts.get(name, 0), name)


def _fill_process(sheet: _Sheet, stats: Stats) -> None:
    name, replica = stats["name"], stats["process"]
    who = (name, replica)
    sheet.add("process_info", 1, *who, stats.get("version", "unknown"))
    sheet.add("process_start_time_seconds", _s(stats.get("started_ms")), *who)
    sheet.add("process_resident_memory_bytes", stats.get("rss_bytes"), *who)
    sheet.add("process_cpu_seconds_total", stats.get("cpu_s"), *who)
    sheet.add("process_loop_lag_seconds", _s(stats.get("late_ms")), *who)
    sheet.add("store_call_seconds", stats.get("store_calls"), *who)
    sheet.add("store_errors_total", stats.get("store_errors"), *who)
    for stat, metric in {**_COUNTERS.get(name, {}), **_HISTOGRAMS.get(name, {})}.items():
        sheet.add(metric, stats.get(stat), replica)
    if name == "worker":
        _fill_worker(sheet, stats, replica)
    if name == "ingest":
        sheet.add("feed_delay_seconds", stats.get("delays"))
        sheet.add("kite_login_timestamp_seconds", _s(stats.get("login_ms")))
    for stat in (each for each in stats if name == "dashboard" and each.startswith(_SIGN_INS_REFUSED)):
        sheet.add("sign_ins_refused_total", stats[stat], stat.removeprefix(_SIGN_INS_REFUSED), replica)


def _fill_worker(sheet: _Sheet, stats: Stats, replica: str) -> None:
    for kind in ChannelKind:
        for outcome in OUTCOMES:
            sheet.add("deliveries_total", stats.get(f"{kind}_{outcome}", 0), kind, outcome, replica)
        for answer in ("taken", "refused"):
            sheet.add("provider_answers_total", stats.get(f"{kind}_{answer}", 0), kind, answer, replica)
        sheet.add("delivery_retries_total", stats.get(f"{kind}_retries", 0), kind, replica)
        sheet.add("rate_limit_waits_total", stats.get(f"{kind}_waits", 0), kind, replica)
        sheet.add("delivery_seconds", stats.get(f"{kind}_delays"), kind, replica)
        sheet.add("provider_answer_seconds", stats.get(f"{kind}_answers"), kind, replica)


def _fill_feed(sheet: _Sheet, facts: Facts) -> None:
    feed = facts.feed
    is_known = facts.is_feed_known
    state = feed.get("state", "unknown") if is_known else "unknown"
    for each in FEED_STATES:
        sheet.add("feed_state", each == state, each)
    sheet.add("kite_login_needed", state == "login_needed")
    sheet.add("feed_last_frame_timestamp_seconds", _s(feed.get("frame_ms", 0)))
    if not is_known:
        return
    sheet.add("feed_market_open", feed.get("opens_ms", 0) <= facts.now_ms)
    sheet.add("feed_market_opens_timestamp_seconds", _s(feed.get("opens_ms", 0)))
    sheet.add("feed_instruments", feed.get("instruments"))
    sheet.add("feed_instruments_left_out", feed.get("left_out"))
    sheet.add("feed_sockets", feed.get("sockets"))
    sheet.add("feed_troubles", len(facts.troubles))
    sheet.add("feed_gaps_total", feed.get("gaps"))
    sheet.add("feed_ticks_total", feed.get("ticks"))
    sheet.add("feed_ticks_conflated_total", feed.get("conflated"))
    sheet.add("feed_faulty_frames_total", feed.get("faulty_frames"))
    for stat in (each for each in feed if each.startswith(_REFUSED)):
        sheet.add("feed_ticks_refused_total", feed[stat], stat.removeprefix(_REFUSED))


def _fill_streams(sheet: _Sheet, facts: Facts) -> None:
    for it in facts.streams:
        sheet.add("stream_entries", it.length, it.name, it.shard)
        sheet.add("stream_waiting_entries", it.waiting, it.name, it.shard)
        oldest_ms = max(0, facts.now_ms - it.oldest_ms) if it.oldest_ms else 0
        sheet.add("stream_oldest_waiting_seconds", _s(oldest_ms), it.name, it.shard)
    sheet.add("ticks_malformed_total", facts.malformed)


def _fill_queue(sheet: _Sheet, facts: Facts) -> None:
    """Of several dispatchers each tells of the same queue."""
    newest = facts.queue
    if not newest:
        return
    for state in JOB_STATES:
        sheet.add("queue_jobs", newest.get(state), state)
    since_ms = newest.get("queued_since_ms", 0)
    sheet.add("queue_oldest_waiting_seconds", _s(max(0, facts.now_ms - since_ms)) if since_ms else 0)


def _fill_server(sheet: _Sheet, server: ServerReading) -> None:
    sheet.add("redis_up", server.nodes is not None, server.role)
    for node, info in (server.nodes or {}).items():
        who = (server.role, node)
        sheet.add("redis_info", 1, *who, info.get("valkey_version") or info.get("redis_version", "unknown"))
        if "server_time_usec" in info:
            sheet.add("redis_start_time_seconds", info["server_time_usec"] // 1_000_000 - info["uptime_in_seconds"], *who)
        sheet.add("redis_memory_used_bytes", capacity_of(info).used_bytes, *who)
        sheet.add("redis_memory_limit_bytes", info.get("maxmemory"), *who)
        sheet.add("redis_clients", info.get("connected_clients"), *who)
        sheet.add("redis_aof_enabled", info.get("aof_enabled"), *who)
        statuses = (info.get("aof_last_write_status", "ok"), info.get("aof_last_bgrewrite_status", "ok"))
        sheet.add("redis_aof_ok", all(status == "ok" for status in statuses), *who)
        sheet.add("redis_evicted_keys_total", info.get("evicted_keys"), *who)
        sheet.add("redis_commands_total", info.get("total_commands_processed"), *who)


def _s(value_ms: object) -> float | None:
    return value_ms / SECOND_MS if isinstance(value_ms, int | float) else None
